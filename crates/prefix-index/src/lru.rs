//! The blocks that an engine without events probably still holds: those used last.

use std::collections::HashMap;

use crate::hasher::BuildKeyHasher;

const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Node {
    key: u64,
    newer: u32,
    older: u32,
}

/// The keys used last, at most `capacity` of them. 28 bytes a key.
#[derive(Debug)]
pub(crate) struct Lru {
    capacity: usize,
    places: HashMap<u64, u32, BuildKeyHasher>,
    nodes: Vec<Node>,
    newest: u32,
    oldest: u32,
}

impl Lru {
    /// `capacity` is at least 1 and at most 2^32 - 2.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.clamp(1, NONE as usize - 1),
            places: HashMap::default(),
            nodes: Vec::new(),
            newest: NONE,
            oldest: NONE,
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes room for so many keys. Returns whether those that it has still fit; if not, nothing
    /// changes.
    pub(crate) fn set_capacity(&mut self, capacity: usize) -> bool {
        let capacity = capacity.clamp(1, NONE as usize - 1);
        let fits = self.nodes.len() <= capacity;
        if fits {
            self.capacity = capacity;
        }
        fits
    }

    /// Makes a key the newest. If it is new and there was no room for it, gives the key that left.
    pub(crate) fn touch(&mut self, key: u64) -> Option<u64> {
        if let Some(&place) = self.places.get(&key) {
            self.unlink(place);
            self.link(place);
            return None;
        }
        if self.nodes.len() < self.capacity {
            let place = self.nodes.len() as u32;
            self.nodes.push(Node {
                key,
                newer: NONE,
                older: NONE,
            });
            self.places.insert(key, place);
            self.link(place);
            return None;
        }
        let place = self.oldest;
        let left = self.nodes[place as usize].key;
        self.unlink(place);
        self.places.remove(&left);
        self.nodes[place as usize].key = key;
        self.places.insert(key, place);
        self.link(place);
        Some(left)
    }

    fn unlink(&mut self, place: u32) {
        let Node { newer, older, .. } = self.nodes[place as usize];
        match self.nodes.get_mut(newer as usize) {
            Some(node) => node.older = older,
            None => self.newest = older,
        }
        match self.nodes.get_mut(older as usize) {
            Some(node) => node.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link(&mut self, place: u32) {
        let older = self.newest;
        let node = &mut self.nodes[place as usize];
        (node.newer, node.older) = (NONE, older);
        match self.nodes.get_mut(older as usize) {
            Some(node) => node.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_used_longest_ago_leaves_first() {
        let mut lru = Lru::new(3);
        for key in [1, 2, 3] {
            assert_eq!(lru.touch(key), None);
        }
        assert_eq!(lru.touch(1), None);
        assert_eq!(lru.touch(4), Some(2));
        assert_eq!(lru.touch(5), Some(3));
        assert_eq!(lru.touch(6), Some(1));
        assert_eq!(lru.nodes.len(), 3);
        let mut keys: Vec<u64> = lru.nodes.iter().map(|node| node.key).collect();
        keys.sort_unstable();
        assert_eq!(keys, [4, 5, 6]);
    }

    #[test]
    fn a_capacity_of_one_holds_the_last_key() {
        let mut lru = Lru::new(0);
        assert_eq!(lru.touch(1), None);
        assert_eq!(lru.touch(1), None);
        assert_eq!(lru.touch(2), Some(1));
        assert_eq!(lru.touch(1), Some(2));
    }
}
