//! What the cloud selector is asked and answers.

use forebay_dialect::canonical::{Needs, Usage};
use serde::{Deserialize, Serialize};

use super::Reason;

/// What a request needs of an upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// The model as the client named it.
    pub model: String,
    /// Estimated tokens of the prompt.
    pub input_tokens: u64,
    /// The most tokens the answer may have.
    pub output_tokens: u64,
    /// What the upstream must be able to do.
    pub needs: Needs,
    /// Regions or jurisdictions the prompt may go to; empty means anywhere.
    pub residency: Vec<String>,
    /// The most it may cost, in millionths of a US dollar.
    pub budget_micro_usd: Option<u64>,
    /// Milliseconds until the client's deadline.
    pub deadline_ms: Option<u64>,
}

/// Millionths of a US dollar per million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens of the prompt out of the upstream's cache.
    pub cached_input: u64,
    /// Tokens of the completion.
    pub output: u64,
}

impl Price {
    /// What these tokens cost, in millionths of a US dollar, rounded up.
    pub fn of(&self, usage: Usage) -> u64 {
        let cached = usage.cached_input.min(usage.input);
        let parts = [
            (usage.input - cached, self.input),
            (cached, self.cached_input),
            (usage.output, self.output),
        ];
        micro_usd(parts.into_iter())
    }

    /// What the upstream's prefix cache saved, in millionths of a US dollar.
    pub fn saved(&self, usage: Usage) -> u64 {
        let cached = usage.cached_input.min(usage.input);
        let each = self.input.saturating_sub(self.cached_input);
        micro_usd([(cached, each)].into_iter())
    }
}

/// Tokens at prices for a million.
fn micro_usd(parts: impl Iterator<Item = (u64, u64)>) -> u64 {
    let sum: u128 = parts
        .map(|(tokens, price)| u128::from(tokens) * u128::from(price))
        .sum();
    u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// How well it is known what a worker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IndexState {
    /// From the engine's own events, without a gap.
    Exact,
    /// From events with a gap, or not all replayed yet.
    Degraded,
    /// Guessed from the requests that were routed to it.
    Fallback,
}

/// One engine, or one data-parallel rank of an engine, of an upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Its name, stable while it lives.
    pub id: String,
    /// It passed its last health check and is not ejected.
    pub healthy: bool,
    /// Requests in flight from here.
    pub in_flight: u32,
    /// Tokens of prompts in flight that it neither holds nor has computed yet.
    pub queued_tokens: u64,
    /// Tokens of prompt a second; 0 is unknown.
    pub prefill_rate: f64,
    /// Tokens of output a second that one request gets; 0 is unknown.
    pub decode_rate: f64,
    /// Tokens of this prompt in its prefix cache.
    pub held_tokens: u64,
    /// How well that is known.
    pub index: IndexState,
    /// It served this session before.
    pub has_affinity: bool,
}

/// An upstream as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The upstream's name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Its jurisdiction.
    pub jurisdiction: String,
    /// It passed its last health check and is not ejected.
    pub healthy: bool,
    /// What it can do.
    pub capabilities: Needs,
    /// Tokens of prompt and answer together; 0 is unknown.
    pub context_tokens: u64,
    /// What it costs.
    pub price: Option<Price>,
    /// Expected time to first token, in milliseconds.
    pub ttft_ms: f64,
    /// Expected tokens of output a second.
    pub tokens_per_second: f64,
    /// Requests in flight from here.
    pub in_flight: u32,
    /// How many it takes at once; 0 is unknown.
    pub capacity: u32,
    /// Tokens of this prompt probably in its prefix cache.
    pub warm_tokens: u64,
    /// Requests in flight that begin with as much of this prompt as one of its workers holds.
    pub sharing: u32,
    /// The place in the configured order.
    pub order: u32,
    /// The engines behind it, where they are known one by one.
    pub workers: Vec<Worker>,
}

/// A candidate that may serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Index into the candidates.
    pub candidate: u32,
    /// Lower is better.
    pub score: f64,
    /// What the score is made of.
    pub parts: Vec<(String, f64)>,
    /// Expected cost.
    pub cost_micro_usd: Option<u64>,
    /// Index into the candidate's workers, where the policy decided for one.
    pub worker: Option<u32>,
}

/// The order in which to try, and who is left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ranking {
    /// Best first.
    pub order: Vec<Choice>,
    /// Index of the candidate, and the rule.
    pub excluded: Vec<(u32, Reason)>,
}
