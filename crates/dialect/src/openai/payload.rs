//! Reads a payload of OpenAI's chat or completions: its choices, usage, error.

use super::grammar::{CHAT, COMPLETION, FAILED_CHAT, FAILED_COMPLETION};
use crate::canonical::Usage;
use crate::fields::name_of;
use crate::grammar::payload::read as read_by;
use crate::json::{Kind, Value};
use crate::payload::{Payload, PayloadError, UpstreamErrorBody, wrong_type};
use crate::wire::Wire;

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

pub(crate) fn usage_of(usage: Value<'_>) -> Result<Usage, PayloadError> {
    if usage.kind() != Kind::Object {
        return Err(wrong_type("usage", "an object", usage));
    }
    let count = |of: Value<'_>, name: &str| match of.get(name).filter(|count| !count.is_null()) {
        None => Ok(0),
        Some(count) => count
            .as_integer()
            .and_then(|count| u64::try_from(count).ok())
            .ok_or_else(|| wrong_type(format!("usage.{name}"), "a count", count)),
    };
    let detail = |of: &str, name: &str| usage.get(of).map_or(Ok(0), |of| count(of, name));
    Ok(Usage {
        input: count(usage, "prompt_tokens")?,
        output: count(usage, "completion_tokens")?,
        cached_input: detail("prompt_tokens_details", "cached_tokens")?,
        cache_write: detail("prompt_tokens_details", "cache_write_tokens")?,
        reasoning: detail("completion_tokens_details", "reasoning_tokens")?,
    })
}

/// `{"error": {...}}`, `{"error": "..."}`, vLLM's older `{"object": "error", ...}`, FastAPI's
/// `{"detail": ...}`, and OpenRouter's within a choice.
pub(crate) fn error_of(root: Value<'_>) -> Option<UpstreamErrorBody> {
    let is_said = |error: &Value<'_>| !error.is_null();
    let of_choice = || {
        let mut choices = root.get("choices").into_iter().flat_map(Value::items);
        choices.find_map(|choice| choice.get("error").filter(|e| e.kind() == Kind::Object))
    };
    let error = root.get("error").filter(is_said).or_else(of_choice);
    let error = match error {
        Some(error) if error.kind() != Kind::Object => return Some(message_only(error)),
        Some(error) => error,
        None if root
            .get("object")
            .is_some_and(|object| object.is_str("error")) =>
        {
            root
        }
        None => {
            let detail = root.get("detail").filter(|_| root.get("choices").is_none());
            return detail.map(message_only);
        }
    };
    let text = |name| error.get(name).and_then(plain);
    Some(UpstreamErrorBody {
        message: text("message").unwrap_or_default(),
        kind: text("type"),
        param: text("param"),
        code: text("code"),
    })
}

fn message_only(value: Value<'_>) -> UpstreamErrorBody {
    let message = plain(value).unwrap_or_else(|| value.raw().to_owned());
    UpstreamErrorBody {
        message,
        kind: None,
        param: None,
        code: None,
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
