//! Signatures that were used. Signature Version 4 has no nonce: whoever reads a signed request on its way
//! could send it again, as it is, for as long as its date is accepted.

use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use lru::LruCache;
use sha2::{Digest as _, Sha256};

/// A signature's date has whole seconds, so equal requests of one moment have equal signatures. Those are
/// let in, and so is what a client's transport repeats at once.
const MOMENT: Duration = Duration::from_secs(3);
/// Signatures that are remembered: those of ten minutes at two hundred requests a second. 10 MiB.
const KEPT: NonZeroUsize = NonZeroUsize::new(131_072).expect("131,072 is not zero");

/// Signatures with the time of their first use.
#[derive(Debug)]
pub(super) struct Used(Mutex<LruCache<[u8; 16], SystemTime>>);

impl Used {
    /// Those of this process. They outlive reloads: a reload must not let an old signature in.
    pub(super) fn of_process() -> Arc<Self> {
        static USED: LazyLock<Arc<Used>> = LazyLock::new(|| Arc::new(Used::new(KEPT)));
        USED.clone()
    }

    fn new(kept: NonZeroUsize) -> Self {
        // It grows as needed; `is_fresh` bounds it.
        let mut used = LruCache::unbounded();
        used.resize(kept);
        Self(Mutex::new(used))
    }

    /// Whether a signature that was just verified comes for the first time, as far as is remembered.
    pub(super) fn is_fresh(&self, access_key: &str, signature: &str, now: SystemTime) -> bool {
        let mut digest = Sha256::new();
        digest.update(access_key.as_bytes());
        digest.update([0]);
        digest.update(signature.as_bytes());
        let digest: [u8; 32] = digest.finalize().into();
        let mut name = [0; 16];
        name.copy_from_slice(&digest[..16]);
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at only: a signature that is sent again and again is forgotten with its time.
        let first = *used.peek(&name).unwrap_or(&now);
        if first == now {
            used.put(name, now);
        }
        // A clock that was set back makes nothing old.
        now.duration_since(first).unwrap_or_default() <= MOMENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_000 + millis)
    }

    #[test]
    fn a_signature_is_good_for_a_moment_from_its_first_use() {
        let used = Used::new(KEPT);
        assert!(used.is_fresh("a", "s", at(0)));
        assert!(used.is_fresh("a", "s", at(2900)));
        // A repeat does not make it younger.
        assert!(!used.is_fresh("a", "s", at(3100)));
        assert!(!used.is_fresh("a", "s", at(290_000)));
        assert!(used.is_fresh("a", "t", at(290_000)));
        assert!(used.is_fresh("b", "s", at(290_000)));
    }

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let used = Used::new(NonZeroUsize::new(100).unwrap());
        for n in 0..1000 {
            assert!(used.is_fresh("a", &n.to_string(), at(n)));
        }
        assert_eq!(used.0.lock().unwrap().len(), 100);
        assert!(!used.is_fresh("a", "999", at(60_000)));
    }
}
