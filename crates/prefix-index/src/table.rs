//! A hash table from block keys to sets of workers, 24 to 31 bytes a block.
//!
//! Blocks are stored in the order of their insertion, 16 bytes each, so that the blocks of a chain that was inserted
//! together are next to each other in memory. Slots of 8 bytes find a block by its key: open addressing in 64 shards that grow one by one, so that growing neither
//! doubles the memory nor stops lookups for long. Keys are hashes already; a multiplication spreads those that
//! are not.

/// Shards: growth moves at most a 64th of the slots at once.
const SHARDS: usize = 64;

/// Slots of an empty shard, so that a small index stays small.
const MIN_CAPACITY: usize = 8;

/// Entries that are allocated together.
const CHUNK: usize = 1024;

/// Keys that are looked up at once, at most.
pub(crate) const AT_ONCE: usize = 64;

/// Keys whose slots are loaded at once, where blocks are not neighbours; at most.
const APART: usize = 32;

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    key: u64,
    /// The workers that hold the block; an entry without any is free, and its key is the next free one.
    workers: u64,
}

/// The blocks, by their places.
#[derive(Debug, Clone, Default)]
struct Blocks {
    chunks: Vec<Box<[Entry]>>,
    /// Places that were ever taken.
    taken: u32,
    /// The free place that is taken next, and one more; none is 0.
    free: u32,
}

/// No slot, or the upper half of a key's spread bits and a place, from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Slot(u64);

#[derive(Debug, Clone, Default)]
struct Shard {
    slots: Vec<Slot>,
    used: usize,
}

/// Sets of at most 64 workers by block key.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    blocks: Blocks,
    shards: Vec<Shard>,
    used: usize,
    /// The place behind the block that was inserted last, where the next one of its chain is expected.
    next: u32,
}

/// Where a lookup is in the table.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// The place of the next block, if its chain was inserted together.
    next: u32,
    /// How many keys are looked up by their slots together.
    apart: usize,
}

impl Default for Cursor {
    fn default() -> Self {
        Self {
            next: u32::MAX,
            apart: 1,
        }
    }
}

impl Default for Table {
    fn default() -> Self {
        Self {
            blocks: Blocks::default(),
            shards: vec![Shard::default(); SHARDS],
            used: 0,
            next: u32::MAX,
        }
    }
}

/// Spreads keys; block keys are uniform, but a caller's need not be.
fn spread(key: u64) -> u64 {
    // The golden ratio's bits: Knuth's multiplicative hashing.
    let mixed = (key ^ key >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 29
}

impl Blocks {
    /// The block at a place. A place that was never taken has nobody.
    fn at(&self, place: u32) -> Entry {
        let place = place as usize;
        let chunk = self.chunks.get(place / CHUNK);
        chunk.map_or(Entry::default(), |chunk| chunk[place % CHUNK])
    }

    fn set(&mut self, place: u32, entry: Entry) {
        let place = place as usize;
        self.chunks[place / CHUNK][place % CHUNK] = entry;
    }

    /// A free place. What was given back last is taken first: engines evict a chain from its end, and the chain
    /// that takes its room then lies in order.
    fn take(&mut self) -> Option<u32> {
        if let Some(place) = self.free.checked_sub(1) {
            self.free = self.at(place).key as u32;
            return Some(place);
        }
        // Places count from 1 in slots, and one is nowhere.
        let place = self.taken;
        if place >= u32::MAX - 1 {
            return None;
        }
        if place as usize == self.chunks.len() * CHUNK {
            self.chunks.push(vec![Entry::default(); CHUNK].into());
        }
        self.taken += 1;
        Some(place)
    }

    fn give(&mut self, place: u32) {
        let free = Entry {
            key: self.free.into(),
            workers: 0,
        };
        self.set(place, free);
        self.free = place + 1;
    }
}

impl Slot {
    fn new(spread: u64, place: u32) -> Self {
        Self(spread & !u64::from(u32::MAX) | u64::from(place + 1))
    }

    fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// The place, where the slot may be that of a key.
    fn place(self, spread: u64) -> Option<u32> {
        let same = self.0 >> 32 == spread >> 32;
        (self.0 as u32).checked_sub(1).filter(|_| same)
    }
}

impl Table {
    fn shard(spread: u64) -> usize {
        (spread % SHARDS as u64) as usize
    }

    /// The place of a block that somebody holds.
    fn place(&self, key: u64) -> Option<u32> {
        let spread = spread(key);
        let shard = &self.shards[Self::shard(spread)];
        let at = shard.find(key, spread, &self.blocks).ok()?;
        shard.slots[at].place(spread)
    }

    /// The workers that hold a block.
    pub(crate) fn get(&self, key: u64) -> u64 {
        let place = self.place(key);
        place.map_or(0, |place| self.blocks.at(place).workers)
    }

    /// Adds the workers that hold each of these blocks of a chain to `holders`, at most [`AT_ONCE`] of them. One
    /// cursor goes along a whole chain.
    pub(crate) fn get_each(&self, keys: &[u64], holders: &mut [u64], cursor: &mut Cursor) {
        if self.used == 0 {
            return;
        }
        let mut chain = keys.iter().zip(holders);
        let mut done = 0;
        loop {
            // Neighbours first: the processor has loaded them already.
            let began = done;
            while let Some(key) = keys.get(done) {
                let entry = self.blocks.at(cursor.next);
                if entry.workers == 0 || entry.key != *key {
                    break;
                }
                if let Some((_, holders)) = chain.next() {
                    *holders |= entry.workers;
                }
                (cursor.next, done) = (cursor.next + 1, done + 1);
            }
            cursor.apart = match done - began {
                0 => APART.min(2 * cursor.apart),
                _ => 1,
            };
            let apart = &keys[done..keys.len().min(done + cursor.apart)];
            if apart.is_empty() {
                return;
            }
            let places = self.places(apart);
            for place in &places[..apart.len()] {
                let workers = place.map_or(0, |(_, workers)| workers);
                if let Some((_, holders)) = chain.next() {
                    *holders |= workers;
                }
            }
            done += apart.len();
            let last = places[apart.len() - 1];
            cursor.next = last.map_or(u32::MAX, |(place, _)| place + 1);
        }
    }

    /// The places of blocks, and their workers. A large table is not in the processor's caches: the slots where the
    /// searches begin are loaded first, then the blocks. These loads don't wait for each other, as one search
    /// after the other would.
    fn places(&self, keys: &[u64]) -> [Option<(u32, u64)>; APART] {
        let mut slots = [(0, Slot::default()); APART];
        for (slot, key) in slots.iter_mut().zip(keys) {
            let spread = spread(*key);
            let shard = &self.shards[Self::shard(spread)];
            let home = shard.slots.get(shard.home(spread));
            *slot = (spread, home.copied().unwrap_or_default());
        }
        let mut entries = [(0, Entry::default()); APART];
        for (entry, (spread, slot)) in entries.iter_mut().zip(&slots).take(keys.len()) {
            if let Some(place) = slot.place(*spread) {
                *entry = (place, self.blocks.at(place));
            }
        }
        let mut places = [None; APART];
        for (at, key) in keys.iter().enumerate() {
            let ((_, slot), (place, entry)) = (slots[at], entries[at]);
            // Nearly all keys are in their home slot, or unknown.
            places[at] = if slot.is_empty() {
                None
            } else if entry.workers != 0 && entry.key == *key {
                Some((place, entry.workers))
            } else {
                let place = self.place(*key);
                place.map(|place| (place, self.blocks.at(place).workers))
            };
        }
        places
    }

    /// Adds workers to a block; gives those that held it before.
    pub(crate) fn insert(&mut self, key: u64, workers: u64) -> u64 {
        if workers == 0 {
            return self.get(key);
        }
        let expected = self.blocks.at(self.next);
        let place = match expected.workers != 0 && expected.key == key {
            true => self.next,
            false => {
                let spread = spread(key);
                let shard = &mut self.shards[Self::shard(spread)];
                shard.make_room();
                match shard.find(key, spread, &self.blocks) {
                    Ok(at) => match shard.slots[at].place(spread) {
                        Some(place) => place,
                        None => return 0,
                    },
                    Err(at) => {
                        // Four billion blocks are known: one more would be forgotten anyway.
                        let Some(place) = self.blocks.take() else {
                            return 0;
                        };
                        shard.slots[at] = Slot::new(spread, place);
                        shard.used += 1;
                        self.used += 1;
                        self.blocks.set(place, Entry { key, workers });
                        self.next = place + 1;
                        return 0;
                    }
                }
            }
        };
        let before = self.blocks.at(place).workers;
        let workers = before | workers;
        self.blocks.set(place, Entry { key, workers });
        self.next = place + 1;
        before
    }

    /// Takes workers from a block; gives those that held it before.
    pub(crate) fn remove(&mut self, key: u64, workers: u64) -> u64 {
        let Some(place) = self.place(key) else {
            return 0;
        };
        let before = self.blocks.at(place).workers;
        if before & workers != 0 {
            self.keep(place, key, before & !workers);
        }
        before
    }

    /// A block is held by these workers from now on.
    fn keep(&mut self, place: u32, key: u64, workers: u64) {
        if workers != 0 {
            self.blocks.set(place, Entry { key, workers });
            return;
        }
        let spread = spread(key);
        let shard = &mut self.shards[Self::shard(spread)];
        if let Ok(at) = shard.find(key, spread, &self.blocks) {
            shard.close_gap(at);
            self.used -= 1;
        }
        self.blocks.give(place);
    }

    /// Takes workers from every block of one part of the table; false past the last part.
    pub(crate) fn sweep(&mut self, part: usize, workers: u64) -> bool {
        if part >= self.blocks.chunks.len() {
            return false;
        }
        // From the end, so that free places are taken in ascending order.
        for at in (0..CHUNK).rev() {
            let entry = self.blocks.chunks[part][at];
            if entry.workers & workers != 0 {
                let place = (part * CHUNK + at) as u32;
                self.keep(place, entry.key, entry.workers & !workers);
            }
        }
        true
    }

    /// Blocks that some worker holds.
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// Bytes that blocks and slots take.
    pub(crate) fn bytes(&self) -> usize {
        let slots: usize = self.shards.iter().map(|shard| shard.slots.capacity()).sum();
        slots * size_of::<Slot>() + self.blocks.chunks.len() * CHUNK * size_of::<Entry>()
    }
}

impl Shard {
    /// Where a key's search begins: its share of the capacity, which need not be a power of two. Only the half of
    /// the bits counts that a slot keeps.
    fn home(&self, spread: u64) -> usize {
        ((u128::from(spread >> 32) * self.slots.len() as u128) >> 32) as usize
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() {
            0
        } else {
            at + 1
        }
    }

    /// The key's slot, or else the empty one where it belongs. There is always an empty one, but in an empty shard.
    fn find(&self, key: u64, spread: u64, blocks: &Blocks) -> Result<usize, usize> {
        if self.slots.is_empty() {
            return Err(0);
        }
        let mut at = self.home(spread);
        while !self.slots[at].is_empty() {
            let place = self.slots[at].place(spread);
            if place.is_some_and(|place| blocks.at(place).key == key) {
                return Ok(at);
            }
            at = self.after(at);
        }
        Err(at)
    }

    fn make_room(&mut self) {
        // Beyond four fifths, probes grow long.
        if self.used * 5 >= self.slots.len() * 4 {
            // Half more, not double: a slot takes at most 8 / 0.53 = 15 bytes.
            let capacity = (self.slots.len() + self.slots.len() / 2).max(MIN_CAPACITY);
            let old = std::mem::replace(&mut self.slots, vec![Slot::default(); capacity]);
            for slot in old.into_iter().filter(|slot| !slot.is_empty()) {
                let mut at = self.home(slot.0);
                while !self.slots[at].is_empty() {
                    at = self.after(at);
                }
                self.slots[at] = slot;
            }
        }
    }

    /// Moves up what a freed slot would cut off from its home (Knuth, volume 3, algorithm 6.4R).
    fn close_gap(&mut self, freed: usize) {
        self.used -= 1;
        let mut gap = freed;
        let mut at = self.after(gap);
        while !self.slots[at].is_empty() {
            let home = self.home(self.slots[at].0);
            let stays = if gap <= at {
                gap < home && home <= at
            } else {
                gap < home || home <= at
            };
            if !stays {
                self.slots[gap] = self.slots[at];
                gap = at;
            }
            at = self.after(at);
        }
        self.slots[gap] = Slot::default();
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
                let mut part = 0;
                while table.sweep(part, 1) {
                    part += 1;
                }
                model.values_mut().for_each(|workers| *workers &= !1);
            }
        }
        model.retain(|_, workers| *workers != 0);
        assert_eq!(table.len(), model.len());
        let keys: Vec<u64> = (0..3_000).collect();
        let mut cursor = Cursor::default();
        for keys in keys.chunks(AT_ONCE - 1) {
            let mut holders = vec![0; keys.len()];
            table.get_each(keys, &mut holders, &mut cursor);
            for (key, holders) in keys.iter().zip(holders) {
                let known = model.get(key).copied().unwrap_or(0);
                assert_eq!((table.get(*key), holders), (known, known), "{key}");
            }
        }
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

    /// Engines evict a chain from its end, and what comes next takes its room.
    #[test]
    fn a_chain_in_the_room_of_another_lies_in_order() {
        let mut table = Table::default();
        for key in 0..2_000 {
            table.insert(key, 1);
        }
        for key in (0..2_000).rev() {
            table.remove(key, 1);
        }
        for key in 5_000..7_000 {
            table.insert(key, 2);
        }
        assert_eq!(table.blocks.taken, 2_000);
        let places: Vec<_> = (5_000..7_000).map(|key| table.place(key)).collect();
        assert_eq!(places, (0..2_000).map(Some).collect::<Vec<_>>());
        assert!(table.sweep(0, 2));
        assert_eq!(table.len(), 2_000 - CHUNK);
        for key in 9_000..9_900 {
            table.insert(key, 4);
        }
        let first = table.place(9_000).unwrap();
        assert_eq!(table.place(9_899), Some(first + 899));
    }
}
