//! Token counts as vLLM reports them, in its two shapes.

use serde::Serialize;

/// Usage of an answer sent whole.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
    completion_tokens: usize,
    prompt_tokens_details: Details,
    completion_tokens_details: Option<()>,
}

#[derive(Debug, Clone, Serialize)]
struct Details {
    cached_tokens: usize,
    created_cache_tokens: Option<usize>,
    multimodal_tokens: Option<usize>,
}

/// Usage in the last chunk of a stream: absent members are left out.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StreamUsage {
    prompt_tokens: usize,
    total_tokens: usize,
    completion_tokens: usize,
    prompt_tokens_details: StreamDetails,
}

#[derive(Debug, Clone, Serialize)]
struct StreamDetails {
    cached_tokens: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_cache_tokens: Option<usize>,
}

/// What a request cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) prompt: usize,
    pub(crate) completion: usize,
    pub(crate) cached: usize,
    /// Prompt tokens newly cached; only chat reports them.
    pub(crate) created: Option<usize>,
}

impl From<Counts> for Usage {
    fn from(counts: Counts) -> Self {
        Self {
            prompt_tokens: counts.prompt,
            total_tokens: counts.prompt + counts.completion,
            completion_tokens: counts.completion,
            prompt_tokens_details: Details {
                cached_tokens: counts.cached,
                created_cache_tokens: counts.created,
                multimodal_tokens: None,
            },
            completion_tokens_details: None,
        }
    }
}

impl From<Counts> for StreamUsage {
    fn from(counts: Counts) -> Self {
        Self {
            prompt_tokens: counts.prompt,
            total_tokens: counts.prompt + counts.completion,
            completion_tokens: counts.completion,
            prompt_tokens_details: StreamDetails {
                cached_tokens: counts.cached,
                created_cache_tokens: counts.created,
            },
        }
    }
}
