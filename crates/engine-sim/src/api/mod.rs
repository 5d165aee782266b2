//! vLLM's HTTP API over the engine.

pub(crate) mod body;
pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod error;
pub(crate) mod fields;
pub(crate) mod job;
pub(crate) mod logprobs;
pub(crate) mod request;
pub(crate) mod router;
pub(crate) mod service;
pub(crate) mod sse;
pub(crate) mod usage;

use crate::config::SimConfig;
use error::ApiError;

/// No token of the vocabulary is longer, but for runs of white space that no prompt is made of.
const LONGEST_TOKEN_BYTES: usize = 128;

/// Refuses text that cannot fit before it is cut into tokens.
pub(crate) fn check_length(bytes: usize, config: &SimConfig) -> Result<(), ApiError> {
    let limit = config.context_limit();
    if bytes / LONGEST_TOKEN_BYTES >= limit {
        return Err(ApiError::prompt_too_long(limit));
    }
    Ok(())
}
