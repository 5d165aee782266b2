//! Ollama's own API, as its documentation and its Python client (0.6) have it: a door to OpenAI's
//! chat completions and embeddings.

mod answer;
mod embed;
mod message;
mod options;
mod request;
mod shelf;
mod stream;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::contract::refusal::ErrorParts;
use crate::json::write;

pub(crate) use answer::answer;
pub(crate) use embed::{embed, embedded, embedded_one};
pub(crate) use request::{chat, generate};
pub use shelf::{ModelDetails, show, tags, version};
pub(crate) use stream::Lines;

/// The body of a refusal, and the line that ends a stream which fails.
pub(crate) fn error(error: &ErrorParts<'_>) -> Bytes {
    write::document(|out| write::text(out, "error", error.message)).into()
}
