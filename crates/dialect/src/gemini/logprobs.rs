//! Log probabilities in OpenAI's form, which crosses between formats, and in Google's.

use super::names::{each, get, text};
use crate::json::write;
use crate::json::{Document, Kind, Value};

/// A candidate's log probabilities as the items of OpenAI's `logprobs.content`, a JSON array.
pub(super) fn logprobs(candidate: Value<'_>) -> Option<String> {
    let result = get(candidate, "logprobsResult")?;
    let chosen = get(result, "chosenCandidates")?;
    let mut top = get(result, "topCandidates").into_iter().flat_map(each);
    let mut out = String::new();
    write::brackets(&mut out, |out| {
        for token in each(chosen) {
            write::braces(out, |out| {
                openai_token(token, out);
                write::list(out, "top_logprobs", |out| {
                    let others = top.next().and_then(|top| get(top, "candidates"));
                    for token in others.into_iter().flat_map(each) {
                        write::braces(out, |out| openai_token(token, out));
                    }
                });
            });
        }
    });
    (out != "[]").then_some(out)
}

fn openai_token(token: Value<'_>, out: &mut String) {
    write::text(out, "token", &text(token, "token"));
    let probability = get(token, "logProbability").filter(|value| value.kind() == Kind::Number);
    // Protobuf leaves out a zero.
    write::raw(out, "logprob", probability.map_or("0", Value::raw));
    write::raw(out, "bytes", "null");
}

/// Writes `logprobsResult` from the items of OpenAI's `logprobs.content`.
pub(super) fn write_logprobs(items: &str, out: &mut String) {
    let Ok(document) = Document::parse(items.as_bytes()) else {
        return;
    };
    let items = document.root();
    write::object(out, "logprobsResult", |out| {
        write::list(out, "chosenCandidates", |out| {
            items.items().for_each(|token| google_token(token, out));
        });
        write::list(out, "topCandidates", |out| {
            for token in items.items() {
                write::braces(out, |out| {
                    write::list(out, "candidates", |out| {
                        let top = token.get("top_logprobs");
                        for token in top.into_iter().flat_map(Value::items) {
                            google_token(token, out);
                        }
                    });
                });
            }
        });
    });
}

fn google_token(token: Value<'_>, out: &mut String) {
    write::braces(out, |out| {
        write::text(out, "token", &text(token, "token"));
        let probability = token.get("logprob");
        if let Some(probability) = probability.filter(|value| value.kind() == Kind::Number) {
            write::raw(out, "logProbability", probability.raw());
        }
    });
}
