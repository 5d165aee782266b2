//! The replica's KV cache: blocks with reference counts, named by the block chain, the unused ones
//! kept in LRU order until their room is needed.

use std::collections::{BTreeMap, HashMap};

use forebay_prefix::BlockHash;

use super::kv_event::KvEvent;

#[derive(Debug)]
struct Cached {
    references: usize,
    /// The block's place in the LRU order while nothing refers to it.
    idle_since: Option<u64>,
}

/// Counts blocks; holds no keys and values. Bounded by its capacity.
#[derive(Debug)]
pub(crate) struct KvCache {
    capacity: usize,
    /// Named blocks, in use or idle.
    cached: HashMap<BlockHash, Cached>,
    /// Idle named blocks, the least recently used first.
    idle: BTreeMap<u64, BlockHash>,
    /// Blocks in use that have no name yet (or a name that another block holds).
    private: usize,
    clock: u64,
    events: Vec<KvEvent>,
    publish: bool,
}

impl KvCache {
    pub(crate) fn new(capacity: usize, publish: bool) -> Self {
        Self {
            capacity,
            cached: HashMap::new(),
            idle: BTreeMap::new(),
            private: 0,
            clock: 0,
            events: Vec::new(),
            publish,
        }
    }

    /// Share of the blocks that running sequences hold, 0 to 1.
    pub(crate) fn usage(&self) -> f64 {
        self.in_use() as f64 / self.capacity as f64
    }

    fn in_use(&self) -> usize {
        self.cached.len() - self.idle.len() + self.private
    }

    /// Blocks that can be had, idle ones included.
    pub(crate) fn available(&self) -> usize {
        self.capacity.saturating_sub(self.in_use())
    }

    /// How many leading blocks of `chain` are here.
    pub(crate) fn hits(&self, chain: &[BlockHash]) -> usize {
        chain
            .iter()
            .take_while(|hash| self.cached.contains_key(*hash))
            .count()
    }

    /// How many leading blocks of `chain` are here but idle, so that holding them takes room.
    pub(crate) fn idle_hits(&self, chain: &[BlockHash]) -> usize {
        chain
            .iter()
            .filter(|hash| {
                self.cached
                    .get(*hash)
                    .is_some_and(|block| block.references == 0)
            })
            .count()
    }

    /// Holds named blocks that are here.
    pub(crate) fn hold(&mut self, chain: &[BlockHash]) {
        for hash in chain {
            if let Some(block) = self.cached.get_mut(hash) {
                block.references += 1;
                if let Some(place) = block.idle_since.take() {
                    self.idle.remove(&place);
                }
            }
        }
    }

    /// Takes `count` unnamed blocks, evicting idle ones where needed; false, and nothing taken, if
    /// there are not so many.
    pub(crate) fn take(&mut self, count: usize) -> bool {
        if self.available() < count {
            return false;
        }
        while self.cached.len() + self.private + count > self.capacity {
            let Some((_, hash)) = self.idle.pop_first() else {
                break;
            };
            self.cached.remove(&hash);
            if self.publish {
                self.events
                    .push(KvEvent::BlockRemoved { hashes: vec![hash] });
            }
        }
        self.private += count;
        true
    }

    /// Names one unnamed block in use; true if it is new to the cache, false if another block has
    /// the name, which is then held in its stead.
    pub(crate) fn name(&mut self, hash: BlockHash) -> bool {
        self.private = self.private.saturating_sub(1);
        if self.cached.contains_key(&hash) {
            self.hold(&[hash]);
            return false;
        }
        let block = Cached {
            references: 1,
            idle_since: None,
        };
        self.cached.insert(hash, block);
        true
    }

    /// Queues an event for the publisher.
    pub(crate) fn record(&mut self, event: KvEvent) {
        if self.publish {
            self.events.push(event);
        }
    }

    /// Gives up a sequence's blocks: its named ones, and `private` unnamed ones. The chain's tail
    /// becomes idle before its head, so it is evicted before it.
    pub(crate) fn release(&mut self, named: &[BlockHash], private: usize) {
        self.private = self.private.saturating_sub(private);
        for hash in named.iter().rev() {
            let Some(block) = self.cached.get_mut(hash) else {
                continue;
            };
            block.references = block.references.saturating_sub(1);
            if block.references == 0 && block.idle_since.is_none() {
                self.clock += 1;
                block.idle_since = Some(self.clock);
                self.idle.insert(self.clock, *hash);
            }
        }
    }

    /// Forgets every idle block; false, and nothing forgotten, while some are in use.
    pub(crate) fn clear(&mut self) -> bool {
        if self.in_use() > 0 {
            return false;
        }
        self.cached.clear();
        self.idle.clear();
        self.record(KvEvent::AllBlocksCleared);
        true
    }

    /// What happened since the last call.
    pub(crate) fn drain_events(&mut self) -> Vec<KvEvent> {
        std::mem::take(&mut self.events)
    }
}

#[cfg(test)]
mod tests {
    use forebay_prefix::ChainSpec;

    use super::*;

    fn chain(seed: u32, blocks: u32) -> Vec<BlockHash> {
        let tokens: Vec<u32> = (0..blocks * 16).map(|token| token + seed * 1000).collect();
        ChainSpec::default().chain(&tokens)
    }

    fn fill(cache: &mut KvCache, chain: &[BlockHash]) {
        assert!(cache.take(chain.len()));
        for hash in chain {
            assert!(cache.name(*hash));
        }
    }

    #[test]
    fn a_released_chain_is_hit_until_its_room_is_needed_and_loses_its_tail_first() {
        let mut cache = KvCache::new(4, true);
        let old = chain(1, 3);
        fill(&mut cache, &old);
        cache.release(&old, 0);
        assert_eq!(cache.hits(&old), 3);
        assert!(cache.take(3));
        assert_eq!(cache.hits(&old), 1);
        let removed = KvEvent::BlockRemoved {
            hashes: vec![old[2]],
        };
        assert_eq!(cache.drain_events()[0], removed);
    }

    #[test]
    fn blocks_in_use_are_never_evicted() {
        let mut cache = KvCache::new(4, false);
        let held = chain(1, 3);
        fill(&mut cache, &held);
        assert!(!cache.take(2));
        assert_eq!(cache.hits(&held), 3);
        assert_eq!(cache.available(), 1);
        assert!(!cache.clear());
    }

    #[test]
    fn a_shared_block_stays_in_use_until_its_last_holder_leaves() {
        let mut cache = KvCache::new(4, false);
        let shared = chain(1, 2);
        fill(&mut cache, &shared);
        cache.hold(&shared);
        cache.release(&shared, 0);
        assert_eq!(cache.available(), 2);
        cache.release(&shared, 0);
        assert_eq!(cache.available(), 4);
        assert!(cache.usage().abs() < f64::EPSILON);
    }
}
