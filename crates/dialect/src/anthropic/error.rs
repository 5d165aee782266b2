//! Errors: Anthropic's shape for clients, and what upstreams of its messages send.

use bytes::Bytes;

use crate::contract::refusal::ErrorParts;
use crate::json::write;
use crate::json::{Kind, Value};
use crate::openai;
use crate::payload::UpstreamErrorBody;

/// The types that go with a status (Anthropic's page on errors); other 4xx and 5xx below.
const TYPES: [(u16, &str); 12] = [
    (400, "invalid_request_error"),
    (401, "authentication_error"),
    (402, "billing_error"),
    (403, "permission_error"),
    (404, "not_found_error"),
    (408, "timeout_error"),
    (409, "conflict_error"),
    (413, "request_too_large"),
    (429, "rate_limit_error"),
    (503, "overloaded_error"),
    (504, "timeout_error"),
    (529, "overloaded_error"),
];

fn error_type(status: u16) -> &'static str {
    let listed = TYPES.iter().find(|(of, _)| *of == status);
    match listed {
        Some((_, kind)) => kind,
        // AWS's status for a model that failed.
        None if (400..500).contains(&status) && status != 424 => "invalid_request_error",
        None => "api_error",
    }
}

/// The body of a refusal, which is also the data of a stream's `error` event. A type of
/// Anthropic's own stays what it is.
pub(crate) fn error_body(error: &ErrorParts<'_>) -> Bytes {
    let own = TYPES.iter().find(|(_, own)| *own == error.kind);
    let kind = match own {
        Some((_, own)) if error.status >= 500 => own,
        _ => error_type(error.status),
    };
    write(kind, error.message).into()
}

/// The data of the event that passes on what an upstream reported in its stream.
pub(super) fn upstream_error(error: &UpstreamErrorBody) -> Bytes {
    let kind = error.kind.as_deref();
    let own = TYPES.iter().find(|(_, own)| Some(*own) == kind);
    let status = error.code.as_deref().and_then(|code| code.parse().ok());
    let kind = match (own, status) {
        (Some((_, own)), _) => own,
        (None, Some(status)) => error_type(status),
        (None, None) => error_type(error.status()),
    };
    write(kind, &error.message).into()
}

fn write(kind: &str, message: &str) -> String {
    let mut out = String::with_capacity(96 + message.len());
    write::typed(&mut out, "error", |out| {
        write::object(out, "error", |out| {
            write::text(out, "type", kind);
            write::text(out, "message", message);
        });
        write::raw(out, "request_id", "null");
    });
    out
}

/// What an error says: Anthropic's own, Google's (`error.status`) around rawPredict, or AWS's
/// bare `message` around InvokeModel.
pub(crate) fn read_error(root: Value<'_>) -> Option<UpstreamErrorBody> {
    let text = |of: Value<'_>, name: &str| {
        let value = of.get(name)?;
        match value.kind() {
            Kind::String => value.as_str().map(Into::into),
            Kind::Number => Some(value.raw().to_owned()),
            _ => None,
        }
    };
    if let Some(error) = root.get("error").filter(|e| e.kind() == Kind::Object) {
        return Some(UpstreamErrorBody {
            message: text(error, "message").unwrap_or_default(),
            kind: text(error, "type").or_else(|| text(error, "status")),
            param: text(error, "param"),
            code: text(error, "code"),
        });
    }
    if root.get("type").is_none()
        && root.get("content").is_none()
        && let Some(message) = text(root, "message").or_else(|| text(root, "Message"))
    {
        return Some(UpstreamErrorBody {
            message,
            kind: text(root, "__type"),
            ..UpstreamErrorBody::default()
        });
    }
    openai::payload::error_of(root)
}
