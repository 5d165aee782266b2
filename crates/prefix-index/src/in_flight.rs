//! What the requests in flight begin with.

use std::collections::HashMap;

use crate::hasher::BuildKeyHasher;

/// Counts the requests in flight by the blocks that they begin with: how many would use a copy of a
/// prefix now. As large as the chains of the requests in flight.
#[derive(Debug, Default)]
pub struct InFlight {
    counts: HashMap<u64, u32, BuildKeyHasher>,
}

impl InFlight {
    /// A request with this chain is sent. [`Self::ended`] has to follow, with the same chain.
    pub fn sent(&mut self, chain: &[u64]) {
        for key in chain {
            let count = self.counts.entry(*key).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// A request with this chain has ended.
    pub fn ended(&mut self, chain: &[u64]) {
        for key in chain {
            if let Some(count) = self.counts.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(key);
                }
            }
        }
    }

    /// How many begin with so many blocks of a chain; none begins with no block.
    #[must_use]
    pub fn sharing(&self, chain: &[u64], blocks: usize) -> u32 {
        let last = blocks.checked_sub(1).and_then(|last| chain.get(last));
        last.and_then(|key| self.counts.get(key))
            .copied()
            .unwrap_or(0)
    }

    /// Blocks that are counted.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.counts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_count_for_every_block_that_they_begin_with_until_they_end() {
        let mut in_flight = InFlight::default();
        let (short, long, other): ([u64; 2], [u64; 4], [u64; 3]) =
            ([10, 20], [10, 20, 30, 40], [10, 21, 31]);
        in_flight.sent(&short);
        in_flight.sent(&long);
        in_flight.sent(&other);
        let of = |in_flight: &InFlight| {
            [0, 1, 2, 3, 4, 5].map(|blocks| in_flight.sharing(&long, blocks))
        };
        assert_eq!(of(&in_flight), [0, 3, 2, 1, 1, 0]);
        in_flight.ended(&short);
        assert_eq!(of(&in_flight), [0, 2, 1, 1, 1, 0]);
        in_flight.ended(&long);
        in_flight.ended(&other);
        assert_eq!(in_flight.blocks(), 0);
        // One that was never sent changes nothing.
        in_flight.ended(&long);
        assert_eq!(of(&in_flight), [0; 6]);
    }
}
