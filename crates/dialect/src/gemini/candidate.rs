//! What candidates, whole and in pieces, have in common: reasons to finish, tokens, log
//! probabilities, sources.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::emit::{item, name, string};
use super::names::{count, each, get, text};
use crate::canonical::{FinishKind, Usage};
use crate::exchange::{Citation, Finish};
use crate::json::{Document, Kind, Value, json_string, write_json_string};

/// Reasons that mean the model, or Google, won't say more of this (`Candidate.FinishReason`).
const REFUSALS: [&str; 9] = [
    "BLOCKLIST",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_SAFETY",
    "MODEL_ARMOR",
    "PROHIBITED_CONTENT",
    "RECITATION",
    "SAFETY",
    "SPII",
];
/// The other reasons that Google's clients know, beside STOP and MAX_TOKENS.
const OTHERS: [&str; 12] = [
    "CONTINUATION",
    "ESCALATION",
    "IMAGE_OTHER",
    "LANGUAGE",
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "MISSING_THOUGHT_SIGNATURE",
    "NO_IMAGE",
    "OTHER",
    "PUP_LIMITED_DISABLED",
    "TOO_MANY_TOOL_CALLS",
    "UNEXPECTED_TOOL_CALL",
];

/// Why a candidate ended. A call ends with STOP at Google, and is the reason for all others.
pub(super) fn finish(reason: &str, has_calls: bool) -> Finish {
    match reason {
        "STOP" if has_calls => Finish::ToolCalls,
        "STOP" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        _ if REFUSALS.contains(&reason) => Finish::Refused,
        other => Finish::Other(other.to_owned()),
    }
}

/// The same for policies.
pub(super) fn finish_kind(reason: &str, has_calls: bool) -> FinishKind {
    match finish(reason, has_calls) {
        Finish::Stop | Finish::StopSequence(_) => FinishKind::Stop,
        Finish::Length => FinishKind::Length,
        Finish::ToolCalls => FinishKind::ToolCalls,
        Finish::Refused => FinishKind::Refused,
        Finish::Other(other) => FinishKind::Other(other),
    }
}

/// Google's word for it. Its clients know no other words.
pub(super) fn finish_reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Refused => "SAFETY",
        Finish::Other(other) => OTHERS
            .into_iter()
            .find(|known| known == other)
            .unwrap_or("OTHER"),
    }
}

/// A candidate's reason to finish; none while it goes on.
pub(super) fn reason(candidate: Value<'_>) -> Option<Cow<'_, str>> {
    let reason = get(candidate, "finishReason").and_then(Value::as_str);
    reason.filter(|reason| !reason.is_empty() && reason != "FINISH_REASON_UNSPECIFIED")
}

/// Whether the prompt was refused: then there are no candidates.
pub(super) fn is_blocked(root: Value<'_>) -> bool {
    let feedback = get(root, "promptFeedback");
    feedback.is_some_and(|feedback| get(feedback, "blockReason").is_some())
}

/// A candidate's number: protobuf leaves out a zero.
pub(super) fn index(candidate: Value<'_>) -> u32 {
    u32::try_from(count(candidate, "index")).unwrap_or(u32::MAX)
}

/// `usageMetadata`. The prompt is what was sent and what Google's own tools have added; the
/// output is what is shown and what was thought (`UsageMetadata` in Google's API).
pub(super) fn usage(root: Value<'_>) -> Option<Usage> {
    let usage = get(root, "usageMetadata").filter(|usage| usage.kind() == Kind::Object)?;
    let reasoning = count(usage, "thoughtsTokenCount");
    let input = count(usage, "promptTokenCount");
    Some(Usage {
        input: input.saturating_add(count(usage, "toolUsePromptTokenCount")),
        output: count(usage, "candidatesTokenCount").saturating_add(reasoning),
        cached_input: count(usage, "cachedContentTokenCount"),
        cache_write: 0,
        reasoning,
    })
}

/// Writes `usageMetadata`.
pub(super) fn write_usage(usage: &Usage, out: &mut String) {
    let Usage {
        input,
        output,
        cached_input,
        reasoning,
        ..
    } = *usage;
    name(out, "usageMetadata");
    let shown = output.saturating_sub(reasoning);
    let total = input.saturating_add(output);
    let _ = write!(
        out,
        "{{\"promptTokenCount\":{input},\"candidatesTokenCount\":{shown},\"totalTokenCount\":{total}"
    );
    if reasoning > 0 {
        let _ = write!(out, ",\"thoughtsTokenCount\":{reasoning}");
    }
    if cached_input > 0 {
        let _ = write!(out, ",\"cachedContentTokenCount\":{cached_input}");
    }
    out.push('}');
}

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
    string(out, "token", &text(token, "token"));
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
    string(out, "token", &text(token, "token"));
    if let Some(probability) = token
        .get("logprob")
        .filter(|value| value.kind() == Kind::Number)
    {
        name(out, "logProbability");
        out.push_str(probability.raw());
    }
    out.push('}');
}

/// Where a candidate's text comes from: what it recites, and what Google's searches found.
/// Ranges are in bytes of the text, as Google counts.
pub(super) fn citations(candidate: Value<'_>) -> Vec<Citation<'_>> {
    let mut out = Vec::new();
    let recited = get(candidate, "citationMetadata");
    let recited =
        recited.and_then(|found| get(found, "citations").or(get(found, "citationSources")));
    for citation in recited.into_iter().flat_map(each) {
        out.push(Citation {
            text: Cow::Borrowed(""),
            url: get(citation, "uri").and_then(Value::as_str),
            title: get(citation, "title").and_then(Value::as_str),
            range: range(citation),
            json: Cow::Borrowed(citation.raw()),
        });
    }
    let Some(found) = get(candidate, "groundingMetadata") else {
        return out;
    };
    let chunks: Vec<_> = get(found, "groundingChunks")
        .into_iter()
        .flat_map(each)
        .collect();
    for support in get(found, "groundingSupports").into_iter().flat_map(each) {
        let segment = get(support, "segment");
        let indices = get(support, "groundingChunkIndices")
            .into_iter()
            .flat_map(each);
        for index in indices.filter_map(|index| usize::try_from(index.as_integer()?).ok()) {
            // A chunk is {"web": {...}} or another kind of source with the same members.
            let source = chunks.get(index).and_then(|chunk| chunk.members().next());
            let Some((_, source)) = source else { continue };
            let mut citation = Citation {
                text: segment.map_or(Cow::Borrowed(""), |segment| text(segment, "text")),
                url: get(source, "uri").and_then(Value::as_str),
                title: get(source, "title").and_then(Value::as_str),
                range: segment.and_then(range),
                json: Cow::Borrowed(""),
            };
            citation.json = Cow::Owned(citation_json(&citation));
            out.push(citation);
        }
    }
    out
}

fn range(of: Value<'_>) -> Option<(u64, u64)> {
    let end = count(of, "endIndex");
    (end > 0).then(|| (count(of, "startIndex"), end))
}

/// A citation as an item of `citationMetadata.citations`.
pub(super) fn citation_json(citation: &Citation<'_>) -> String {
    let mut out = String::from("{");
    if let Some((start, end)) = citation.range {
        let _ = write!(out, "\"startIndex\":{start},\"endIndex\":{end}");
    }
    for (member, value) in [("uri", &citation.url), ("title", &citation.title)] {
        if let Some(value) = value {
            name(&mut out, member);
            out.push_str(&json_string(value));
        }
    }
    out.push('}');
    out
}

/// Writes `citationMetadata`.
pub(super) fn write_citations(citations: &[Citation<'_>], out: &mut String) {
    name(out, "citationMetadata");
    out.push_str("{\"citations\":[");
    for citation in citations {
        item(out);
        out.push_str(&citation_json(citation));
    }
    out.push_str("]}");
}

/// The members at an answer's top: its id, the model.
pub(super) fn write_head(id: &str, model: &str, created: Option<u64>, out: &mut String) {
    name(out, "modelVersion");
    write_json_string(model, out);
    if !id.is_empty() {
        string(out, "responseId", id);
    }
    if let Some(created) = created {
        out.push_str(",\"createTime\":\"");
        super::time::write(created, out);
        out.push('"');
    }
}

/// A range of bytes of a text as one of characters, or the other way round. None where it is
/// no range of this text.
pub(super) fn in_characters(text: &str, (start, end): (u64, u64)) -> Option<(u64, u64)> {
    let count = |at: u64| {
        let before = text.get(..usize::try_from(at).ok()?)?;
        Some(before.chars().count() as u64)
    };
    Some((count(start)?, count(end)?))
}

/// See [`in_characters`].
pub(super) fn in_bytes(text: &str, (start, end): (u64, u64)) -> Option<(u64, u64)> {
    let byte = |at: u64| {
        let at = usize::try_from(at).ok()?;
        let mut starts = text.char_indices().map(|(byte, _)| byte);
        let found = starts.nth(at);
        found
            .or_else(|| (text.chars().count() == at).then_some(text.len()))
            .map(|byte| byte as u64)
    };
    Some((byte(start)?, byte(end)?))
}
