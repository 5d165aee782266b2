//! How long a step takes, and how much fits into it.

/// The speed of an engine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Seconds that each prompt token adds to a step.
    pub seconds_per_prefill_token: f64,
    /// Seconds that a step takes before its first sequence.
    pub step_seconds: f64,
    /// Seconds that each decoding sequence adds to a step.
    pub seconds_per_sequence: f64,
}

impl Rates {
    /// How long a step takes.
    #[must_use]
    pub fn seconds(&self, step: Step) -> f64 {
        self.step_seconds
            + step.decodes as f64 * self.seconds_per_sequence
            + step.prefill_tokens as f64 * self.seconds_per_prefill_token
    }
}

/// The bounds of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tokens in a block, at least 1.
    pub block_size: usize,
    /// Blocks in the cache, at least 1.
    pub blocks: usize,
    /// Sequences that run at once, at least 1.
    pub sequences: usize,
    /// Tokens of one step, prefill and decode together, at least 1.
    pub step_tokens: usize,
    /// Whether finished prefixes stay in the cache.
    pub prefix_caching: bool,
}

/// What a step computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Prompt tokens, and tokens computed again after a preemption.
    pub prefill_tokens: usize,
    /// Sequences that get their next token.
    pub decodes: usize,
}

impl Step {
    /// Tokens of the step.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.prefill_tokens + self.decodes
    }
}
