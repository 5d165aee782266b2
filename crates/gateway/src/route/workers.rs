//! Which of an upstream's replicas gets a request: what each probably holds of the prompt, and the
//! work that waits there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_prefix_index::{Index, Naming, WorkerId};
use forebay_routing::{ExpectedCost, Request, Rule as _, Worker};

use super::endpoint::Endpoint;
use crate::policy::Block;

/// Bytes of text that stand for a token where no tokenizer is known.
const BYTES_A_TOKEN: u64 = 3;

/// Blocks that a replica is assumed to hold: as many as for an upstream as a whole (`warmth.rs`).
const BLOCKS: usize = 16_384;

/// A running answer slows each step by this share: 0.6 to 1.1 % on H100 for models of 8B to 70B
/// (`crates/engine-model/profiles`).
const SHARE_OF_A_STEP: f64 = 0.01;

/// A prompt as the choice of a replica sees it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prefix {
    keys: Vec<u64>,
    /// Tokens up to each block's end.
    ends: Vec<u64>,
    tokens: u64,
    output_tokens: u64,
}

impl Prefix {
    /// A tenant's prompt of about so many tokens, in blocks of text.
    pub(crate) fn new(chain: &[Block], tenant: u64, tokens: u64, output_tokens: u64) -> Self {
        Self {
            keys: chain.iter().map(|block| block.hash ^ tenant).collect(),
            ends: chain
                .iter()
                .map(|block| u64::from(block.end) / BYTES_A_TOKEN)
                .collect(),
            tokens,
            output_tokens,
        }
    }

    /// Tokens of the prompt.
    pub(super) fn tokens(&self) -> u64 {
        self.tokens
    }

    fn tokens_of(&self, blocks: u32) -> u64 {
        let last = (blocks as usize).checked_sub(1);
        last.and_then(|last| self.ends.get(last))
            .copied()
            .unwrap_or(0)
    }
}

/// What an upstream's replicas hold. Outlives a reload: replicas are known by their base URL.
#[derive(Debug)]
pub(super) struct Workers {
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    index: Index,
    /// Bounded by the index; replicas beyond that are taken to hold nothing.
    ids: Vec<(Arc<str>, WorkerId)>,
    held: Vec<u32>,
}

impl Default for Workers {
    fn default() -> Self {
        // Text blocks are named by the policy; the index's own naming is not used.
        let naming = Naming::Routed {
            block_size: 1,
            scope: 0,
        };
        Self {
            known: Mutex::new(Known {
                index: Index::new(naming),
                ids: Vec::new(),
                held: Vec::new(),
            }),
        }
    }
}

impl Known {
    fn id(&mut self, base: &Arc<str>) -> Option<WorkerId> {
        let known = self.ids.iter().find(|(known, _)| known == base);
        if let Some((_, id)) = known {
            return Some(*id);
        }
        let id = self.index.add_worker(Some(BLOCKS)).ok()?;
        self.ids.push((base.clone(), id));
        Some(id)
    }
}

impl Workers {
    /// The place of the replica that is to get a prompt, and the tokens that it will have to
    /// compute. None only if there is no replica.
    pub(super) fn pick(
        &self,
        replicas: &[&Arc<Endpoint>],
        prefix: &Prefix,
        tokens_per_second: f64,
        random: u64,
    ) -> Option<(usize, u64)> {
        let mut known = self.lock();
        let Known { index, held, .. } = &mut *known;
        index.lookup(&prefix.keys, Duration::ZERO, held);
        let mut workers = Vec::with_capacity(replicas.len());
        for replica in replicas {
            let id = known.id(&replica.base);
            let held = id.and_then(|id| known.held.get(id.index()));
            let in_flight = replica.in_flight();
            workers.push(Worker {
                in_flight,
                queued_tokens: replica.queued_tokens(),
                held_tokens: held.map_or(0, |blocks| prefix.tokens_of(*blocks)),
                decode_rate: tokens_per_second / (1.0 + SHARE_OF_A_STEP * f64::from(in_flight)),
                ..Worker::default()
            });
        }
        let request = Request {
            tokens: prefix.tokens,
            output_tokens: prefix.output_tokens,
            random,
            ..Request::default()
        };
        let place = ExpectedCost::default().pick(&request, &workers)?;
        Some((place, request.uncached(&workers[place])))
    }

    /// A prompt goes to a replica: it will hold it.
    pub(super) fn sent(&self, replica: &Endpoint, prefix: &Prefix) {
        let mut known = self.lock();
        if let Some(id) = known.id(&replica.base) {
            known.index.predict(id, &prefix.keys, Duration::ZERO);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // What the index holds are hints; half of an update is one too.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::route::endpoint::Lease;

    fn prefix(blocks: u64, tenant: u64) -> Prefix {
        let chain: Vec<Block> = (1..=blocks)
            .map(|place| Block {
                hash: place * 7,
                end: u32::try_from(place * 3_000).unwrap(),
            })
            .collect();
        Prefix::new(&chain, tenant, blocks * 1_000 + 100, 100)
    }

    fn pick(workers: &Workers, replicas: &[Arc<Endpoint>], prefix: &Prefix, random: u64) -> usize {
        let replicas: Vec<&Arc<Endpoint>> = replicas.iter().collect();
        workers.pick(&replicas, prefix, 50.0, random).unwrap().0
    }

    #[test]
    fn a_prompt_goes_where_its_prefix_is_until_much_waits_there() {
        let replicas =
            ["http://a", "http://b", "http://c"].map(|base| Arc::new(Endpoint::new(base)));
        let (workers, prefix) = (Workers::default(), prefix(4, 1));
        workers.sent(&replicas[1], &prefix);
        for random in 0..50 {
            assert_eq!(pick(&workers, &replicas, &prefix, random << 32 | random), 1);
        }
        // The copy of 4,000 tokens is worth ten times as many in the queue.
        let mut lease = Lease::new(&replicas[1], 1, Instant::now());
        lease.waits_for(50_000);
        assert_ne!(pick(&workers, &replicas, &prefix, 0), 1);
        lease.begun();
        assert_eq!(pick(&workers, &replicas, &prefix, 0), 1);
    }

    #[test]
    fn another_tenants_prefix_draws_nobody() {
        let replicas = ["http://a", "http://b"].map(|base| Arc::new(Endpoint::new(base)));
        let workers = Workers::default();
        workers.sent(&replicas[1], &prefix(4, 1));
        let picked: Vec<usize> = (0..2)
            .map(|random| pick(&workers, &replicas, &prefix(4, 2), random))
            .collect();
        assert_eq!(picked, [0, 1]);
    }

    #[test]
    fn replicas_beyond_the_index_are_picked_all_the_same() {
        let replicas: Vec<Arc<Endpoint>> = (0..forebay_prefix_index::MAX_WORKERS + 2)
            .map(|place| Arc::new(Endpoint::new(&format!("http://r{place}"))))
            .collect();
        let workers = Workers::default();
        replicas
            .iter()
            .for_each(|replica| workers.sent(replica, &prefix(1, 1)));
        let place = pick(&workers, &replicas[replicas.len() - 1..], &prefix(1, 1), 0);
        assert_eq!(place, 0);
    }
}
