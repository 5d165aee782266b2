//! A chain over the text of a prompt, for routers that have no tokenizer at hand.

use xxhash_rust::xxh64::xxh64;

/// The chained 64-bit hashes of all full blocks of `block_bytes` bytes of `text`; `seed` separates
/// tenants and models. A hint for routing inside one tenant: it may collide, so it is never an
/// identity. Zero `block_bytes` makes no blocks.
#[must_use]
pub fn text_chain(text: &[u8], block_bytes: usize, seed: u64) -> Vec<u64> {
    if block_bytes == 0 {
        return Vec::new();
    }
    text.chunks_exact(block_bytes)
        .scan(seed, |parent, block| {
            *parent = xxh64(block, *parent);
            Some(*parent)
        })
        .collect()
}
