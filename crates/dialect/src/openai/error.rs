//! Errors in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`.

use bytes::Bytes;

use crate::contract::refusal::ErrorParts;
use crate::json::write;

/// A response body that reports an error. An empty `kind` stands for the one that OpenAI's
/// API uses with that status.
pub fn error_body(
    status: u16,
    message: &str,
    kind: &str,
    param: Option<&str>,
    code: Option<&str>,
) -> Bytes {
    let kind = if kind.is_empty() {
        kind_of_status(status)
    } else {
        kind
    };
    let mut body = String::with_capacity(96 + message.len());
    write::braces(&mut body, |out| {
        write::object(out, "error", |out| {
            write::text(out, "message", message);
            write::text(out, "type", kind);
            write::text_or_null(out, "param", param);
            write::text_or_null(out, "code", code);
        });
    });
    body.into()
}

/// The body that tells a client of an error.
pub(crate) fn body_of(error: &ErrorParts<'_>) -> Bytes {
    error_body(
        error.status,
        error.message,
        error.kind,
        error.param,
        error.code,
    )
}

/// The data of an event that reports an error in a stream that has begun. Official clients
/// raise it when they meet `error` in an event.
pub fn error_event(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Bytes {
    error_body(500, message, kind, param, code)
}

/// The `type` that OpenAI's API sends with a status.
pub fn kind_of_status(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        // 424: AWS's status for a model that failed.
        424 | 500.. => "server_error",
        _ => "invalid_request_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Payload;
    use crate::canonical::Operation;

    #[test]
    fn an_error_body_reads_back_as_it_was_meant() {
        let body = error_body(429, "slow \"down\"", "", None, Some("rate_limit_exceeded"));
        assert_eq!(
            body,
            r#"{"error":{"message":"slow \"down\"","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}"#
        );
        let payload = Payload::parse(Operation::Chat, body).unwrap();
        assert_eq!(payload.error().unwrap().message, "slow \"down\"");
    }
}
