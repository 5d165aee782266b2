//! The fast chain that routing compares: XXH3 over each block, rolled over the chain.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The chained 64-bit keys of all full blocks of `tokens`; `scope` separates what must never match:
/// tenants, models, adapters, salts. Derive it from a keyed hash.
///
/// A hint for routing: it may collide, so it never decides what content is reused. Zero
/// `block_size` makes no blocks.
#[must_use]
pub fn route_chain(tokens: &[u32], block_size: usize, scope: u64) -> Vec<u64> {
    let mut chain = Vec::new();
    extend_route_chain(&mut chain, tokens, block_size, scope);
    chain
}

/// Adds to `chain`, which holds the keys of the leading blocks of `tokens`, the keys of the full
/// blocks that it does not hold yet.
pub fn extend_route_chain(chain: &mut Vec<u64>, tokens: &[u32], block_size: usize, scope: u64) {
    if block_size == 0 {
        return;
    }
    let mut parent = chain.last().copied().unwrap_or(scope);
    let blocks = tokens.chunks_exact(block_size);
    chain.reserve(blocks.len().saturating_sub(chain.len()));
    for block in blocks.skip(chain.len()) {
        parent = route_block(parent, block, scope);
        chain.push(parent);
    }
}

/// The key of one block after the block with key `parent`; the first block's parent is `scope`.
#[must_use]
pub fn route_block(parent: u64, tokens: &[u32], scope: u64) -> u64 {
    // Blocks of up to 64 tokens, all common ones, are hashed without an allocation.
    let mut small = [0; 256];
    let local = if let Some(bytes) = small.get_mut(..tokens.len() * 4) {
        for (bytes, token) in bytes.chunks_exact_mut(4).zip(tokens) {
            bytes.copy_from_slice(&token.to_le_bytes());
        }
        xxh3_64_with_seed(bytes, scope)
    } else {
        let bytes: Vec<u8> = tokens
            .iter()
            .flat_map(|token| token.to_le_bytes())
            .collect();
        xxh3_64_with_seed(&bytes, scope)
    };
    let mut pair = [0; 16];
    pair[..8].copy_from_slice(&parent.to_le_bytes());
    pair[8..].copy_from_slice(&local.to_le_bytes());
    xxh3_64(&pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_agree_up_to_the_first_difference_and_never_after() {
        let one: Vec<u32> = (0..64).collect();
        let mut other = one.clone();
        other[20] = 999;
        let (one, other) = (route_chain(&one, 8, 1), route_chain(&other, 8, 1));
        assert_eq!(one[..2], other[..2]);
        assert!(one[2..].iter().zip(&other[2..]).all(|(a, b)| a != b));
    }

    #[test]
    fn a_chain_grown_in_steps_equals_the_chain_made_at_once() {
        let tokens: Vec<u32> = (0..100).collect();
        let mut grown = Vec::new();
        for end in 0..=tokens.len() {
            extend_route_chain(&mut grown, &tokens[..end], 8, 3);
        }
        assert_eq!(grown, route_chain(&tokens, 8, 3));
        assert!(route_chain(&tokens, 0, 3).is_empty());
    }

    #[test]
    fn scopes_share_no_key_in_a_million_random_pairs() {
        // The same tokens under two scopes, block by block. A 64-bit key collides by chance once in
        // 3 * 10^13 such runs.
        let mut state = 7_u64;
        let mut tokens = vec![0_u32; 4_000];
        let mut pairs = 0;
        while pairs < 1_000_000 {
            for token in &mut tokens {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *token = (state >> 40) as u32;
            }
            let one = route_chain(&tokens, 4, state);
            let other = route_chain(&tokens, 4, state ^ 1);
            assert!(one.iter().zip(&other).all(|(a, b)| a != b));
            pairs += one.len();
        }
    }
}
