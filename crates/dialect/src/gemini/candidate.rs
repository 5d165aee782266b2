//! What candidates, whole and in pieces, have in common: reasons to finish, tokens.

use std::borrow::Cow;

use super::names::{count, get};
use crate::canonical::Usage;
use crate::exchange::Finish;
use crate::json::write;
use crate::json::{Kind, Value};

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

/// The usage that an answer tells.
pub(super) fn usage(root: Value<'_>) -> Option<Usage> {
    let usage = get(root, "usageMetadata").filter(|usage| usage.kind() == Kind::Object);
    usage.and_then(usage_of)
}

/// `usageMetadata`. The prompt is what was sent and what Google's own tools have added; the
/// output is what is shown and what was thought (`UsageMetadata` in Google's API).
pub(super) fn usage_of(usage: Value<'_>) -> Option<Usage> {
    let reasoning = count(usage, "thoughtsTokenCount");
    let input = count(usage, "promptTokenCount");
    let counted = Usage {
        input: input.saturating_add(count(usage, "toolUsePromptTokenCount")),
        output: count(usage, "candidatesTokenCount").saturating_add(reasoning),
        cached_input: count(usage, "cachedContentTokenCount"),
        cache_write: 0,
        reasoning,
    };
    // Vertex AI's first events tell the kind of traffic and count nothing yet.
    let counted = match get(usage, "candidatesTokenCount") {
        Some(_) => counted,
        None => counted.with_total(count(usage, "totalTokenCount")),
    };
    (counted != Usage::default()).then_some(counted)
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
    write::object(out, "usageMetadata", |out| {
        write::number(out, "promptTokenCount", input);
        write::number(
            out,
            "candidatesTokenCount",
            output.saturating_sub(reasoning),
        );
        write::number(out, "totalTokenCount", input.saturating_add(output));
        if reasoning > 0 {
            write::number(out, "thoughtsTokenCount", reasoning);
        }
        if cached_input > 0 {
            write::number(out, "cachedContentTokenCount", cached_input);
        }
    });
}

/// The members at an answer's top: its id, the model.
pub(super) fn write_head(id: &str, model: &str, created: Option<u64>, out: &mut String) {
    write::text(out, "modelVersion", model);
    if !id.is_empty() {
        write::text(out, "responseId", id);
    }
    if let Some(created) = created {
        write::name(out, "createTime");
        write::quoted(out, |out| crate::rfc3339::write(created, out));
    }
}
