//! Cohere's chat and embeddings (version 2) as clients speak them, after the types of its Python
//! SDK (7.3): a door to OpenAI's chat completions and embeddings.

mod answer;
mod embed;
mod message;
mod request;
mod stream;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::contract::refusal::ErrorParts;
use crate::json::write;

pub(crate) use answer::answer;
pub(crate) use embed::{embed, embedded};
pub(crate) use request::chat;
pub(crate) use stream::Events;

/// The body of a refusal.
pub(crate) fn error(error: &ErrorParts<'_>) -> Bytes {
    write::document(|out| write::text(out, "message", error.message)).into()
}

/// The event that ends a stream which fails.
pub(crate) fn error_event(error: &ErrorParts<'_>) -> Bytes {
    stream::event("message-end", None, |out| {
        write::object(out, "delta", |out| {
            write::text(out, "finish_reason", "ERROR");
            write::text(out, "error", error.message);
        });
    })
}
