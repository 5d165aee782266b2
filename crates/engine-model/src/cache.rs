//! The KV cache: blocks with reference counts, named by the block chain, the unused ones kept in
//! LRU order until their room is needed.

use std::collections::HashMap;
use std::hash::Hash;

/// No place in the list.
const NONE: usize = usize::MAX;

#[derive(Debug)]
struct Block<B> {
    name: B,
    references: usize,
    /// Neighbours in the LRU list while nothing refers to the block.
    newer: usize,
    older: usize,
}

/// Counts blocks; holds no keys and values. Bounded by its capacity.
#[derive(Debug)]
pub struct KvCache<B> {
    capacity: usize,
    /// Places of named blocks, in use or idle.
    places: HashMap<B, usize>,
    blocks: Vec<Block<B>>,
    free: Vec<usize>,
    newest: usize,
    oldest: usize,
    idle: usize,
    /// Blocks in use that have no name yet (or a name that another block holds).
    private: usize,
}

impl<B: Copy + Eq + Hash> KvCache<B> {
    /// An empty cache of `capacity` blocks.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            places: HashMap::new(),
            blocks: Vec::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
            idle: 0,
            private: 0,
        }
    }

    /// Share of the blocks that running sequences hold, 0 to 1.
    #[must_use]
    pub fn usage(&self) -> f64 {
        self.in_use() as f64 / self.capacity as f64
    }

    /// Blocks with a name.
    #[must_use]
    pub fn named(&self) -> usize {
        self.places.len()
    }

    fn in_use(&self) -> usize {
        self.places.len() - self.idle + self.private
    }

    /// Blocks that can be had, idle ones included.
    #[must_use]
    pub fn available(&self) -> usize {
        self.capacity.saturating_sub(self.in_use())
    }

    /// How many leading blocks of `chain` are here, and how many of them are idle, so that holding
    /// them takes room.
    #[must_use]
    pub fn hits(&self, chain: &[B]) -> (usize, usize) {
        let (mut hits, mut idle) = (0, 0);
        for name in chain {
            let Some(place) = self.places.get(name) else {
                break;
            };
            hits += 1;
            idle += usize::from(self.blocks[*place].references == 0);
        }
        (hits, idle)
    }

    /// Holds named blocks that are here.
    pub fn hold(&mut self, chain: &[B]) {
        for name in chain {
            if let Some(&place) = self.places.get(name) {
                self.blocks[place].references += 1;
                if self.blocks[place].references == 1 {
                    self.unlink(place);
                }
            }
        }
    }

    /// Takes `count` unnamed blocks, evicting idle ones where needed; false, and nothing taken, if
    /// there are not so many.
    pub fn take(&mut self, count: usize, mut evicted: impl FnMut(B)) -> bool {
        if self.available() < count {
            return false;
        }
        while self.places.len() + self.private + count > self.capacity {
            let place = self.oldest;
            if place == NONE {
                break;
            }
            self.unlink(place);
            let name = self.blocks[place].name;
            self.places.remove(&name);
            self.free.push(place);
            evicted(name);
        }
        self.private += count;
        true
    }

    /// Names one unnamed block in use; true if it is new to the cache, false if another block has
    /// the name, which is then held in its stead.
    pub fn name(&mut self, name: B) -> bool {
        self.private = self.private.saturating_sub(1);
        if self.places.contains_key(&name) {
            self.hold(&[name]);
            return false;
        }
        let block = Block {
            name,
            references: 1,
            newer: NONE,
            older: NONE,
        };
        let place = match self.free.pop() {
            Some(place) => {
                self.blocks[place] = block;
                place
            }
            None => {
                self.blocks.push(block);
                self.blocks.len() - 1
            }
        };
        self.places.insert(name, place);
        true
    }

    /// Gives up a sequence's blocks: its named ones, and `private` unnamed ones. The chain's tail
    /// becomes idle before its head, so it is evicted before it.
    pub fn release(&mut self, named: &[B], private: usize) {
        self.private = self.private.saturating_sub(private);
        for name in named.iter().rev() {
            let Some(&place) = self.places.get(name) else {
                continue;
            };
            let block = &mut self.blocks[place];
            if block.references > 0 {
                block.references -= 1;
                if block.references == 0 {
                    self.link(place);
                }
            }
        }
    }

    /// Forgets every idle block; false, and nothing forgotten, while some are in use.
    pub fn clear(&mut self) -> bool {
        if self.in_use() > 0 {
            return false;
        }
        *self = Self::new(self.capacity);
        true
    }

    fn link(&mut self, place: usize) {
        let older = self.newest;
        self.blocks[place].newer = NONE;
        self.blocks[place].older = older;
        match self.blocks.get_mut(older) {
            Some(block) => block.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
        self.idle += 1;
    }

    fn unlink(&mut self, place: usize) {
        let (newer, older) = (self.blocks[place].newer, self.blocks[place].older);
        match self.blocks.get_mut(newer) {
            Some(block) => block.older = older,
            None => self.newest = older,
        }
        match self.blocks.get_mut(older) {
            Some(block) => block.newer = newer,
            None => self.oldest = newer,
        }
        self.idle -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(cache: &mut KvCache<u32>, chain: &[u32]) -> Vec<u32> {
        let mut evicted = Vec::new();
        assert!(cache.take(chain.len(), |name| evicted.push(name)));
        for name in chain {
            assert!(cache.name(*name));
        }
        evicted
    }

    #[test]
    fn a_released_chain_is_hit_until_its_room_is_needed_and_loses_its_tail_first() {
        let mut cache = KvCache::new(4);
        let old = [10, 11, 12];
        fill(&mut cache, &old);
        cache.release(&old, 0);
        assert_eq!(cache.hits(&old), (3, 3));
        assert_eq!(fill(&mut cache, &[20, 21, 22]), [12, 11]);
        assert_eq!(cache.hits(&old), (1, 1));
    }

    #[test]
    fn blocks_in_use_are_never_evicted() {
        let mut cache = KvCache::new(4);
        let held = [10, 11, 12];
        fill(&mut cache, &held);
        assert!(!cache.take(2, |_| ()));
        assert_eq!(cache.hits(&held), (3, 0));
        assert_eq!(cache.available(), 1);
        assert!(!cache.clear());
    }

    #[test]
    fn a_shared_block_stays_in_use_until_its_last_holder_leaves() {
        let mut cache = KvCache::new(4);
        let shared = [10, 11];
        fill(&mut cache, &shared);
        cache.hold(&shared);
        cache.release(&shared, 0);
        assert_eq!(cache.available(), 2);
        cache.release(&shared, 0);
        assert_eq!(cache.available(), 4);
        assert!(cache.usage().abs() < f64::EPSILON);
        assert!(cache.clear());
        assert_eq!(cache.named(), 0);
    }

    #[test]
    fn a_block_used_again_is_evicted_later() {
        let mut cache = KvCache::new(3);
        for name in [1, 2, 3] {
            fill(&mut cache, &[name]);
            cache.release(&[name], 0);
        }
        cache.hold(&[1]);
        cache.release(&[1], 0);
        assert_eq!(fill(&mut cache, &[4, 5]), [2, 3]);
        assert_eq!(cache.hits(&[1]), (1, 1));
    }
}
