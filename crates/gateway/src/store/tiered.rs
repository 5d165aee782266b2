//! The store of an edge: a small `lru` in the instance, before the platform's key-value store.
//!
//! Such stores have no compare-and-set, and some have no time to live: expiry and version are in
//! the entry, and what can't be read is a miss. Where a store never forgets by itself, its entries
//! lie in a bounded number of slots (see [`super::slots`]). A store that is slow or fails costs
//! one bounded wait and a warning, never the request: for some seconds after that it is not asked.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::future::{Either, select};
use lru::LruCache;

use super::{CacheKey, Entry, Selector, Store, StoreError, codec, slots};
use crate::platform::{MaybeSend, MaybeSync, system_wall};

/// Why a key-value store gave no answer. Never a key or a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyValueError(pub String);

/// A platform's key-value store.
pub trait KeyValue: MaybeSend + MaybeSync + 'static {
    /// The value of a key.
    fn get(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, KeyValueError>> + MaybeSend;

    /// Sets a key's value whole. `keep` is how long it is of use, for stores that can forget by themselves.
    fn set(
        &self,
        key: &str,
        value: Vec<u8>,
        keep: Duration,
    ) -> impl Future<Output = Result<(), KeyValueError>> + MaybeSend;

    /// Removes a key; one that is not there is no error.
    fn delete(&self, key: &str) -> impl Future<Output = Result<(), KeyValueError>> + MaybeSend;

    /// Whether the store forgets a value once its time to live has passed. One that does not is
    /// kept within bounds by us.
    fn forgets(&self) -> bool;

    /// Resolves after `duration`.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + MaybeSend;

    /// The wall clock, where the platform has one of its own.
    fn wall(&self) -> SystemTime {
        system_wall()
    }
}

/// The bounds of a [`Tiered`] store.
#[derive(Debug, Clone, Copy)]
pub struct TieredBounds {
    /// What the entries in the instance may weigh, in bytes.
    pub instance: usize,
    /// The largest entry, in bytes.
    pub max_entry: usize,
    /// How long a read may take until it is a miss.
    pub read: Duration,
    /// How long a write may take until it is given up.
    pub write: Duration,
    /// How long the store is not asked after it failed or was too slow.
    pub pause: Duration,
    /// What one tenant may have in a store that never forgets by itself, in bytes.
    pub tenant_quota: u64,
}

/// An `lru` in the instance before a key-value store, where there is one.
#[derive(Debug)]
pub struct Tiered<K> {
    recent: Mutex<Recent>,
    store: Option<K>,
    /// Until when the store is not asked.
    paused: Mutex<Option<SystemTime>>,
    bounds: TieredBounds,
}

#[derive(Debug)]
struct Recent {
    entries: LruCache<CacheKey, Arc<Entry>>,
    weight: usize,
}

/// The most entries in the instance: bookkeeping is counted in their weight, so this is only a stop.
const MAX_ENTRIES: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

impl<K: KeyValue> Tiered<K> {
    /// A store with these bounds. Without a key-value store entries live as long as the instance.
    pub fn new(store: Option<K>, bounds: TieredBounds) -> Self {
        Self {
            recent: Mutex::new(Recent {
                entries: LruCache::new(MAX_ENTRIES),
                weight: 0,
            }),
            store,
            paused: Mutex::new(None),
            bounds,
        }
    }

    fn expired(&self, entry: &Entry) -> bool {
        let now = self.store.as_ref().map_or_else(system_wall, K::wall);
        entry.age(now) > entry.keep_for()
    }

    /// The key-value store, unless it failed a moment ago.
    fn usable(&self) -> Option<&K> {
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        if paused.is_none() {
            return self.store.as_ref();
        }
        let now = system_wall();
        // A clock that was set back must not pause the store for longer than meant.
        let waits = |until: SystemTime| {
            until
                .duration_since(now)
                .is_ok_and(|left| !left.is_zero() && left <= self.bounds.pause)
        };
        if paused.is_some_and(waits) {
            return None;
        }
        *paused = None;
        self.store.as_ref()
    }

    fn pause(&self) {
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        *paused = Some(system_wall() + self.bounds.pause);
    }

    /// What an entry is called in the key-value store.
    fn name(&self, store: &K, key: &CacheKey) -> String {
        match store.forgets() {
            true => name(key),
            false => slots::name(key),
        }
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn within<T>(
        &self,
        store: &K,
        limit: Duration,
        what: &str,
        work: impl Future<Output = Result<T, KeyValueError>> + MaybeSend,
    ) -> Result<T, StoreError> {
        let failed = |detail| StoreError {
            tier: "shared",
            detail,
        };
        let result = match select(pin!(work), pin!(store.sleep(limit))).await {
            Either::Left((done, _)) => done.map_err(|e| failed(format!("{what}: {e}"))),
            Either::Right(_) => Err(failed(format!(
                "{what} took more than {} ms",
                limit.as_millis()
            ))),
        };
        if result.is_err() {
            self.pause();
        }
        result
    }
}

impl Recent {
    fn keep(&mut self, entry: Arc<Entry>, limit: usize) {
        let weight = entry.weight();
        if weight > limit {
            return;
        }
        if let Some((_, old)) = self.entries.push(entry.key, entry) {
            self.weight = self.weight.saturating_sub(old.weight());
        }
        self.weight += weight;
        while self.weight > limit {
            let Some((_, old)) = self.entries.pop_lru() else {
                break;
            };
            self.weight = self.weight.saturating_sub(old.weight());
        }
    }

    fn forget(&mut self, key: &CacheKey) {
        if let Some(old) = self.entries.pop(key) {
            self.weight = self.weight.saturating_sub(old.weight());
        }
    }
}

/// What an entry is called in a key-value store.
fn name(key: &CacheKey) -> String {
    format!("fb1-{}", key.to_hex())
}

impl<K: KeyValue> Store for Tiered<K> {
    async fn get(&self, key: &CacheKey) -> Result<Option<(Arc<Entry>, &'static str)>, StoreError> {
        let found = self.recent().entries.get(key).cloned();
        if let Some(entry) = found {
            if !self.expired(&entry) {
                return Ok(Some((entry, "memory")));
            }
            self.recent().forget(key);
        }
        let Some(store) = self.usable() else {
            return Ok(None);
        };
        let name = self.name(store, key);
        let bytes = self
            .within(store, self.bounds.read, "a read", store.get(&name))
            .await?;
        let Some(entry) = bytes.and_then(|bytes| codec::decode(key, &bytes).ok()) else {
            return Ok(None);
        };
        if self.expired(&entry) {
            return Ok(None);
        }
        let entry = Arc::new(entry);
        self.recent().keep(entry.clone(), self.bounds.instance);
        Ok(Some((entry, "shared")))
    }

    async fn put(&self, entry: Arc<Entry>) -> Result<bool, StoreError> {
        if entry.weight() > self.bounds.max_entry {
            return Ok(false);
        }
        self.recent().keep(entry.clone(), self.bounds.instance);
        let Some(store) = self.usable() else {
            return Ok(true);
        };
        let bytes = codec::encode(&entry);
        if store.forgets() {
            let key = name(&entry.key);
            let write = store.set(&key, bytes, entry.keep_for());
            self.within(store, self.bounds.write, "a write", write)
                .await?;
            return Ok(true);
        }
        let write = slots::put(store, &entry, bytes, self.bounds.tenant_quota);
        self.within(store, self.bounds.write, "a write", write)
            .await
    }

    /// Removes what this instance holds; the platform's own tools empty its key-value store.
    async fn purge(&self, selector: &Selector) -> Result<u64, StoreError> {
        let mut recent = self.recent();
        let doomed: Vec<CacheKey> = recent
            .entries
            .iter()
            .filter(|(_, entry)| selector.matches(entry))
            .map(|(key, _)| *key)
            .collect();
        for key in &doomed {
            recent.forget(key);
        }
        Ok(doomed.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::UNIX_EPOCH;

    use bytes::Bytes;
    use forebay_dialect::Wire;
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::policy::{Ending, Freshness};
    use crate::recording::{Form, Recording};

    #[derive(Default)]
    struct Map {
        values: Mutex<HashMap<String, Vec<u8>>>,
        deletes: Mutex<usize>,
        hangs: bool,
        remembers: bool,
    }

    impl KeyValue for Map {
        async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
            if self.hangs {
                std::future::pending::<()>().await;
            }
            Ok(self.values.lock().unwrap().get(key).cloned())
        }
        async fn set(&self, key: &str, value: Vec<u8>, _: Duration) -> Result<(), KeyValueError> {
            self.values.lock().unwrap().insert(key.to_owned(), value);
            Ok(())
        }
        async fn delete(&self, key: &str) -> Result<(), KeyValueError> {
            *self.deletes.lock().unwrap() += 1;
            self.values.lock().unwrap().remove(key);
            Ok(())
        }
        fn forgets(&self) -> bool {
            !self.remembers
        }
        async fn sleep(&self, duration: Duration) {
            tokio::time::sleep(duration).await;
        }
    }

    const BOUNDS: TieredBounds = TieredBounds {
        instance: 4096,
        max_entry: 2048,
        read: Duration::from_millis(500),
        write: Duration::from_secs(5),
        pause: Duration::from_secs(10),
        tenant_quota: 64 * 1024,
    };

    fn entry(n: u8, bytes: usize, stored: SystemTime) -> Arc<Entry> {
        Arc::new(Entry {
            key: CacheKey([n; 32]),
            tenant: "t".into(),
            model: "m".into(),
            tags: Vec::new(),
            stored,
            freshness: Freshness {
                ttl: 60,
                idle: 0,
                stale_if_error: 0,
            },
            recording: Arc::new(Recording::new(
                1,
                Wire::Chat,
                Form::Whole(Bytes::from(vec![b' '; bytes])),
                Ending::Complete,
                None,
                None,
                "u".into(),
                [0; 32],
            )),
        })
    }

    #[tokio::test]
    async fn an_entry_survives_the_instance_and_moves_into_it() {
        let now = SystemTime::now();
        let first = Tiered::new(Some(Map::default()), BOUNDS);
        assert!(first.put(entry(1, 10, now)).await.unwrap());
        let key = CacheKey([1; 32]);
        assert_eq!(first.get(&key).await.unwrap().unwrap().1, "memory");
        let second = Tiered::new(first.store, BOUNDS);
        assert_eq!(second.get(&key).await.unwrap().unwrap().1, "shared");
        assert_eq!(second.get(&key).await.unwrap().unwrap().1, "memory");
    }

    #[tokio::test]
    async fn the_instance_holds_no_more_than_it_may() {
        let store = Tiered::<Map>::new(None, BOUNDS);
        for n in 0..50 {
            store.put(entry(n, 700, SystemTime::now())).await.unwrap();
            let recent = store.recent();
            let sum: usize = recent.entries.iter().map(|(_, e)| e.weight()).sum();
            assert_eq!(sum, recent.weight);
            assert!(sum <= BOUNDS.instance);
        }
        assert!(!store.put(entry(1, 3000, SystemTime::now())).await.unwrap());
    }

    #[tokio::test]
    async fn what_is_expired_or_foreign_is_a_miss() {
        let map = Map::default();
        let old = entry(1, 10, UNIX_EPOCH);
        let names = [name(&old.key), name(&CacheKey([2; 32]))];
        map.set(&names[0], codec::encode(&old), Duration::ZERO)
            .await
            .unwrap();
        map.set(&names[1], b"another program's".to_vec(), Duration::ZERO)
            .await
            .unwrap();
        let store = Tiered::new(Some(map), BOUNDS);
        for n in [1, 2, 3] {
            assert!(store.get(&CacheKey([n; 32])).await.unwrap().is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_costs_a_bounded_wait() {
        let map = Map {
            hangs: true,
            ..Map::default()
        };
        let store = Tiered::new(Some(map), BOUNDS);
        let began = tokio::time::Instant::now();
        let error = store.get(&CacheKey([1; 32])).await.unwrap_err();
        assert_eq!(began.elapsed(), BOUNDS.read);
        assert_eq!(
            error.to_string(),
            "the shared tier failed: a read took more than 500 ms"
        );
        // Those who come right after it don't wait at all.
        let again = store.get(&CacheKey([1; 32])).await.unwrap();
        assert!(again.is_none());
        assert_eq!(began.elapsed(), BOUNDS.read);
    }

    /// An entry of a tenant under a key made of a number, so that keys spread over all slots.
    fn numbered(n: u32, tenant: &str, stored: SystemTime) -> Arc<Entry> {
        let entry = entry(0, 100, stored);
        let key: [u8; 32] = Sha256::digest(n.to_le_bytes()).into();
        Arc::new(Entry {
            key: CacheKey(key),
            tenant: tenant.into(),
            ..Arc::unwrap_or_clone(entry)
        })
    }

    #[tokio::test]
    async fn a_store_that_never_forgets_stays_bounded_whatever_is_written() {
        let map = Map {
            remembers: true,
            ..Map::default()
        };
        let store = Tiered::new(Some(map), BOUNDS);
        let now = SystemTime::now();
        for n in 0..3_000 {
            store.put(numbered(n, "one", now)).await.unwrap();
        }
        let kept = |store: &Tiered<Map>| {
            let values = &store.store.as_ref().unwrap().values;
            let values = values.lock().unwrap();
            let entries = values.iter().filter(|(name, _)| !name.ends_with("-index"));
            entries.map(|(_, value)| value.len()).sum::<usize>()
        };
        let bytes = kept(&store);
        assert!(bytes as u64 <= BOUNDS.tenant_quota, "{bytes}");
        assert!(bytes as u64 > BOUNDS.tenant_quota / 2, "{bytes}");
        // Another tenant has a quota of its own.
        for n in 0..1_000 {
            store.put(numbered(n, "two", now)).await.unwrap();
        }
        assert!(kept(&store) > bytes);
    }

    #[tokio::test]
    async fn expired_entries_are_deleted_by_later_writes_a_few_each() {
        let map = Map {
            remembers: true,
            ..Map::default()
        };
        let bounds = TieredBounds {
            tenant_quota: 1 << 30,
            ..BOUNDS
        };
        let store = Tiered::new(Some(map), bounds);
        let old = SystemTime::now() - Duration::from_secs(3_600);
        for n in 0..500 {
            store.put(numbered(n, "one", old)).await.unwrap();
        }
        let map = store.store.as_ref().unwrap();
        let mut before = *map.deletes.lock().unwrap();
        for n in 1_000..2_500 {
            store
                .put(numbered(n, "one", SystemTime::now()))
                .await
                .unwrap();
            let deletes = *map.deletes.lock().unwrap();
            assert!(deletes - before <= 16, "{} in one write", deletes - before);
            before = deletes;
        }
        let values = map.values.lock().unwrap();
        let expired = values.iter().filter(|(name, value)| {
            !name.ends_with("-index")
                && (0..500).any(|n| {
                    let key = numbered(n, "one", old).key;
                    codec::decode(&key, value).is_ok_and(|entry| store.expired(&entry))
                })
        });
        assert_eq!(expired.count(), 0);
    }

    #[tokio::test]
    async fn an_entry_in_a_slot_is_found_under_its_own_key_alone() {
        let map = Map {
            remembers: true,
            ..Map::default()
        };
        let first = Tiered::new(Some(map), BOUNDS);
        let now = SystemTime::now();
        let mine = numbered(1, "one", now);
        assert!(first.put(mine.clone()).await.unwrap());
        let second = Tiered::new(first.store, BOUNDS);
        assert_eq!(second.get(&mine.key).await.unwrap().unwrap().1, "shared");
        let mut other = mine.key;
        other.0[31] ^= 1;
        assert!(second.get(&other).await.unwrap().is_none());
    }
}
