//! vLLM's block-hash chain, as version 0.32 computes it.

use crate::block_hash::{Algorithm, BlockHash};
use crate::encode::Cbor;

/// Tokens in a block where nothing else is said: vLLM's own default.
pub const DEFAULT_BLOCK_SIZE: usize = 16;

/// What the chain starts from when the engine runs without `PYTHONHASHSEED` (vLLM 0.32).
pub const UNSEEDED_ROOT_TEXT: &str = "vllm-none-hash";

/// A LoRA adapter of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lora {
    /// The adapter's name.
    pub name: String,
    /// Where the engine loaded it from.
    pub path: String,
}

/// A multimodal item whose placeholder tokens lie in the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultimodalItem {
    /// The engine's identifier of the content (a hash in hex).
    pub identifier: String,
    /// First placeholder token, counted from the start of the prompt.
    pub offset: usize,
    /// Number of placeholder tokens.
    pub length: usize,
}

/// Everything but the tokens that a prompt's chain depends on.
///
/// The default is an engine with block size 16, `sha256_cbor`, no `PYTHONHASHSEED`, and a request
/// without adapter, salt or media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainSpec {
    /// The engine's hash algorithm. Default: `sha256_cbor`.
    pub algorithm: Algorithm,
    /// Tokens in a block. Default: 16. Zero makes no blocks.
    pub block_size: usize,
    /// The engine's `PYTHONHASHSEED`. Default: unset.
    pub seed: Option<String>,
    /// The request's adapter. It enters every block.
    pub lora: Option<Lora>,
    /// The request's `cache_salt`. It enters the first block, and through it all others.
    pub cache_salt: Option<String>,
    /// The request's media, by rising offset. Each enters the blocks that it overlaps.
    pub mm: Vec<MultimodalItem>,
}

impl Default for ChainSpec {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            block_size: DEFAULT_BLOCK_SIZE,
            seed: None,
            lora: None,
            cache_salt: None,
            mm: Vec::new(),
        }
    }
}

impl ChainSpec {
    /// What the first block's hash is chained to.
    #[must_use]
    pub fn root(&self) -> BlockHash {
        let mut cbor = Cbor::default();
        cbor.text(self.seed.as_deref().unwrap_or(UNSEEDED_ROOT_TEXT));
        self.algorithm.hash(cbor.as_bytes())
    }

    /// The hashes of all full blocks of `tokens`; a trailing partial block has none.
    #[must_use]
    pub fn chain(&self, tokens: &[u32]) -> Vec<BlockHash> {
        let mut chain = Vec::new();
        self.extend(&mut chain, tokens);
        chain
    }

    /// Adds to `chain`, which names the leading blocks of `tokens`, the hashes of the full blocks
    /// that it does not name yet. Use it while a sequence grows.
    pub fn extend(&self, chain: &mut Vec<BlockHash>, tokens: &[u32]) {
        if self.block_size == 0 {
            return;
        }
        let mut parent = chain.last().copied().unwrap_or_else(|| self.root());
        let mut cbor = Cbor::default();
        for (index, block) in tokens
            .chunks_exact(self.block_size)
            .enumerate()
            .skip(chain.len())
        {
            cbor.clear();
            self.encode_block(&mut cbor, parent, index * self.block_size, block);
            parent = self.algorithm.hash(cbor.as_bytes());
            chain.push(parent);
        }
    }

    fn encode_block(&self, cbor: &mut Cbor, parent: BlockHash, start: usize, tokens: &[u32]) {
        cbor.array(3);
        cbor.bytes(parent.as_bytes());
        cbor.array(tokens.len());
        for token in tokens {
            cbor.unsigned(u64::from(*token));
        }
        self.encode_extra_keys(cbor, start, start + tokens.len());
    }

    fn encode_extra_keys(&self, cbor: &mut Cbor, start: usize, end: usize) {
        let overlapping = || {
            self.mm.iter().filter(move |item| {
                item.offset < end && item.offset.saturating_add(item.length) > start
            })
        };
        let salt = self.cache_salt.as_deref().filter(|_| start == 0);
        let keys =
            usize::from(self.lora.is_some()) + overlapping().count() + usize::from(salt.is_some());
        if keys == 0 {
            return cbor.null();
        }
        cbor.array(keys);
        if let Some(lora) = &self.lora {
            cbor.array(3);
            cbor.text("lora");
            cbor.text(&lora.name);
            cbor.text(&lora.path);
        }
        for item in overlapping() {
            cbor.array(3);
            cbor.text("mm");
            cbor.text(&item.identifier);
            cbor.signed(item.offset as i64 - start as i64);
        }
        if let Some(salt) = salt {
            cbor.array(2);
            cbor.text("cache_salt");
            cbor.text(salt);
        }
    }
}
