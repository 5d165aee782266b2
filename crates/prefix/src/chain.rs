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
    /// The request's `cache_salt`. It enters one block, and through it all later ones.
    pub cache_salt: Option<String>,
    /// Leading blocks that the salt leaves out, so that salts share them: a public system prompt.
    /// Default: 0, as in vLLM, which salts the first block. More is for engines that take
    /// `shared_prefix_tokens`.
    pub public_blocks: usize,
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
            public_blocks: 0,
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
    /// that it does not name yet. Use it while a sequence grows, and for the next turn of a
    /// conversation: only new blocks are hashed.
    pub fn extend(&self, chain: &mut Vec<BlockHash>, tokens: &[u32]) {
        if self.block_size == 0 {
            return;
        }
        let mut parent = chain.last().copied().unwrap_or_else(|| self.root());
        let mut cbor = Cbor::default();
        let mut media = Media::new(&self.mm);
        let blocks = tokens.chunks_exact(self.block_size);
        chain.reserve(blocks.len().saturating_sub(chain.len()));
        for (index, block) in blocks.enumerate().skip(chain.len()) {
            cbor.clear();
            cbor.array(3);
            cbor.bytes(parent.as_bytes());
            cbor.tokens(block);
            let start = index * self.block_size;
            let items = media.overlapping(start, start + self.block_size);
            self.encode_extra_keys(&mut cbor, index, start, items);
            parent = self.algorithm.hash(cbor.as_bytes());
            chain.push(parent);
        }
    }

    fn encode_extra_keys(
        &self,
        cbor: &mut Cbor,
        index: usize,
        start: usize,
        items: &[MultimodalItem],
    ) {
        let salt = self
            .cache_salt
            .as_deref()
            .filter(|_| index == self.public_blocks);
        let keys = usize::from(self.lora.is_some()) + items.len() + usize::from(salt.is_some());
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
        for item in items {
            cbor.array(3);
            cbor.text("mm");
            cbor.text(&item.identifier);
            // An item that overlaps the block starts before the block's end.
            cbor.signed(item.offset as i64 - start as i64);
        }
        if let Some(salt) = salt {
            cbor.array(2);
            cbor.text("cache_salt");
            cbor.text(salt);
        }
    }
}

/// A prompt's media beside its blocks, both walked once. Items lie one after another, as
/// placeholders in a prompt do.
struct Media<'a> {
    left: &'a [MultimodalItem],
}

impl<'a> Media<'a> {
    fn new(items: &'a [MultimodalItem]) -> Self {
        Self { left: items }
    }

    /// The items of the block from token `start` to before token `end`; blocks must rise.
    fn overlapping(&mut self, start: usize, end: usize) -> &'a [MultimodalItem] {
        let passed = self
            .left
            .iter()
            .take_while(|item| item.offset.saturating_add(item.length) <= start)
            .count();
        self.left = &self.left[passed..];
        let count = self
            .left
            .iter()
            .take_while(|item| item.offset < end)
            .count();
        &self.left[..count]
    }
}
