//! Which of an upstream's workers gets a request.
//!
//! A [`Rule`] sees each worker as it is now and the request's tokens, and picks one. Forebay's own
//! is [`ExpectedCost`]; the others are the rules of the field, implemented from their published
//! descriptions, for comparison and for users who want them. No I/O, no clock; compiles for
//! WebAssembly. Chance comes as an argument, so every choice can be repeated.
//!
//! ```
//! use forebay_routing::{ExpectedCost, Request, Rule, Worker};
//!
//! let request = Request { tokens: 10_000, ..Request::default() };
//! let cold = Worker { prefill_rate: 10_000.0, ..Worker::default() };
//! let warm = Worker { held_tokens: 8_000, ..cold };
//! let busy = Worker { held_tokens: 8_000, queued_tokens: 200_000, ..cold };
//! let mut rule = ExpectedCost::default();
//! assert_eq!(rule.pick(&request, &[cold, warm, busy]), Some(1));
//! assert_eq!(rule.pick(&request, &[cold, busy]), Some(0));
//! ```

mod affinity;
mod cost;
mod field;
mod hashing;
mod plain;
mod queue;
mod registry;

pub use affinity::StickyUntilSaturated;
pub use cost::{ExpectedCost, Fleet, Parts, queue_seconds};
pub use field::{Blend, CacheAware, DynamoCost, Product};
pub use hashing::{BoundedLoad, id_of};
pub use plain::{LeastLoaded, LongestMatch, Random, RoundRobin};
pub use queue::PrefillQueue;
pub use registry::{NAMES, UnknownRule, by_name, is_foreseeable};

/// A worker as the gateway sees it when a request comes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Worker {
    /// Tells it from the others and stays the same while it lives: consistent hashing goes by it.
    pub id: u64,
    /// Whether it may get requests.
    pub healthy: bool,
    /// Requests sent to it that have not ended.
    pub in_flight: u32,
    /// Prompt tokens sent to it that it neither holds nor has computed yet: [`PrefillQueue::left`].
    pub queued_tokens: u64,
    /// Prompt tokens sent to it lately that it did not hold: [`PrefillQueue::lately`].
    pub recent_tokens: u64,
    /// Tokens, prompts and answers so far, of the requests in flight.
    pub active_tokens: u64,
    /// Prompt tokens that it computes a second; 0 is unknown.
    pub prefill_rate: f64,
    /// Tokens a second that one running answer gets; 0 is unknown.
    pub decode_rate: f64,
    /// Leading tokens of this prompt that it holds.
    pub held_tokens: u64,
    /// Tokens that it holds in all.
    pub cached_tokens: u64,
    /// Share of its cache that running requests use, 0 to 1.
    pub cache_usage: f64,
    /// The request's session was served here before.
    pub has_affinity: bool,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            id: 0,
            healthy: true,
            in_flight: 0,
            queued_tokens: 0,
            recent_tokens: 0,
            active_tokens: 0,
            prefill_rate: 0.0,
            decode_rate: 0.0,
            held_tokens: 0,
            cached_tokens: 0,
            cache_usage: 0.0,
            has_affinity: false,
        }
    }
}

/// What is known of a request before it is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Request {
    /// Tokens of the prompt.
    pub tokens: u64,
    /// A hash of the prompt's beginning, for consistent hashing.
    pub key: u64,
    /// Tokens that the answer will probably have; 0 is unknown.
    pub output_tokens: u64,
    /// Requests in flight that begin with as much of the prompt as one of the workers holds.
    pub sharing: u32,
    /// Tokens in a block.
    pub block_size: u64,
    /// A random number, for ties.
    pub random: u64,
}

impl Request {
    /// Tokens that a worker would have to compute: never none, or nothing could be sampled from.
    #[must_use]
    pub fn uncached(&self, worker: &Worker) -> u64 {
        self.tokens.saturating_sub(worker.held_tokens).max(1)
    }
}

/// Picks a worker.
pub trait Rule: Send {
    /// Its name in commands and configurations.
    fn name(&self) -> &'static str;

    /// The place of the chosen worker; none if no worker is healthy.
    fn pick(&mut self, request: &Request, workers: &[Worker]) -> Option<usize>;
}

/// Prompt tokens a second where a worker's rate is not known: a 32B model on two H100 computes
/// 15,928 (llm-d, "Sticky until saturated", August 2026). Only ratios matter while no rate is known.
const DEFAULT_PREFILL_RATE: f64 = 16_000.0;

/// A worker's prefill rate, or the usual one where it is not known.
fn known_rate(rate: f64) -> f64 {
    match rate {
        rate if rate.is_finite() && rate > 0.0 => rate,
        _ => DEFAULT_PREFILL_RATE,
    }
}

/// The healthy worker with the lowest cost. Those whose costs differ by no more than `tolerance`
/// from the lowest are equals, but a difference that small is not worth a copy: only those of them
/// that hold the most of the prompt count. Of two of these that chance picks, the one with fewer
/// requests in flight wins, or else the one that was sent less lately. So several gateways with the
/// same view don't all send to the same worker, and no cache gets most of what is new.
fn lowest(
    request: &Request,
    workers: &[Worker],
    tolerance: f64,
    cost: impl Fn(&Worker) -> f64,
) -> Option<usize> {
    let cost = |worker: &Worker| {
        let cost = cost(worker);
        // A cost that is not a number must not win nor make others incomparable.
        if cost.is_nan() { f64::MAX } else { cost }
    };
    let healthy = || {
        let workers = workers.iter().enumerate();
        workers.filter(|(_, worker)| worker.healthy)
    };
    let least = healthy()
        .map(|(_, worker)| cost(worker))
        .min_by(f64::total_cmp)?;
    let near = || healthy().filter(|(_, worker)| cost(worker) <= least + tolerance);
    let held = |worker: &Worker| {
        if tolerance > 0.0 {
            worker.held_tokens
        } else {
            0
        }
    };
    let most = near().map(|(_, worker)| held(worker)).max()?;
    let equals = || near().filter(|(_, worker)| held(worker) == most);
    let count = (equals().count() as u64).max(1);
    let nth = |place: u64| equals().nth(place as usize);
    let first = nth(request.random % count)?;
    // The high half of the number is independent of the low one.
    let step = 1 + (request.random >> 32) % (count - 1).max(1);
    let second = nth((request.random % count + step) % count)?;
    let recent = |worker: &Worker| {
        if tolerance > 0.0 {
            worker.recent_tokens
        } else {
            0
        }
    };
    let used = |worker: &Worker| (worker.in_flight, recent(worker));
    let chosen = match used(second.1) < used(first.1) {
        true => second,
        false => first,
    };
    Some(chosen.0)
}
