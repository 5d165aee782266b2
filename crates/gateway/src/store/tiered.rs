//! The store of an edge: a small `lru` in the instance, before the platform's key-value store.
//!
//! Such stores have no compare-and-set and mostly no time to live: expiry and version are in the
//! entry, and what can't be read is a miss. A store that is slow or fails costs a bounded wait
//! and a warning, never the request.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::future::{Either, select};
use lru::LruCache;

use super::{CacheKey, Entry, Selector, Store, StoreError, codec};
use crate::platform::{MaybeSend, MaybeSync};

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

    /// Resolves after `duration`.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + MaybeSend;
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
}

/// An `lru` in the instance before a key-value store, where there is one.
#[derive(Debug)]
pub struct Tiered<K> {
    recent: Mutex<Recent>,
    store: Option<K>,
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
            bounds,
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
        match select(pin!(work), pin!(store.sleep(limit))).await {
            Either::Left((done, _)) => done.map_err(|e| failed(format!("{what}: {e}"))),
            Either::Right(_) => Err(failed(format!(
                "{what} took more than {} ms",
                limit.as_millis()
            ))),
        }
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

fn expired(entry: &Entry) -> bool {
    entry.age(SystemTime::now()) > entry.keep_for()
}

impl<K: KeyValue> Store for Tiered<K> {
    async fn get(&self, key: &CacheKey) -> Result<Option<(Arc<Entry>, &'static str)>, StoreError> {
        let found = self.recent().entries.get(key).cloned();
        if let Some(entry) = found {
            if !expired(&entry) {
                return Ok(Some((entry, "memory")));
            }
            self.recent().forget(key);
        }
        let Some(store) = &self.store else {
            return Ok(None);
        };
        let bytes = self
            .within(store, self.bounds.read, "a read", store.get(&name(key)))
            .await?;
        let Some(entry) = bytes.and_then(|bytes| codec::decode(key, &bytes).ok()) else {
            return Ok(None);
        };
        if expired(&entry) {
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
        if let Some(store) = &self.store {
            let key = name(&entry.key);
            let write = store.set(&key, codec::encode(&entry), entry.keep_for());
            self.within(store, self.bounds.write, "a write", write)
                .await?;
        }
        Ok(true)
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

    use super::*;
    use crate::policy::{Ending, Freshness};
    use crate::recording::{Form, Recording};

    #[derive(Default)]
    struct Map {
        values: Mutex<HashMap<String, Vec<u8>>>,
        hangs: bool,
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
        async fn sleep(&self, duration: Duration) {
            tokio::time::sleep(duration).await;
        }
    }

    const BOUNDS: TieredBounds = TieredBounds {
        instance: 4096,
        max_entry: 2048,
        read: Duration::from_millis(500),
        write: Duration::from_secs(5),
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
    }
}
