//! An upstream's refusal, as the client reads it: its own words where it is the client's fault, ours where it is not.

use bytes::Bytes;
use forebay_dialect::Wire;
use forebay_dialect::error::read_error;
use http::StatusCode;

use crate::error::{ErrorKind, GatewayError};

/// Turns a status and a body into an error. The body may be anything, an HTML page too.
pub(super) fn read(upstream: &str, wire: Wire, status: StatusCode, body: Bytes) -> GatewayError {
    let told = read_error(wire, &body);
    let code = status.as_u16();
    let mut error = match code {
        401 | 403 => GatewayError::new(
            ErrorKind::UpstreamAuth,
            format!(
                "upstream \"{upstream}\" refused the gateway's credentials with status {code} (upstreams.key)"
            ),
        ),
        _ => {
            let message = told.as_ref().map_or_else(
                || format!("upstream \"{upstream}\" answered {code} with a body that is no error of its dialect"),
                |told| told.message.clone(),
            );
            GatewayError::new(ErrorKind::UpstreamError, message).with_status(match code {
                400..=499 | 503 | 504 => code,
                // Anthropic's "overloaded".
                529 => 503,
                _ => 502,
            })
        }
    };
    if error.kind == ErrorKind::UpstreamError
        && let Some(told) = told
    {
        if matches!(code, 400 | 413 | 422) && is_too_long(&told.message) {
            error.code = Some("context_length_exceeded".to_owned());
            error.error_type = told.kind;
            error.param = told.param;
            return error;
        }
        error.error_type = told.kind;
        error.code = told.code;
        error.param = told.param;
    }
    error
}

/// Whether an upstream says that a prompt is longer than its model takes: the one refusal that
/// clients act on (they cut the conversation), and for which OpenAI alone has a code.
fn is_too_long(message: &str) -> bool {
    const WORDS: [&str; 9] = [
        "context length",
        "context window",
        "context limit",
        "prompt is too long",
        "input is too long",
        "too many input tokens",
        "too many tokens",
        "exceeds the maximum number of tokens",
        "maximum context",
    ];
    let message = message.to_ascii_lowercase();
    WORDS.iter().any(|words| message.contains(words))
}
