//! What no rule can beat: a cache without end, and one LRU cache of the same size as all workers'.

use std::collections::HashSet;

use forebay_engine_model::KvCache;
use serde::Serialize;

use crate::trace::{Arrival, Trace};

/// Prompt tokens that two ideal caches would hold when their request comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// A cache that keeps everything.
    pub infinite_hit_tokens: u64,
    /// One LRU cache with the room of all workers.
    pub pooled_lru_hit_tokens: u64,
}

/// Blocks of a prompt that a cache can serve: at least one token is always computed.
fn usable(request: &Arrival, block_size: usize) -> &[u64] {
    let most = (request.input - 1) / block_size;
    &request.chain[..most.min(request.chain.len())]
}

impl Bounds {
    /// Computes both for a trace and a number of tokens in all.
    #[must_use]
    pub fn of(trace: &Trace, cache_tokens: usize) -> Self {
        let block_size = trace.block_size;
        let mut seen = HashSet::new();
        let mut pool = KvCache::new((cache_tokens / block_size).max(1));
        let (mut infinite, mut pooled) = (0, 0);
        for request in &trace.requests {
            let chain = usable(request, block_size);
            infinite += chain
                .iter()
                .take_while(|block| seen.contains(*block))
                .count();
            seen.extend(request.chain.iter().copied());
            let (hits, _) = pool.hits(chain);
            pooled += hits;
            touch(&mut pool, &request.chain);
        }
        Self {
            infinite_hit_tokens: (infinite * block_size) as u64,
            pooled_lru_hit_tokens: (pooled * block_size) as u64,
        }
    }
}

/// Uses a whole chain at once: it becomes the newest, its head newer than its tail.
fn touch(pool: &mut KvCache<u64>, chain: &[u64]) {
    let (hits, _) = pool.hits(chain);
    pool.hold(&chain[..hits]);
    let mut held = hits;
    for block in &chain[hits..] {
        // A prompt larger than the pool leaves its tail out.
        if !pool.take(1, |_| ()) {
            break;
        }
        pool.name(*block);
        held += 1;
    }
    pool.release(&chain[..held], 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(chain: &[u64]) -> Arrival {
        Arrival {
            at: 0.0,
            input: chain.len() * 10 + 1,
            output: 1,
            chain: chain.into(),
            prompt: 0,
        }
    }

    #[test]
    fn the_pool_forgets_what_the_endless_cache_keeps() {
        let trace = Trace {
            block_size: 10,
            requests: vec![
                request(&[1, 2]),
                request(&[3, 4]),
                request(&[1, 2]),
                request(&[1, 2]),
            ],
        };
        let bounds = Bounds::of(&trace, 30);
        assert_eq!(bounds.infinite_hit_tokens, 40);
        // Of the first chain the tail was evicted.
        assert_eq!(bounds.pooled_lru_hit_tokens, 30);
    }
}
