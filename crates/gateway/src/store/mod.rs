//! The seam to where recordings rest. The native host has a memory tier of its own; an edge has
//! [`Tiered`]: a small `lru` in the instance before whatever key-value store its platform offers.

mod codec;
mod slots;
mod tiered;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::platform::{MaybeSend, MaybeSync};
use crate::policy::Freshness;
use crate::recording::Recording;

pub use codec::{Foreign, decode, encode};
pub use tiered::{KeyValue, KeyValueError, Tiered, TieredBounds};

/// HMAC-SHA-256 under the tenant's secret: the only name a recording has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheKey(pub [u8; 32]);

impl CacheKey {
    /// Lower-case hexadecimal.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }
}

/// A recording with what is needed to find, judge and purge it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub key: CacheKey,
    /// The tenant it belongs to.
    pub tenant: Arc<str>,
    /// The model as the client named it.
    pub model: Arc<str>,
    /// Labels for purging; the tenant and the model need none.
    pub tags: Vec<String>,
    /// When it was stored.
    pub stored: SystemTime,
    /// How long it lives.
    pub freshness: Freshness,
    /// The answer, masks in place.
    pub recording: Arc<Recording>,
}

impl Entry {
    /// How old it is; zero if the clock went backwards.
    pub fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.stored).unwrap_or_default()
    }

    /// Whether its time to live has passed.
    pub fn is_stale(&self, now: SystemTime) -> bool {
        self.age(now) >= Duration::from_secs(self.freshness.ttl.into())
    }

    /// What it weighs, in bytes: payload and an allowance for its bookkeeping.
    pub fn weight(&self) -> usize {
        // 512: the structs, the key, the tags and the store's own node, rounded up.
        self.recording.bytes() + 512
    }

    /// How long a store should keep it: stale entries serve when upstreams fail.
    pub fn keep_for(&self) -> Duration {
        Duration::from_secs(
            u64::from(self.freshness.ttl) + u64::from(self.freshness.stale_if_error),
        )
    }
}

/// Which entries to remove. Empty fields match everything; all given fields must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// One entry.
    pub key: Option<CacheKey>,
    /// A tenant's.
    pub tenant: Option<String>,
    /// A model's.
    pub model: Option<String>,
    /// With this label.
    pub tag: Option<String>,
}

impl Selector {
    /// Whether an entry is meant.
    pub fn matches(&self, entry: &Entry) -> bool {
        self.key.is_none_or(|key| key == entry.key)
            && self
                .tenant
                .as_deref()
                .is_none_or(|tenant| *tenant == *entry.tenant)
            && self
                .model
                .as_deref()
                .is_none_or(|model| *model == *entry.model)
            && self.tag.as_ref().is_none_or(|tag| entry.tags.contains(tag))
    }
}

/// A store failed. A failed read is a miss; a failed write is a warning.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the {tier} tier failed: {detail}")]
pub struct StoreError {
    /// `memory`, `disk` or `shared`.
    pub tier: &'static str,
    /// How.
    pub detail: String,
}

/// Where recordings rest.
pub trait Store: MaybeSend + MaybeSync + 'static {
    /// The entry of this name and the tier it came from.
    fn get(
        &self,
        key: &CacheKey,
    ) -> impl Future<Output = Result<Option<(Arc<Entry>, &'static str)>, StoreError>> + MaybeSend;

    /// Stores an entry whole or not at all. Returns false where a bound (the tenant's quota,
    /// the largest entry) keeps it out.
    fn put(&self, entry: Arc<Entry>) -> impl Future<Output = Result<bool, StoreError>> + MaybeSend;

    /// Removes what matches and says how many entries went.
    fn purge(
        &self,
        selector: &Selector,
    ) -> impl Future<Output = Result<u64, StoreError>> + MaybeSend;
}
