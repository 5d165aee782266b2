//! Google's `generateContent` and `streamGenerateContent`, as the Gemini API and Vertex AI have
//! them: for clients and for upstreams. Model and stream are named in the path.
//!
//! The shapes are those of `google-genai` 3.6 (its types and converters).

mod answer;
mod base64;
mod candidate;
mod contents;
pub(crate) mod embed;
mod emit;
mod error;
mod fold;
pub(crate) mod format;
mod generation;
mod grammar;
mod logprobs;
mod message;
mod names;
mod older;
pub(crate) mod payload;
pub(crate) mod prompt;
mod read;
pub(crate) mod schema;
mod sources;
mod stream_read;
mod stream_write;
mod view;
mod write;
mod write_contents;
mod write_generation;
mod write_media;
mod write_tools;

pub(crate) use error::{error_body, read_error};

use bytes::Bytes;

use crate::json;

/// The body that answers Google's `countTokens`, for a prompt of so many tokens.
pub fn count_tokens_body(total: u64) -> Bytes {
    json::write::document(|out| json::write::number(out, "totalTokens", total)).into()
}

#[cfg(test)]
mod tests;
