//! Deterministic draws: the same prompt, seed and choice always give the same answer.

use sha2::{Digest, Sha256};

/// A stream of numbers seeded by SHA-256; SplitMix64 from there on.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Seeds from the prompt's tokens, the request's `seed` and the number of the choice.
    pub(crate) fn new(prompt: &[u32], seed: i64, choice: usize) -> Self {
        let mut hash = Sha256::new();
        for token in prompt {
            hash.update(token.to_le_bytes());
        }
        hash.update(seed.to_le_bytes());
        hash.update((choice as u64).to_le_bytes());
        let digest = hash.finalize();
        let head = digest.iter().take(8);
        Self(head.fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// A number below `bound`; 0 if the bound is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        mixed.checked_rem(bound as u64).unwrap_or(0) as usize
    }

    /// 16 hex digits, for the ids of an answer.
    pub(crate) fn hex(&mut self) -> String {
        let high = self.below(1 << 32);
        let low = self.below(1 << 32);
        format!("{high:08x}{low:08x}")
    }
}
