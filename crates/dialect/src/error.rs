//! Errors in each dialect's shape, for clients, and read from each upstream's.

use bytes::Bytes;

use crate::formats::format;
use crate::gemini;
use crate::json::{Document, Kind};
use crate::payload::UpstreamErrorBody;
use crate::wire::Wire;

pub use crate::contract::refusal::{CONTEXT_EXCEEDED, ErrorParts};

/// The message of a prompt that is too long in the words of the client's format.
fn in_own_words(wire: Wire, error: &ErrorParts<'_>) -> Option<String> {
    let words = format(wire)
        .ways
        .too_long
        .filter(|_| error.code == Some(CONTEXT_EXCEEDED))?;
    let said = error.message.to_ascii_lowercase();
    let says = said.contains(&words.to_ascii_lowercase());
    (!says).then(|| format!("{words}: {}", error.message))
}

/// Whether an upstream says that a prompt is longer than its model takes: the one refusal that
/// clients act on, and for which OpenAI alone has a code.
pub fn is_too_long(error: &UpstreamErrorBody) -> bool {
    const CODES: [&str; 3] = [
        CONTEXT_EXCEEDED,
        "exceed_context_size_error",
        "model_context_window_exceeded",
    ];
    // vLLM, SGLang, llama.cpp, TGI, Ollama, NIM, and the clouds, as they word it.
    const WORDS: [&str; 22] = [
        "available context size",
        "cannot exceed the context",
        "context length",
        "context limit",
        "context size has been exceeded",
        "context window",
        "exceeds the maximum allowed length",
        "exceeds the maximum number of tokens",
        "exceeds max_seq_len",
        "exceeds the max input length",
        "`inputs` must have less than",
        "`inputs` tokens + `max_new_tokens`",
        "input is too long",
        "longer than the maximum model length",
        "maximum context",
        "maximum input length",
        "maximum prompt length",
        "prompt is too long",
        "prompt too long",
        "too many input tokens",
        "too many tokens",
        "too large for model",
    ];
    let named = [error.code.as_deref(), error.kind.as_deref()];
    let message = error.message.to_ascii_lowercase();
    named
        .into_iter()
        .flatten()
        .any(|name| CODES.contains(&name))
        || WORDS.iter().any(|words| message.contains(words))
}

/// The body of a refusal.
pub fn error_body(wire: Wire, error: &ErrorParts<'_>) -> Bytes {
    let own = in_own_words(wire, error);
    let error = &ErrorParts {
        message: own.as_deref().unwrap_or(error.message),
        ..*error
    };
    (format(wire).crossing.error_body)(error)
}

/// The data of the event that reports an error in a stream that has begun.
pub fn error_event(wire: Wire, error: &ErrorParts<'_>) -> Bytes {
    let own = in_own_words(wire, error);
    let error = &ErrorParts {
        message: own.as_deref().unwrap_or(error.message),
        ..*error
    };
    let format = format(wire);
    format.error_event.unwrap_or(format.crossing.error_body)(error)
}

/// The header that AWS's clients read an error's type from, where the dialect has one.
pub fn error_header(wire: Wire, status: u16) -> Option<(&'static str, &'static str)> {
    (format(wire).error_header)(status)
}

/// What an upstream's refusal says. None where the body is no error of its format, such as a
/// proxy's HTML page.
pub fn read_error(wire: Wire, body: &Bytes) -> Option<UpstreamErrorBody> {
    let document = Document::parse(body).ok()?;
    let root = document.root();
    if root.kind() != Kind::Object {
        // Google's streams wrap an error in an array.
        let first = root.items().next()?;
        return gemini::read_error(first);
    }
    (format(wire).crossing.read_error)(root)
}
