//! Errors in AWS's shape: `{"message": …}` beside a header that names the exception, and in a
//! stream a union such as `{"throttlingException": {"message": …}}`.

use std::borrow::Cow;

use bytes::Bytes;

use crate::contract::refusal::ErrorParts;
use crate::contract::status::EXCEPTIONS;
use crate::json::{Kind, Value, write};
use crate::payload::UpstreamErrorBody;

/// The exception's name that goes with a status.
pub(crate) fn error_type(status: u16) -> &'static str {
    let status = match status {
        401 => 403,
        413 | 422 => 400,
        other => other,
    };
    let known = EXCEPTIONS.iter().find(|(of, _)| *of == status);
    match known {
        Some((_, name)) => name,
        None if status < 500 => "ValidationException",
        None => "InternalServerException",
    }
}

pub(crate) fn error_body(error: &ErrorParts<'_>) -> Bytes {
    write::document(|out| write::text(out, "message", error.message)).into()
}

pub(crate) fn error_event(error: &ErrorParts<'_>) -> Bytes {
    union(stream_exception(error.status), error.message)
}

/// The event of an upstream's error of any dialect.
pub(super) fn event_of(error: &UpstreamErrorBody) -> Bytes {
    union(stream_exception(error.status()), &error.message)
}

fn union(name: &str, message: &str) -> Bytes {
    let mut out = String::with_capacity(48 + message.len());
    write::union(&mut out, name, |out| write::text(out, "message", message));
    out.into()
}

/// The exceptions that a ConverseStream may end with (shape `ConverseStreamOutput`).
fn stream_exception(status: u16) -> &'static str {
    match status {
        429 => "throttlingException",
        503 | 529 => "serviceUnavailableException",
        408 | 424 => "modelStreamErrorException",
        400..500 => "validationException",
        _ => "internalServerException",
    }
}

/// An exception in a stream: a member that is named after one.
pub(super) fn exception(name: &str, value: Value<'_>) -> Option<UpstreamErrorBody> {
    name.ends_with("Exception").then(|| read(Some(name), value))
}

pub(crate) fn read_error(root: Value<'_>) -> Option<UpstreamErrorBody> {
    let single = root.members().next().and_then(|(key, value)| {
        let name = key.as_str()?;
        exception(&name, value)
    });
    if single.is_some() {
        return single;
    }
    let has = |name: &str| {
        root.get(name)
            .is_some_and(|value| value.kind() == Kind::String)
    };
    let is_answer = root.get("output").is_some();
    (!is_answer && (has("message") || has("Message") || has("__type"))).then(|| read(None, root))
}

fn read(name: Option<&str>, value: Value<'_>) -> UpstreamErrorBody {
    let text = |name: &str| value.text(name).map(Cow::into_owned);
    let message = ["message", "Message", "originalMessage"];
    let code = match name {
        Some(name) => Some(name.to_owned()),
        // `com.amazon.coral.service#ThrottlingException`, sometimes with `:` and a URL behind.
        None => text("__type").map(|named| {
            let named = named.split(':').next().unwrap_or_default();
            named.rsplit('#').next().unwrap_or_default().to_owned()
        }),
    };
    UpstreamErrorBody {
        message: message.into_iter().find_map(text).unwrap_or_default(),
        kind: code.as_deref().and_then(kind_of).map(str::to_owned),
        param: None,
        code,
    }
}

/// OpenAI's `type` for an exception.
fn kind_of(name: &str) -> Option<&'static str> {
    let known = EXCEPTIONS
        .iter()
        .find(|(_, known)| known.eq_ignore_ascii_case(name));
    let (status, _) = known?;
    Some(crate::openai::error::kind_of_status(*status))
}
