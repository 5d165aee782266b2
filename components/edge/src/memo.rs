//! Decisions that this instance has made before: a byte-identical repeat asks no policy.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use forebay_gateway::memo::Remembered;
use lru::LruCache;

/// How many: at most 10 KiB each, so 2.5 MiB of an instance's 128 MB.
const DECISIONS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// The longest prefix chain that is remembered: 512 blocks of 16 bytes.
const CHAIN: usize = 512;

/// A bounded memo.
#[derive(Debug)]
pub struct Memo(Mutex<LruCache<[u8; 32], Arc<Remembered>>>);

impl Default for Memo {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(DECISIONS)))
    }
}

impl Memo {
    /// A remembered decision.
    pub fn recall(&self, id: &[u8; 32]) -> Option<Arc<Remembered>> {
        let mut memo = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memo.get(id).cloned()
    }

    /// Remembers a decision, unless it is large.
    pub fn remember(&self, id: [u8; 32], decision: Arc<Remembered>) {
        let chain = decision.plan.as_ref().map_or(0, |plan| plan.chain.len());
        if chain <= CHAIN {
            let mut memo = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            memo.put(id, decision);
        }
    }
}
