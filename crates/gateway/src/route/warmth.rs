//! Which blocks of prompts an upstream has probably in its prefix cache: those we sent it last.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

use crate::policy::Block;

/// Blocks remembered for each upstream. 16,384 of about 1 KiB of text stand for 16 MiB of
/// prompts, some 4 million tokens: the order of an engine's own cache. About 1 MB here.
const BLOCKS: NonZeroUsize = NonZeroUsize::new(16_384).expect("16,384 is not zero");

/// Recently sent blocks. Hashes are hints: a collision costs a worse choice, never a wrong answer.
#[derive(Debug)]
pub(super) struct Warmth {
    recent: Mutex<LruCache<u64, ()>>,
}

impl Default for Warmth {
    fn default() -> Self {
        // Grows as it fills: an idle upstream costs nothing.
        Self {
            recent: Mutex::new(LruCache::unbounded()),
        }
    }
}

impl Warmth {
    pub(super) fn note(&self, chain: &[Block], tenant: u64) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        for block in chain {
            recent.put(block.hash ^ tenant, ());
            if recent.len() > BLOCKS.get() {
                recent.pop_lru();
            }
        }
    }

    /// Tokens of the prompt's longest known prefix, at 3 bytes a token.
    pub(super) fn tokens(&self, chain: &[Block], tenant: u64) -> u64 {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = chain
            .iter()
            .take_while(|block| recent.contains(&(block.hash ^ tenant)));
        known.last().map_or(0, |block| u64::from(block.end) / 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_known_prefix_of_the_same_tenant_is_warm() {
        let warmth = Warmth::default();
        let chain: Vec<Block> = (1..=4)
            .map(|i| Block {
                hash: i,
                end: u32::try_from(i).unwrap() * 300,
            })
            .collect();
        warmth.note(&chain[..2], 9);
        assert_eq!(warmth.tokens(&chain, 9), 200);
        assert_eq!(warmth.tokens(&chain, 8), 0);
    }
}
