//! An upstream's refusal, as the client reads it: its own words where it is the client's fault, ours where it is not.

use bytes::Bytes;
use forebay_dialect::error::{CONTEXT_EXCEEDED, is_too_long, read_error};
use forebay_dialect::{UpstreamErrorBody, Wire};
use http::StatusCode;

use crate::error::{ErrorKind, GatewayError};

/// Turns a status and a body into an error. The body may be anything, an HTML page too.
pub(super) fn read(upstream: &str, wire: Wire, status: StatusCode, body: Bytes) -> GatewayError {
    let told = read_error(wire, &body);
    let code = status.as_u16();
    let ours = matches!(code, 401 | 403)
        || (code == 400 && told.as_ref().is_some_and(is_about_credentials));
    if ours {
        let words = told.map(|told| without_secrets(&told.message));
        let words = words.filter(|words| !words.is_empty());
        let words = words.map(|words| format!(": {words}")).unwrap_or_default();
        let error = GatewayError::new(
            ErrorKind::UpstreamAuth,
            format!(
                "upstream \"{upstream}\" refused the gateway's credentials with status {code} (upstreams.key){words}"
            ),
        );
        return error;
    }
    let message = told.as_ref().map_or_else(
        || format!("upstream \"{upstream}\" answered {code} with a body that is not an error of its format"),
        |told| told.message.clone(),
    );
    let mut error = GatewayError::new(ErrorKind::UpstreamError, message).with_status(match code {
        400..=499 | 500 | 502 | 503 | 504 | 529 => code,
        _ => 502,
    });
    if let Some(told) = told {
        let too_long = matches!(code, 400 | 413 | 422 | 500) && is_too_long(&told);
        if too_long {
            // Some engines fail with a 500, or a 422, where the prompt is at fault. Clients shorten the
            // conversation after a 400 alone.
            error.status = Some(if matches!(code, 422 | 500) { 400 } else { code });
        }
        error.error_type = told.kind.map(Into::into);
        error.param = told.param.map(Into::into);
        error.code = match too_long {
            true => Some(CONTEXT_EXCEEDED.to_owned()),
            false => told.code,
        };
    }
    error
}

impl GatewayError {
    /// Anthropic alone has a status for "overloaded": others are told 503.
    pub(super) fn fit_to(&mut self, client: Wire, status: StatusCode) {
        if status.as_u16() == 529 && client != Wire::Messages {
            self.status = Some(503);
        }
    }
}

/// A 400 that is about our account, not about the request: Google's answer to a wrong key,
/// Anthropic's to an empty account, AWS's to a token that has expired.
fn is_about_credentials(told: &UpstreamErrorBody) -> bool {
    const CODES: [&str; 6] = [
        "API_KEY_INVALID",
        "API_KEY_EXPIRED",
        "API_KEY_SERVICE_BLOCKED",
        "ExpiredTokenException",
        "UnrecognizedClientException",
        "invalid_api_key",
    ];
    const WORDS: [&str; 3] = [
        "api key not valid",
        "api key expired",
        "credit balance is too low",
    ];
    let message = told.message.to_ascii_lowercase();
    let named = [told.code.as_deref(), told.kind.as_deref()];
    named
        .into_iter()
        .flatten()
        .any(|name| CODES.contains(&name))
        || WORDS.iter().any(|words| message.contains(words))
}

/// An upstream's words without what may be a secret: whatever looks like a key or token, or is
/// masked already.
fn without_secrets(message: &str) -> String {
    // 300: a sentence or two; nobody reads more of it in a log.
    let mut out = String::with_capacity(message.len().min(300));
    for word in message.split_whitespace() {
        if out.len() + word.len() > 300 {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        let has = |test: fn(&char) -> bool| word.chars().any(|c| test(&c));
        let long = word.len() >= 12 && has(char::is_ascii_digit) && !word.contains("://");
        let keyed = ["sk-", "AKIA", "ASIA", "AIza", "eyJ", "xai-", "gsk_"]
            .iter()
            .any(|head| word.contains(head));
        if long || keyed || word.contains('*') {
            out.push_str("[redacted]");
        } else {
            out.push_str(word);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(wire: Wire, status: u16, body: &'static str) -> GatewayError {
        let status = StatusCode::from_u16(status).unwrap();
        read("u", wire, status, body.into())
    }

    #[test]
    fn a_prompt_that_is_too_long_is_known_in_every_engines_words() {
        let messages = [
            "This model's maximum context length is 128000 tokens. However, you requested 130211 tokens.",
            "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
            "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
            "Input length (9000 tokens) exceeds the maximum allowed length (8192 tokens).",
            "the request exceeds the available context size. try increasing the context size",
            "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens",
            "prompt is too long: 210000 tokens > 200000 maximum",
            "Input is too long for requested model.",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
            "too many tokens: total number of tokens in the prompt cannot exceed 128000",
            "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
        ];
        for message in messages {
            let body = format!("{{\"error\":{{\"message\":\"{message}\"}}}}");
            let error = read("u", Wire::Chat, StatusCode::BAD_REQUEST, body.into());
            assert_eq!(error.code.as_deref(), Some(CONTEXT_EXCEEDED), "{message}");
            let body = format!("{{\"error\":{{\"message\":\"{message}\"}}}}");
            let error = read(
                "u",
                Wire::Chat,
                StatusCode::UNPROCESSABLE_ENTITY,
                body.into(),
            );
            assert_eq!(error.status, Some(400), "{message}");
        }
    }

    #[test]
    fn googles_wrong_key_is_ours_and_no_word_of_it_is_a_secret() {
        let error = told(
            Wire::Gemini,
            400,
            r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#,
        );
        assert_eq!(error.kind, ErrorKind::UpstreamAuth);
        let error = told(
            Wire::Chat,
            401,
            r#"{"error":{"message":"Incorrect API key provided: sk-pro********abcd. You can find your key at https://platform.openai.com/account/api-keys.","code":"invalid_api_key"}}"#,
        );
        assert!(error.message.contains("Incorrect API key provided"));
        assert!(!error.message.contains("sk-pro"), "{}", error.message);
    }

    #[test]
    fn a_500_stays_a_500_and_overloaded_stays_with_anthropics_clients() {
        let error = told(Wire::Chat, 500, r#"{"error":{"message":"boom"}}"#);
        assert_eq!(error.status, Some(500));
        let mut error = told(
            Wire::Messages,
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        );
        let status = StatusCode::from_u16(529).unwrap();
        error.fit_to(Wire::Messages, status);
        assert_eq!(error.status, Some(529));
        error.fit_to(Wire::Chat, status);
        assert_eq!(error.status, Some(503));
    }
}
