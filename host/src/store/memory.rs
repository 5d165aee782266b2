//! The memory tier: recordings on moka, weighed in bytes, with a time to live and an idle time each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_gateway::store::{CacheKey, Entry, Selector, Store, StoreError};
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use serde::Serialize;

use super::quota::Quotas;
use crate::platform::clock;

/// What the memory tier may hold.
#[derive(Debug, Clone, Copy)]
pub struct MemoryLimits {
    /// All entries together, in bytes.
    pub bytes: u64,
    /// The largest entry, in bytes.
    pub max_entry: u64,
}

/// Recordings in memory.
#[derive(Debug)]
pub struct MemoryStore {
    entries: Cache<CacheKey, Arc<Entry>>,
    quotas: Arc<Quotas>,
    max_entry: u64,
}

/// An entry as the admin surface lists it: no content.
#[derive(Debug, Clone, Serialize)]
pub struct EntrySummary {
    /// Its key, in hexadecimal.
    pub key: String,
    /// Its tenant.
    pub tenant: String,
    /// Its model, as the client named it.
    pub model: String,
    /// Its labels.
    pub tags: Vec<String>,
    /// Its age, in seconds.
    pub age: u64,
    /// Its time to live, in seconds, from when it was stored.
    pub ttl: u32,
    /// What it weighs, in bytes.
    pub bytes: usize,
    /// Who answered.
    pub upstream: String,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(limits: MemoryLimits) -> Self {
        let quotas = Arc::new(Quotas::default());
        let ledgers = quotas.clone();
        let entries = Cache::builder()
            .name("recordings")
            .max_capacity(limits.bytes)
            .weigher(|_, entry: &Arc<Entry>| u32::try_from(entry.weight()).unwrap_or(u32::MAX))
            // Least recently used rather than least frequently: answers are asked for again soon or not at all.
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(Lifetime)
            .eviction_listener(move |key, entry: Arc<Entry>, cause| {
                // A replaced entry's successor is in the ledger under the same key.
                if cause != RemovalCause::Replaced {
                    ledgers.strike(&entry.tenant, &key);
                }
            })
            .build();
        Self {
            entries,
            quotas,
            max_entry: limits.max_entry,
        }
    }

    /// Sets the quotas of tenants, in bytes.
    pub fn set_quotas<'a>(&self, quotas: impl Iterator<Item = (&'a str, u64)>) {
        self.quotas.set(quotas);
    }

    /// How many entries there are. May lag by what the last half second brought.
    pub fn len(&self) -> u64 {
        self.entries.entry_count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes in the memory tier, in bytes. May lag likewise.
    pub fn bytes(&self) -> u64 {
        self.entries.weighted_size()
    }

    /// Does the bookkeeping that otherwise happens along the way.
    pub fn settle(&self) {
        self.entries.run_pending_tasks();
    }

    /// The first `limit` entries that match. A scan: a tier of 64 MiB has at most 131072
    /// entries, since each weighs 512 bytes or more.
    pub fn list(&self, selector: &Selector, limit: usize) -> Vec<EntrySummary> {
        let now = clock::wall();
        self.entries
            .iter()
            .filter(|(_, entry)| selector.matches(entry))
            .take(limit)
            .map(|(key, entry)| EntrySummary {
                key: key.to_hex(),
                tenant: entry.tenant.to_string(),
                model: entry.model.to_string(),
                tags: entry.tags.clone(),
                age: entry.age(now).as_secs(),
                ttl: entry.freshness.ttl,
                bytes: entry.weight(),
                upstream: entry.recording.upstream.to_string(),
            })
            .collect()
    }
}

impl Store for MemoryStore {
    async fn get(&self, key: &CacheKey) -> Result<Option<(Arc<Entry>, &'static str)>, StoreError> {
        Ok(self.entries.get(key).map(|entry| (entry, "memory")))
    }

    async fn put(&self, entry: Arc<Entry>) -> Result<bool, StoreError> {
        if entry.weight() as u64 > self.max_entry {
            return Ok(false);
        }
        let Some(leaving) = self.quotas.book(&entry) else {
            return Ok(false);
        };
        for key in leaving {
            self.entries.invalidate(&key);
        }
        self.entries.insert(entry.key, entry);
        Ok(true)
    }

    async fn purge(&self, selector: &Selector) -> Result<u64, StoreError> {
        // One key needs no scan; anything else is found by one, bounded as in `list`.
        if let Some(key) = selector.key {
            let found = self
                .entries
                .get(&key)
                .is_some_and(|entry| selector.matches(&entry));
            return Ok(u64::from(found && self.entries.remove(&key).is_some()));
        }
        let matching: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| selector.matches(entry))
            .map(|(key, _)| *key)
            .collect();
        Ok(matching
            .iter()
            .filter(|key| self.entries.remove(*key).is_some())
            .count() as u64)
    }
}

/// The earlier of the time to live, stale time included, and the idle time since the last read.
struct Lifetime;

impl Lifetime {
    fn left(entry: &Entry, lived: Duration) -> Duration {
        let left = entry.keep_for().saturating_sub(lived);
        match entry.freshness.idle {
            0 => left,
            idle => left.min(Duration::from_secs(idle.into())),
        }
    }
}

impl moka::Expiry<CacheKey, Arc<Entry>> for Lifetime {
    fn expire_after_create(
        &self,
        _: &CacheKey,
        entry: &Arc<Entry>,
        _: Instant,
    ) -> Option<Duration> {
        Some(Self::left(entry, Duration::ZERO))
    }

    fn expire_after_read(
        &self,
        _: &CacheKey,
        entry: &Arc<Entry>,
        read_at: Instant,
        current: Option<Duration>,
        last_modified_at: Instant,
    ) -> Option<Duration> {
        // Without an idle time nothing changes; saying so spares the timer wheel.
        if entry.freshness.idle == 0 {
            return current;
        }
        Some(Self::left(
            entry,
            read_at.saturating_duration_since(last_modified_at),
        ))
    }

    fn expire_after_update(
        &self,
        _: &CacheKey,
        entry: &Arc<Entry>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(Self::left(entry, Duration::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use forebay_dialect::Wire;
    use forebay_gateway::policy::{Ending, Freshness};
    use forebay_gateway::recording::{Form, Recording};

    fn entry(key: u8, tenant: &str, bytes: usize, ttl: u32) -> Arc<Entry> {
        Arc::new(Entry {
            key: CacheKey([key; 32]),
            tenant: tenant.into(),
            model: "m".into(),
            tags: vec![format!("tag-{key}")],
            stored: clock::wall(),
            freshness: Freshness {
                ttl,
                idle: 0,
                stale_if_error: 0,
            },
            recording: Arc::new(Recording::new(
                1,
                Wire::Chat,
                Form::Whole(Bytes::from(vec![0; bytes])),
                Ending::Complete,
                None,
                None,
                "engine".into(),
                [0; 32],
            )),
        })
    }

    fn store() -> MemoryStore {
        MemoryStore::new(MemoryLimits {
            bytes: 1 << 20,
            max_entry: 100_000,
        })
    }

    async fn has(store: &MemoryStore, key: u8) -> bool {
        store.get(&CacheKey([key; 32])).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn what_is_put_is_found_in_the_memory_tier() {
        let store = store();
        assert!(store.put(entry(1, "a", 10, 60)).await.unwrap());
        let (found, tier) = store.get(&CacheKey([1; 32])).await.unwrap().unwrap();
        assert_eq!((&*found.tenant, tier), ("a", "memory"));
    }

    #[tokio::test]
    async fn an_entry_with_no_time_to_live_is_gone_at_once() {
        let store = store();
        store.put(entry(1, "a", 10, 0)).await.unwrap();
        assert!(!has(&store, 1).await);
    }

    #[tokio::test]
    async fn an_entry_over_the_largest_stays_out() {
        let store = store();
        assert!(!store.put(entry(1, "a", 100_000, 60)).await.unwrap());
        assert!(!has(&store, 1).await);
    }

    #[tokio::test]
    async fn the_tier_never_weighs_more_than_it_may() {
        let store = store();
        for key in 0..100 {
            store.put(entry(key, "a", 50_000, 60)).await.unwrap();
        }
        store.settle();
        assert!(store.bytes() <= 1 << 20, "{}", store.bytes());
        assert!(store.len() >= 15, "{}", store.len());
        assert!(has(&store, 99).await, "the latest entry stays");
    }

    #[tokio::test]
    async fn a_quota_pushes_out_the_tenants_own_oldest_and_nobody_elses() {
        let store = store();
        store.set_quotas([("a", 2 * (1000 + 512))].into_iter());
        store.put(entry(9, "b", 1000, 60)).await.unwrap();
        for key in 1..=3 {
            assert!(store.put(entry(key, "a", 1000, 60)).await.unwrap());
        }
        let held = [
            has(&store, 1).await,
            has(&store, 2).await,
            has(&store, 3).await,
            has(&store, 9).await,
        ];
        assert_eq!(held, [false, true, true, true]);
        assert!(
            !store.put(entry(4, "a", 4000, 60)).await.unwrap(),
            "larger than the quota"
        );
    }

    #[tokio::test]
    async fn purged_entries_free_their_tenants_quota() {
        let store = store();
        store.set_quotas([("a", 2 * 1512)].into_iter());
        store.put(entry(1, "a", 1000, 60)).await.unwrap();
        store.put(entry(2, "a", 1000, 60)).await.unwrap();
        store
            .purge(&Selector {
                key: Some(CacheKey([2; 32])),
                ..Selector::default()
            })
            .await
            .unwrap();
        store.settle();
        store.put(entry(3, "a", 1000, 60)).await.unwrap();
        assert!(has(&store, 1).await, "there was room for it");
    }

    #[tokio::test]
    async fn purge_takes_what_the_selector_names() {
        let store = store();
        for (key, tenant) in [(1, "a"), (2, "a"), (3, "b")] {
            store.put(entry(key, tenant, 10, 60)).await.unwrap();
        }
        let by_tag = Selector {
            tag: Some("tag-1".into()),
            ..Selector::default()
        };
        assert_eq!(store.purge(&by_tag).await.unwrap(), 1);
        let wrong_tenant = Selector {
            key: Some(CacheKey([3; 32])),
            tenant: Some("a".into()),
            ..Selector::default()
        };
        assert_eq!(store.purge(&wrong_tenant).await.unwrap(), 0);
        let by_tenant = Selector {
            tenant: Some("a".into()),
            ..Selector::default()
        };
        assert_eq!(store.purge(&by_tenant).await.unwrap(), 1);
        assert!(has(&store, 3).await);
        assert_eq!(
            store
                .list(
                    &Selector {
                        model: Some("m".into()),
                        ..Selector::default()
                    },
                    10
                )
                .len(),
            1
        );
    }
}
