//! How tokens are drawn, over all dialects. None is what the client left out.

use std::borrow::Cow;

/// How tokens are drawn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling<'a> {
    /// As sent; OpenAI allows 0 to 2, Anthropic 0 to 1.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// The most likely tokens to draw from.
    pub top_k: Option<u64>,
    /// vLLM's and kin's.
    pub min_p: Option<f64>,
    /// How many choices; none is one.
    pub n: Option<u32>,
    /// The cap on output tokens.
    pub max_tokens: Option<u64>,
    /// The seed.
    pub seed: Option<i64>,
    /// Sequences that end the answer.
    pub stop: Vec<Cow<'a, str>>,
    /// OpenAI's, -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// OpenAI's, -2 to 2.
    pub presence_penalty: Option<f64>,
    /// Tell probabilities of the tokens drawn.
    pub logprobs: bool,
    /// And of that many alternatives.
    pub top_logprobs: Option<u32>,
    /// OpenAI's `logit_bias`, JSON.
    pub logit_bias: Option<Cow<'a, str>>,
}
