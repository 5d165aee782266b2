//! SGLang's radix page keys: the names of pages in its KV events.

use sha2::{Digest, Sha256};

/// The name of one page: SHA-256 over the name of the page before it and this page's tokens.
pub type PageHash = [u8; 32];

/// Adds to `chain`, which names the leading pages of `tokens`, the names of the full pages that it
/// does not name yet. The first page has nothing before it. A `page_size` of zero makes no pages.
///
/// Unlike vLLM, SGLang keeps adapters and salts out of the name: they select a tree of their own
/// inside the engine, which its events do not tell.
pub fn extend_page_chain(chain: &mut Vec<PageHash>, tokens: &[u32], page_size: usize) {
    if page_size == 0 {
        return;
    }
    let mut parent = chain.last().copied();
    for page in tokens.chunks_exact(page_size).skip(chain.len()) {
        let mut hasher = Sha256::new();
        if let Some(parent) = &parent {
            hasher.update(parent);
        }
        for token in page {
            hasher.update(token.to_le_bytes());
        }
        let name: PageHash = hasher.finalize().into();
        chain.push(name);
        parent = Some(name);
    }
}

/// The names of all full pages of `tokens`.
#[must_use]
pub fn page_chain(tokens: &[u32], page_size: usize) -> Vec<PageHash> {
    let mut chain = Vec::new();
    extend_page_chain(&mut chain, tokens, page_size);
    chain
}

/// The form of a page's name in KV events: its first eight bytes as a signed big-endian number.
#[must_use]
pub fn page_event_id(name: &PageHash) -> i64 {
    name.iter()
        .take(8)
        .fold(0_i64, |sum, byte| sum << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(name: &PageHash) -> String {
        name.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn pages_have_the_names_that_sha256_over_little_endian_tokens_gives() {
        // printf '\1\0\0\0\2\0\0\0' | sha256sum; then that digest and tokens 3 and 70000.
        let chain = page_chain(&[1, 2, 3, 70_000, 9], 2);
        assert_eq!(chain.len(), 2);
        assert_eq!(hex(&chain[0]), FIRST);
        assert_eq!(hex(&chain[1]), SECOND);
        assert_eq!(page_event_id(&chain[0]), FIRST_ID);
        assert_eq!(page_event_id(&chain[1]), SECOND_ID);
    }

    #[test]
    fn a_chain_grown_in_steps_equals_the_chain_made_at_once() {
        let tokens: Vec<u32> = (0..50).collect();
        let mut grown = Vec::new();
        for end in 0..=tokens.len() {
            extend_page_chain(&mut grown, &tokens[..end], 4);
        }
        assert_eq!(grown, page_chain(&tokens, 4));
        assert!(page_chain(&tokens, 0).is_empty());
    }

    const FIRST: &str = "34fb5c825de7ca4aea6e712f19d439c1da0c92c37b423936c5f618545ca4fa1f";
    const SECOND: &str = "15a3730b45d565068daad20594e78d98ca68f0733412eb583cd88f7bea4e22e2";
    const FIRST_ID: i64 = 3_817_746_824_117_602_890;
    const SECOND_ID: i64 = 1_559_216_388_253_771_014;
}
