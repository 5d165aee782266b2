//! The name of one block, and the two portable algorithms that make it.

use std::fmt;

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_128;

/// How a block's encoding becomes its hash; the two of vLLM's algorithms that can be recomputed
/// outside Python (the other two hash a pickle).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Algorithm {
    /// SHA-256 over canonical CBOR, 32 bytes: vLLM's `sha256_cbor`. The default.
    #[default]
    Sha256Cbor,
    /// XXH3-128 over canonical CBOR, 16 bytes: vLLM's `xxhash_cbor`. Not collision resistant: never
    /// an identity that crosses a trust boundary.
    XxhashCbor,
}

impl Algorithm {
    /// The algorithm that vLLM's `--prefix-caching-hash-algo` names so.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "sha256_cbor" => Some(Self::Sha256Cbor),
            "xxhash_cbor" => Some(Self::XxhashCbor),
            _ => None,
        }
    }

    /// Hashes one encoded value.
    pub(crate) fn hash(self, encoded: &[u8]) -> BlockHash {
        match self {
            Self::Sha256Cbor => BlockHash::from_parts(&Sha256::digest(encoded)),
            Self::XxhashCbor => BlockHash::from_parts(&xxh3_128(encoded).to_be_bytes()),
        }
    }
}

/// The name of a block: 32 bytes with SHA-256, 16 with XXH3-128.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockHash {
    bytes: [u8; 32],
    len: u8,
}

impl BlockHash {
    fn from_parts(digest: &[u8]) -> Self {
        // Both algorithms give at most 32 bytes; a longer digest would be cut, not overrun.
        let len = digest.len().min(32);
        let mut bytes = [0; 32];
        bytes[..len].copy_from_slice(&digest[..len]);
        Self {
            bytes,
            len: len as u8,
        }
    }

    /// The whole hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The low 64 bits of the hash read as a big-endian number: what vLLM's KV events carry unless
    /// the server is told to send bytes.
    #[must_use]
    pub fn low64(&self) -> u64 {
        self.as_bytes()
            .iter()
            .rev()
            .take(8)
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockHash({self})")
    }
}
