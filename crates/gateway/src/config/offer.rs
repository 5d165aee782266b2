//! What an upstream can do, and what its models cost.

use serde::{Deserialize, Serialize};

use crate::policy::Price;

/// What an upstream can do. All true unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "one flag for each capability"
)]
pub struct Capabilities {
    /// Streamed answers.
    pub streaming: bool,
    /// Tool calls.
    pub tools: bool,
    /// Output that follows a JSON schema.
    pub json_schema: bool,
    /// Images in the prompt.
    pub vision: bool,
    /// Audio in the prompt.
    pub audio: bool,
    /// Log probabilities.
    pub logprobs: bool,
    /// More than one choice.
    pub multiple_choices: bool,
    /// Prompts given as token ids.
    pub token_ids: bool,
}

impl Capabilities {
    /// What both can.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            streaming: self.streaming && other.streaming,
            tools: self.tools && other.tools,
            json_schema: self.json_schema && other.json_schema,
            vision: self.vision && other.vision,
            audio: self.audio && other.audio,
            logprobs: self.logprobs && other.logprobs,
            multiple_choices: self.multiple_choices && other.multiple_choices,
            token_ids: self.token_ids && other.token_ids,
        }
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            streaming: true,
            tools: true,
            json_schema: true,
            vision: true,
            audio: true,
            logprobs: true,
            multiple_choices: true,
            token_ids: true,
        }
    }
}

/// What is known of one model at an upstream. What the configuration says itself wins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OfferFacts {
    /// What it costs.
    pub price: Option<Price>,
    /// What a token costs that is written into the provider's prompt cache, in millionths of a US
    /// dollar per million tokens.
    pub cache_write: Option<u64>,
    /// Tokens of prompt and answer together; 0 is unknown.
    pub context_tokens: u64,
    /// The most tokens of an answer; 0 is unknown.
    pub max_output: u64,
    /// What it can do there.
    pub capabilities: Capabilities,
    /// Expected time to first token, in milliseconds.
    pub ttft_ms: Option<f64>,
    /// Expected tokens of output a second.
    pub tokens_per_second: Option<f64>,
}

/// `price`, in millionths of a US dollar per million tokens: 5000000 is $5.00 a million.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PriceConfig {
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens of the prompt out of the upstream's cache; as `input` where absent.
    #[serde(default)]
    pub cached_input: Option<u64>,
    /// Tokens of the prompt that are written into the upstream's cache; absent: what the provider
    /// usually asks for them.
    #[serde(default)]
    pub cache_write: Option<u64>,
    /// Tokens of the completion.
    pub output: u64,
}

impl From<PriceConfig> for Price {
    fn from(price: PriceConfig) -> Self {
        Self {
            input: price.input,
            cached_input: price.cached_input.unwrap_or(price.input),
            output: price.output,
        }
    }
}
