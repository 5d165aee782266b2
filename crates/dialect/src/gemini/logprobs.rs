//! Log probabilities in OpenAI's form, which crosses between formats, and in Google's.

use super::names::{each, get, text};
use crate::json::write::{self, item, name};
use crate::json::{Document, Kind, Value};

/// A candidate's log probabilities as the items of OpenAI's `logprobs.content`, a JSON array.
pub(super) fn logprobs(candidate: Value<'_>) -> Option<String> {
    let result = get(candidate, "logprobsResult")?;
    let chosen = get(result, "chosenCandidates")?;
    let mut top = get(result, "topCandidates").into_iter().flat_map(each);
    let mut out = String::from("[");
    for token in each(chosen) {
        item(&mut out);
        out.push('{');
        openai_token(token, &mut out);
        name(&mut out, "top_logprobs");
        out.push('[');
        let others = top.next().and_then(|top| get(top, "candidates"));
        for token in others.into_iter().flat_map(each) {
            item(&mut out);
            out.push('{');
            openai_token(token, &mut out);
            out.push('}');
        }
        out.push_str("]}");
    }
    out.push(']');
    (out != "[]").then_some(out)
}

fn openai_token(token: Value<'_>, out: &mut String) {
    write::text(out, "token", &text(token, "token"));
    name(out, "logprob");
    let probability = get(token, "logProbability").filter(|value| value.kind() == Kind::Number);
    // Protobuf leaves out a zero.
    out.push_str(probability.map_or("0", Value::raw));
    out.push_str(",\"bytes\":null");
}

/// Writes `logprobsResult` from the items of OpenAI's `logprobs.content`.
pub(super) fn write_logprobs(items: &str, out: &mut String) {
    let Ok(document) = Document::parse(items.as_bytes()) else {
        return;
    };
    let items = document.root();
    name(out, "logprobsResult");
    out.push_str("{\"chosenCandidates\":[");
    for token in items.items() {
        google_token(token, out);
    }
    out.push_str("],\"topCandidates\":[");
    for token in items.items() {
        item(out);
        out.push_str("{\"candidates\":[");
        let top = token.get("top_logprobs");
        for token in top.into_iter().flat_map(Value::items) {
            google_token(token, out);
        }
        out.push_str("]}");
    }
    out.push_str("]}");
}

fn google_token(token: Value<'_>, out: &mut String) {
    item(out);
    out.push('{');
    write::text(out, "token", &text(token, "token"));
    if let Some(probability) = token
        .get("logprob")
        .filter(|value| value.kind() == Kind::Number)
    {
        name(out, "logProbability");
        out.push_str(probability.raw());
    }
    out.push('}');
}
