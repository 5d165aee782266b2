//! The model of an inference engine as vLLM's scheduler makes it: continuous batching, chunked
//! prefill that slows running answers, and a prefix cache of blocks under LRU eviction.
//!
//! It moves counts of tokens and knows no clock: a step says how long it takes, and whoever owns
//! the [`Scheduler`] lets that time pass, on a real clock (`engine-sim`) or a simulated one
//! (`simulate`). What a sequence is belongs to the owner too, behind [`Work`]; what happens to it
//! is told through [`Watch`].

mod cache;
mod rates;
mod scheduler;

pub use cache::KvCache;
pub use rates::{Limits, Rates, Step};
pub use scheduler::Scheduler;

use std::hash::Hash;
use std::ops::Range;

/// Engines whose rates are known, by name: the text of a TOML file, with its sources in comments.
pub const PROFILES: [(&str, &str); 6] = [
    ("h100x8-70b", include_str!("../profiles/h100x8-70b.toml")),
    (
        "h100x4-llama-70b",
        include_str!("../profiles/h100x4-llama-70b.toml"),
    ),
    (
        "h100x2-qwen3-32b",
        include_str!("../profiles/h100x2-qwen3-32b.toml"),
    ),
    (
        "h100-llama-8b",
        include_str!("../profiles/h100-llama-8b.toml"),
    ),
    ("l4-8b", include_str!("../profiles/l4-8b.toml")),
    ("instant", include_str!("../profiles/instant.toml")),
];

/// What a sequence computes, and what its blocks are called.
pub trait Work {
    /// The name of a block.
    type Block: Copy + Eq + Hash;

    /// Tokens of the prompt, at least one.
    fn prompt_len(&self) -> usize;

    /// Tokens that it will have generated in the end, at least one.
    fn output_len(&self) -> usize;

    /// The names of its leading full blocks.
    fn chain(&self) -> &[Self::Block];

    /// Adds the names of the full blocks among its first `tokens` tokens, as far as it has names.
    fn extend_chain(&mut self, tokens: usize);
}

/// Learns what the scheduler does. Every method does nothing by default.
pub trait Watch<W: Work> {
    /// A sequence starts to run; `cached` of its prompt's tokens are in the cache if it is the
    /// first time, none if it was preempted before.
    fn started(&mut self, work: &mut W, cached: Option<usize>) {
        let _ = (work, cached);
    }

    /// A sequence generated a token, its `generated`th.
    fn token(&mut self, work: &mut W, generated: usize) {
        let _ = (work, generated);
    }

    /// A sequence generated its last token. It was preempted so often.
    fn finished(&mut self, work: W, preemptions: usize) {
        let _ = (work, preemptions);
    }

    /// These blocks of a sequence's chain are new in the cache.
    fn stored(&mut self, work: &W, blocks: Range<usize>) {
        let _ = (work, blocks);
    }

    /// A block was evicted.
    fn removed(&mut self, block: W::Block) {
        let _ = block;
    }
}

/// A watcher that does not look.
impl<W: Work> Watch<W> for () {}
