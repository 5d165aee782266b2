//! Reads a payload of OpenAI's chat or completions: its choices, usage, error.

use super::grammar::{CHAT, COMPLETION, FAILED_CHAT, FAILED_COMPLETION};
use crate::canonical::Usage;
use crate::fields::name_of;
use crate::grammar::payload::read as read_by;
use crate::json::{Kind, Value};
use crate::payload::{Payload, PayloadError, UpstreamErrorBody, count, usage_in};
use crate::wire::Wire;

/// What only Groq says of an answer.
pub(super) const GROQ: &str = "x_groq";

pub(crate) fn read(payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
    payload.error = error_of(root);
    let table = match (payload.wire, payload.error.is_some()) {
        (Wire::Completions, false) => &COMPLETION,
        (Wire::Completions, true) => &FAILED_COMPLETION,
        (_, false) => &CHAT,
        (_, true) => &FAILED_CHAT,
    };
    let choices = read_by(payload, table, name_of, 0, root)?;
    payload.usage_only = payload.usage.is_some() && choices == 0;
    Ok(())
}

/// What an answer or an event tells of its tokens: at its top, in a choice (Moonshot AI), or beside
/// both (the streams of Groq).
pub(crate) fn usage(root: Value<'_>) -> Result<Option<Usage>, PayloadError> {
    let of_choice = || root.each("choices").find_map(usage_in);
    let beside = || usage_in(root.get(GROQ)?);
    let usage = usage_in(root).or_else(of_choice).or_else(beside);
    usage.map(usage_of).transpose()
}

pub(crate) fn usage_of(usage: Value<'_>) -> Result<Usage, PayloadError> {
    // Some servers of this format count in the names of newer ones.
    if usage.get("prompt_tokens").is_none() && usage.get("input_tokens").is_some() {
        let input = ["input_tokens", "input_tokens_details"];
        return usage_by(usage, input, ["output_tokens", "output_tokens_details"]);
    }
    let input = ["prompt_tokens", "prompt_tokens_details"];
    usage_by(
        usage,
        input,
        ["completion_tokens", "completion_tokens_details"],
    )
}

/// Token counts by the names of each count and of what tells details of it.
pub(crate) fn usage_by(
    usage: Value<'_>,
    [input, of_input]: [&str; 2],
    [output, of_output]: [&str; 2],
) -> Result<Usage, PayloadError> {
    let detail = |of: &str, name: &str| usage.get(of).map_or(Ok(0), |of| count(of, name));
    // DeepSeek and Moonshot AI count what their caches held beside the rest.
    let mut cached_input = detail(of_input, "cached_tokens")?;
    for name in ["prompt_cache_hit_tokens", "cached_tokens"] {
        if cached_input == 0 {
            cached_input = count(usage, name)?;
        }
    }
    let counted = Usage {
        input: count(usage, input)?,
        output: count(usage, output)?,
        cached_input,
        cache_write: detail(of_input, "cache_write_tokens")?,
        reasoning: detail(of_output, "reasoning_tokens")?,
    };
    Ok(counted.with_total(count(usage, "total_tokens")?))
}

/// `{"error": {...}}`, `{"error": "..."}`, vLLM's older `{"object": "error", ...}`, FastAPI's
/// `{"detail": ...}`, and OpenRouter's within a choice.
pub(crate) fn error_of(root: Value<'_>) -> Option<UpstreamErrorBody> {
    let is_said = |error: &Value<'_>| !error.is_null();
    let of_choice = || {
        let mut choices = root.each("choices");
        choices.find_map(|choice| choice.get("error").filter(|e| e.kind() == Kind::Object))
    };
    let error = root.get("error").filter(is_said).or_else(of_choice);
    let error = match error {
        Some(error) if error.kind() != Kind::Object => return Some(message_only(error)),
        Some(error) => error,
        None if root.says("object", "error") => root,
        None => {
            let detail = root.get("detail").filter(|_| root.get("choices").is_none());
            return detail.map(message_only);
        }
    };
    let text = |name| error.get(name).and_then(plain);
    // Mistral wraps what its validation says.
    let wrapped = error.get("message").filter(|m| m.kind() == Kind::Object);
    let message = match wrapped {
        Some(message) => message_only(message.get("detail").unwrap_or(message)).message,
        None => text("message").unwrap_or_default(),
    };
    Some(UpstreamErrorBody {
        message,
        kind: text("type"),
        param: text("param"),
        code: text("code"),
    })
}

fn message_only(value: Value<'_>) -> UpstreamErrorBody {
    let message = plain(value).unwrap_or_else(|| value.raw().to_owned());
    UpstreamErrorBody {
        message,
        ..UpstreamErrorBody::default()
    }
}

/// A string or a number as text.
fn plain(value: Value<'_>) -> Option<String> {
    match value.kind() {
        Kind::String => value.as_str().map(Into::into),
        Kind::Number => Some(value.raw().to_owned()),
        _ => None,
    }
}
