//! Errors in vLLM's shape: `{"error": {"message", "type", "param", "code"}}`.

use http::StatusCode;
use serde::Serialize;

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
    /// Seconds for `Retry-After`.
    pub(crate) retry_after: Option<u64>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: u16,
}

impl ApiError {
    fn new(status: StatusCode, kind: &str, message: String, param: Option<&str>) -> Self {
        Self {
            status,
            kind: kind.to_owned(),
            message,
            param: param.map(str::to_owned),
            retry_after: None,
        }
    }

    /// A value of the wrong type or a missing one, worded as vLLM's validation words it.
    pub(crate) fn validation(kind: &str, location: &str, message: &str, input: &str) -> Self {
        let message = format!(
            "1 validation error:\n  {{'type': '{kind}', 'loc': '{location}', 'msg': '{message}', 'input': {input}}}"
        );
        Self::new(
            StatusCode::BAD_REQUEST,
            "Bad Request",
            message,
            Some(location),
        )
    }

    /// A value out of its range.
    pub(crate) fn bad_request(message: String, param: Option<&str>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequestError", message, param)
    }

    pub(crate) fn unknown_model(model: &str, aliases: &[String]) -> Self {
        let aliases = aliases.join(", ");
        let message = format!("The model `{model}` does not exist. Valid aliases: {aliases}.");
        Self::new(
            StatusCode::NOT_FOUND,
            "NotFoundError",
            message,
            Some("model"),
        )
    }

    /// A prompt that alone does not fit.
    pub(crate) fn prompt_too_long(limit: usize) -> Self {
        let least = limit + 1;
        Self::bad_request(
            format!(
                "This model's maximum context length is {limit} tokens. However, your prompt contains at least {least} input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input prompt. (parameter=input_tokens, value={least})"
            ),
            Some("input_tokens"),
        )
    }

    /// A prompt that does not fit together with the completion asked for.
    pub(crate) fn request_too_long(limit: usize, prompt: usize, output: usize) -> Self {
        let total = prompt + output;
        Self::bad_request(
            format!(
                "This model's maximum context length is {limit} tokens. However, you requested {output} output tokens and your prompt contains {prompt} input tokens, for a total of {total} tokens. Please reduce the length of the input prompt or the number of requested output tokens. (parameter=input_tokens, value={prompt})"
            ),
            Some("input_tokens"),
        )
    }

    pub(crate) fn body_too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Request Entity Too Large",
            format!("request body is over the limit of {limit} bytes"),
            None,
        )
    }

    pub(crate) fn overloaded(message: String) -> Self {
        let kind = "ServiceUnavailableError";
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, message, None);
        error.retry_after = Some(1);
        error
    }

    /// A status that a fault asks for, or that the routing gives, with its own phrase.
    pub(crate) fn plain(status: StatusCode, message: &str) -> Self {
        let phrase = status.canonical_reason().unwrap_or("Error");
        Self::new(status, phrase, message.to_owned(), None)
    }

    pub(crate) fn body(&self) -> String {
        let envelope = Envelope {
            error: Inner {
                message: &self.message,
                kind: &self.kind,
                param: self.param.as_deref(),
                code: self.status.as_u16(),
            },
        };
        serde_json::to_string(&envelope).unwrap_or_default()
    }
}
