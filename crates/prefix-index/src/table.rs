//! A hash table from block keys to sets of workers, 16 bytes an entry.
//!
//! Open addressing in 64 shards that grow one by one, so that growing neither doubles the memory
//! nor stops lookups for long. Keys are hashes already; a multiplication spreads those that are not.

/// Shards: growth moves at most a 64th of the entries at once.
const SHARDS: usize = 64;

/// Entries of an empty shard, so that a small index stays small.
const MIN_CAPACITY: usize = 8;

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    key: u64,
    /// The workers that hold the block; an entry without any is free.
    workers: u64,
}

#[derive(Debug, Clone, Default)]
struct Shard {
    entries: Vec<Entry>,
    used: usize,
}

/// Sets of at most 64 workers by block key.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    shards: Vec<Shard>,
    used: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            shards: vec![Shard::default(); SHARDS],
            used: 0,
        }
    }
}

/// Spreads keys; block keys are uniform, but a caller's need not be.
fn spread(key: u64) -> u64 {
    // The golden ratio's bits: Knuth's multiplicative hashing.
    let mixed = (key ^ key >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 29
}

impl Table {
    fn shard(spread: u64) -> usize {
        (spread % SHARDS as u64) as usize
    }

    /// The workers that hold a block.
    pub(crate) fn get(&self, key: u64) -> u64 {
        let spread = spread(key);
        let shard = &self.shards[Self::shard(spread)];
        if shard.used == 0 {
            return 0;
        }
        shard.entries[shard.find(key, spread)].workers
    }

    /// Loads the entries of keys that are looked up next. A large table is not in the processor's
    /// caches; these loads don't wait for each other, as a search for one key after the other does.
    pub(crate) fn touch(&self, keys: &[u64]) {
        if self.used == 0 {
            return;
        }
        let mut seen = 0;
        for key in keys {
            let spread = spread(*key);
            let shard = &self.shards[Self::shard(spread)];
            if let Some(entry) = shard.entries.get(shard.home(spread)) {
                seen ^= entry.key;
            }
        }
        std::hint::black_box(seen);
    }

    /// Adds workers to a block; gives those that held it before.
    pub(crate) fn insert(&mut self, key: u64, workers: u64) -> u64 {
        if workers == 0 {
            return self.get(key);
        }
        let spread = spread(key);
        let shard = &mut self.shards[Self::shard(spread)];
        shard.make_room();
        let place = shard.find(key, spread);
        let entry = &mut shard.entries[place];
        let before = entry.workers;
        if before == 0 {
            shard.used += 1;
            self.used += 1;
        }
        *entry = Entry {
            key,
            workers: before | workers,
        };
        before
    }

    /// Takes workers from a block; gives those that held it before.
    pub(crate) fn remove(&mut self, key: u64, workers: u64) -> u64 {
        let spread = spread(key);
        let shard = &mut self.shards[Self::shard(spread)];
        if shard.used == 0 {
            return 0;
        }
        let place = shard.find(key, spread);
        let before = shard.entries[place].workers;
        if before & workers != 0 {
            shard.entries[place].workers = before & !workers;
            if before & !workers == 0 {
                shard.close_gap(place);
                self.used -= 1;
            }
        }
        before
    }

    /// Takes workers from every block of one shard; false past the last shard.
    pub(crate) fn sweep(&mut self, shard: usize, workers: u64) -> bool {
        let Some(shard) = self.shards.get_mut(shard) else {
            return false;
        };
        if shard
            .entries
            .iter()
            .any(|entry| entry.workers & workers != 0)
        {
            let before = shard.used;
            shard.rebuild(shard.entries.len(), !workers);
            self.used -= before - shard.used;
        }
        true
    }

    /// Blocks that some worker holds.
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// Bytes that the entries take.
    pub(crate) fn bytes(&self) -> usize {
        let entries: usize = self
            .shards
            .iter()
            .map(|shard| shard.entries.capacity())
            .sum();
        entries * size_of::<Entry>()
    }
}

impl Shard {
    /// Where a key's search begins: its share of the capacity, which need not be a power of two.
    fn home(&self, spread: u64) -> usize {
        ((u128::from(spread) * self.entries.len() as u128) >> 64) as usize
    }

    fn after(&self, place: usize) -> usize {
        if place + 1 == self.entries.len() {
            0
        } else {
            place + 1
        }
    }

    /// The key's entry, or the free one where it belongs. There is always a free one.
    fn find(&self, key: u64, spread: u64) -> usize {
        let mut place = self.home(spread);
        while self.entries[place].workers != 0 && self.entries[place].key != key {
            place = self.after(place);
        }
        place
    }

    fn make_room(&mut self) {
        // Beyond four fifths, probes grow long.
        if self.used * 5 >= self.entries.len() * 4 {
            // Half more, not double: an entry takes at most 16 / 0.53 = 30 bytes.
            let capacity = (self.entries.len() + self.entries.len() / 2).max(MIN_CAPACITY);
            self.rebuild(capacity, u64::MAX);
        }
    }

    fn rebuild(&mut self, capacity: usize, keep: u64) {
        let old = std::mem::replace(&mut self.entries, vec![Entry::default(); capacity]);
        self.used = 0;
        for entry in old {
            let workers = entry.workers & keep;
            if workers != 0 {
                let place = self.find(entry.key, spread(entry.key));
                self.entries[place] = Entry {
                    key: entry.key,
                    workers,
                };
                self.used += 1;
            }
        }
    }

    /// Moves up what a freed entry would cut off from its home (Knuth, volume 3, algorithm 6.4R).
    fn close_gap(&mut self, freed: usize) {
        self.used -= 1;
        let mut gap = freed;
        let mut place = self.after(gap);
        while self.entries[place].workers != 0 {
            let home = self.home(spread(self.entries[place].key));
            let stays = if gap <= place {
                gap < home && home <= place
            } else {
                gap < home || home <= place
            };
            if !stays {
                self.entries[gap] = self.entries[place];
                gap = place;
            }
            place = self.after(place);
        }
        self.entries[gap] = Entry::default();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn random(state: &mut u64) -> u64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *state >> 11
    }

    #[test]
    fn it_agrees_with_a_map_over_random_insertions_and_removals() {
        let (mut table, mut model) = (Table::default(), HashMap::<u64, u64>::new());
        let mut state = 1;
        for step in 0..200_000 {
            // Few keys, so that chains of probes form and close.
            let key = random(&mut state) % 3_000;
            let workers = 1 << (random(&mut state) % 4);
            let before = model.get(&key).copied().unwrap_or(0);
            if random(&mut state).is_multiple_of(2) {
                assert_eq!(table.insert(key, workers), before, "step {step}");
                model.insert(key, before | workers);
            } else {
                assert_eq!(table.remove(key, workers), before, "step {step}");
                model.insert(key, before & !workers);
            }
            if step % 20_000 == 0 {
                (0..SHARDS).for_each(|shard| assert!(table.sweep(shard, 1)));
                model.values_mut().for_each(|workers| *workers &= !1);
            }
        }
        model.retain(|_, workers| *workers != 0);
        assert_eq!(table.len(), model.len());
        (0..3_000).for_each(|key| {
            assert_eq!(table.get(key), model.get(&key).copied().unwrap_or(0));
        });
        assert!(!table.sweep(SHARDS, 1));
    }

    #[test]
    fn an_entry_takes_at_most_forty_bytes_once_there_are_many() {
        let mut table = Table::default();
        for key in 0..200_000_u64 {
            table.insert(key, 1);
            if table.len() > 4_096 {
                assert!(table.bytes() <= 40 * table.len(), "{key}");
            }
        }
    }
}
