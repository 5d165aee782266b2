//! Errors as Google's APIs have them: `{"error": {"code", "message", "status", "details"}}`
//! (google.rpc.Status, cloud.google.com/apis/design/errors).

use bytes::Bytes;

use super::names::{each, get, text};
use crate::contract::refusal::ErrorParts;
use crate::json::write;
use crate::json::{Kind, Value};
use crate::payload::UpstreamErrorBody;

/// Google's status of an HTTP status (google/rpc/code.proto).
const STATUSES: [(u16, &str); 16] = [
    (400, "INVALID_ARGUMENT"),
    (401, "UNAUTHENTICATED"),
    (403, "PERMISSION_DENIED"),
    (404, "NOT_FOUND"),
    (408, "DEADLINE_EXCEEDED"),
    (409, "ABORTED"),
    (412, "FAILED_PRECONDITION"),
    // AWS's status for a model that failed.
    (424, "INTERNAL"),
    (429, "RESOURCE_EXHAUSTED"),
    (499, "CANCELLED"),
    (500, "INTERNAL"),
    (501, "UNIMPLEMENTED"),
    (502, "UNAVAILABLE"),
    (503, "UNAVAILABLE"),
    (504, "DEADLINE_EXCEEDED"),
    (529, "UNAVAILABLE"),
];

fn status_of(http: u16) -> &'static str {
    let known = STATUSES.iter().find(|(status, _)| *status == http);
    match (known, http) {
        (Some((_, name)), _) => name,
        (None, 400..500) => "INVALID_ARGUMENT",
        _ => "UNKNOWN",
    }
}

pub(crate) fn read_error(root: Value<'_>) -> Option<UpstreamErrorBody> {
    let error = get(root, "error")?;
    if error.kind() != Kind::Object {
        return Some(UpstreamErrorBody {
            message: error.as_str().unwrap_or_default().into_owned(),
            ..UpstreamErrorBody::default()
        });
    }
    let violations = get(error, "details")
        .into_iter()
        .flat_map(each)
        .filter_map(|detail| get(detail, "fieldViolations"));
    let field = violations.flat_map(each).find_map(|violation| {
        let field = get(violation, "field")?.as_str()?;
        (!field.is_empty()).then(|| field.into_owned())
    });
    // Google tells a key that it refuses from a bad request by its details alone.
    let mut reasons = get(error, "details").into_iter().flat_map(each);
    let reason = reasons.find_map(|detail| {
        let reason = get(detail, "reason")?.as_str()?;
        reason.starts_with("API_KEY_").then(|| reason.into_owned())
    });
    let code = reason.or_else(|| {
        get(error, "code").map(|code| match code.as_str() {
            Some(code) => code.into_owned(),
            None => code.raw().to_owned(),
        })
    });
    Some(UpstreamErrorBody {
        message: text(error, "message").into_owned(),
        kind: get(error, "status").and_then(Value::as_str).map(Into::into),
        param: field,
        code,
    })
}

/// The field at fault and our own code go into the details that Google has for them.
pub(crate) fn error_body(error: &ErrorParts<'_>) -> Bytes {
    let mut out = String::with_capacity(128 + error.message.len());
    write::union(&mut out, "error", |out| {
        write::number(out, "code", error.status.into());
        write::text(out, "message", error.message);
        write::text(out, "status", status_of(error.status));
        write::some_list(out, "details", |out| {
            if let Some(code) = error.code {
                write::braces(out, |out| {
                    write::text(out, "@type", "type.googleapis.com/google.rpc.ErrorInfo");
                    write::text(out, "reason", code);
                    write::text(out, "domain", "forebay");
                });
            }
            if let Some(field) = error.param {
                write::braces(out, |out| {
                    write::text(out, "@type", "type.googleapis.com/google.rpc.BadRequest");
                    write::list(out, "fieldViolations", |out| {
                        write::braces(out, |out| {
                            write::text(out, "field", field);
                            write::text(out, "description", error.message);
                        });
                    });
                });
            }
        });
    });
    out.into()
}
