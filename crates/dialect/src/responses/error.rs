//! Errors: the event that reports one in a stream, and what an upstream's refusal says.

use bytes::Bytes;

use crate::contract::refusal::ErrorParts;
use crate::json::write;
use crate::json::{Kind, Value};
use crate::openai::payload::error_of;
use crate::payload::UpstreamErrorBody;

/// `{"type": "error", "code", "message", "param", "sequence_number"}`. The number goes
/// on where the stream stopped.
pub(crate) fn error_event(error: &ErrorParts<'_>) -> Bytes {
    let kind = match error.kind {
        "" => crate::openai::error::kind_of_status(error.status),
        kind => kind,
    };
    let mut out = String::with_capacity(96 + error.message.len());
    write::typed(&mut out, "error", |out| {
        write::text(out, "code", error.code.unwrap_or(kind));
        write::text(out, "message", error.message);
        write::text_or_null(out, "param", error.param);
        write::number(out, "sequence_number", error.sequence);
    });
    out.into()
}

/// `{"error": {...}}` as everywhere at OpenAI, an `error` event with its members bare, or the
/// `error` within the response object of a `response.failed` event.
pub(crate) fn read_error(root: Value<'_>) -> Option<UpstreamErrorBody> {
    let inner = root
        .get("response")
        .filter(|response| response.kind() == Kind::Object);
    if let Some(error) = inner.and_then(error_of) {
        return Some(error);
    }
    let is_event = root.says("type", "error");
    if !is_event {
        return error_of(root);
    }
    if let Some(error) = error_of(root) {
        return Some(error);
    }
    let text = |name| root.text(name).map(std::borrow::Cow::into_owned);
    Some(UpstreamErrorBody {
        message: text("message").unwrap_or_default(),
        kind: None,
        param: text("param"),
        code: text("code"),
    })
}
