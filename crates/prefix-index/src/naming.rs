//! How the index names blocks, so that a prompt's chain and an engine's events meet.

use forebay_prefix::{ChainSpec, Lora, route_block};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The names that an index uses for blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Naming {
    /// The engine's own hashes, recomputed bit for bit: its algorithm, seed and block size are known.
    /// Events need no translation, and a block whose parent was never seen is still usable.
    Engine(ChainSpec),
    /// A chain of our own over the tokens in the events: works with every engine and every hash.
    Routed {
        /// Tokens in a block.
        block_size: usize,
        /// Separates indexes. Derive it from a secret.
        scope: u64,
    },
}

/// What names a prompt's blocks beside its tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptKeys {
    /// The adapter.
    pub lora: Option<Lora>,
    /// The request's `cache_salt`.
    pub cache_salt: Option<String>,
    /// Leading blocks that the salt leaves out.
    pub public_blocks: usize,
}

impl Naming {
    /// Tokens in a block.
    #[must_use]
    pub fn block_size(&self) -> usize {
        match self {
            Self::Engine(spec) => spec.block_size,
            Self::Routed { block_size, .. } => *block_size,
        }
    }

    /// The names of a prompt's full blocks.
    #[must_use]
    pub fn chain(&self, tokens: &[u32], keys: &PromptKeys) -> Vec<u64> {
        match self {
            Self::Engine(spec) => {
                let spec = ChainSpec {
                    lora: keys.lora.clone(),
                    cache_salt: keys.cache_salt.clone(),
                    public_blocks: keys.public_blocks,
                    ..spec.clone()
                };
                let chain = spec.chain(tokens);
                chain.iter().map(forebay_prefix::BlockHash::low64).collect()
            }
            Self::Routed { block_size: 0, .. } => Vec::new(),
            Self::Routed { block_size, scope } => {
                let lora = keys.lora.as_ref().map(|lora| lora.name.as_str());
                let mut parent = *scope;
                let blocks = tokens.chunks_exact(*block_size).enumerate();
                blocks
                    .map(|(index, block)| {
                        let salt = keys.cache_salt.as_deref();
                        let salt = salt.filter(|_| index == keys.public_blocks);
                        parent = routed_block(parent, block, *scope, lora, salt.as_slice());
                        parent
                    })
                    .collect()
            }
        }
    }
}

/// One block's name in a chain of our own.
pub(crate) fn routed_block<S: AsRef<str>>(
    parent: u64,
    tokens: &[u32],
    scope: u64,
    lora: Option<&str>,
    extra: &[S],
) -> u64 {
    let mut name = route_block(parent, tokens, scope);
    if let Some(lora) = lora {
        name = xxh3_64_with_seed(lora.as_bytes(), name);
    }
    for key in extra {
        // Engines repeat the adapter's name among the extra keys.
        if Some(key.as_ref()) != lora {
            name = xxh3_64_with_seed(key.as_ref().as_bytes(), name ^ 1);
        }
    }
    name
}
