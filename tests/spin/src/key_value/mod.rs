//! `spin:key-value@3.0.0`: which stores a component may open, and how much it may put into them.

mod host;
mod memory;
mod redis;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::host::{KeyValue, KeyValueView};
use self::memory::MemoryStore;
use self::redis::RedisStore;
use crate::error::StartError;
use crate::runtime_config::StoreConfig;

/// Stores that one instance may have open: as in Spin.
const OPEN_STORES: usize = 256;

/// Bytes of a value: a cached answer is a few MiB at most, and the host holds it whole.
const VALUE_BYTES: usize = 16 << 20;

/// Bytes of a key.
const KEY_BYTES: usize = 64 << 10;

/// Keys that a listing gives. More is an error rather than a part of the truth.
const KEYS: usize = 100_000;

/// The store that needs no configuration.
const DEFAULT: &str = "default";

/// All stores of an application, by label.
#[derive(Debug, Clone)]
pub(crate) struct Stores(Arc<BTreeMap<String, Arc<Store>>>);

/// A store that a guest has opened.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the generated bindings name it")]
pub struct OpenStore(Arc<Store>);

#[derive(Debug)]
struct Store {
    backend: Backend,
    /// From the call to its end.
    timeout: Duration,
}

#[derive(Debug)]
enum Backend {
    Memory(MemoryStore),
    Redis(RedisStore),
}

/// An operation that failed, in words that name no value and no password.
type Failure = String;

impl Stores {
    /// The configured stores; `default` is in memory unless the runtime configuration says otherwise.
    pub(crate) fn new(
        config: BTreeMap<String, StoreConfig>,
        timeout: Duration,
    ) -> Result<Self, StartError> {
        let mut stores = BTreeMap::new();
        let store = |backend| Arc::new(Store { backend, timeout });
        for (label, config) in config {
            let backend = match config {
                StoreConfig::Spin { .. } => Backend::Memory(MemoryStore::new()),
                StoreConfig::Redis { url } => {
                    Backend::Redis(RedisStore::new(&url).map_err(|why| {
                        StartError::invalid(format!("key_value_store.{label}.url"), why)
                    })?)
                }
            };
            stores.insert(label, store(backend));
        }
        stores
            .entry(DEFAULT.to_owned())
            .or_insert_with(|| store(Backend::Memory(MemoryStore::new())));
        Ok(Self(Arc::new(stores)))
    }

    /// Warns about labels that some component names and nothing defines, and about stores that are lost at exit.
    pub(crate) fn review(&self, used: &BTreeSet<&str>) {
        for label in used {
            match self.0.get(*label).map(|store| &store.backend) {
                None => tracing::warn!(
                    store = label,
                    "the runtime configuration has no [key_value_store.{label}]: opening it will fail"
                ),
                Some(Backend::Memory(_)) => tracing::info!(
                    store = label,
                    "the key-value store is in memory (256 MiB, the oldest go first) and is lost at exit"
                ),
                Some(Backend::Redis(_)) => {}
            }
        }
    }

    fn get(&self, label: &str) -> Option<Arc<Store>> {
        self.0.get(label).cloned()
    }
}

impl Store {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        check_key(key)?;
        self.bounded(async {
            match &self.backend {
                Backend::Memory(store) => Ok(store.get(key)),
                Backend::Redis(store) => store.get(key).await,
            }
        })
        .await
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Failure> {
        check_key(key)?;
        if value.len() > VALUE_BYTES {
            return Err(format!(
                "the value has {} bytes, over the limit of {VALUE_BYTES}",
                value.len()
            ));
        }
        self.bounded(async {
            match &self.backend {
                Backend::Memory(store) => {
                    store.set(key, value);
                    Ok(())
                }
                Backend::Redis(store) => store.set(key, value).await,
            }
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), Failure> {
        check_key(key)?;
        self.bounded(async {
            match &self.backend {
                Backend::Memory(store) => {
                    store.delete(key);
                    Ok(())
                }
                Backend::Redis(store) => store.delete(key).await,
            }
        })
        .await
    }

    async fn exists(&self, key: &str) -> Result<bool, Failure> {
        check_key(key)?;
        self.bounded(async {
            match &self.backend {
                Backend::Memory(store) => Ok(store.exists(key)),
                Backend::Redis(store) => store.exists(key).await,
            }
        })
        .await
    }

    async fn keys(&self) -> Result<Vec<String>, Failure> {
        self.bounded(async {
            match &self.backend {
                Backend::Memory(store) => store.keys(KEYS),
                Backend::Redis(store) => store.keys(KEYS).await,
            }
        })
        .await
    }

    async fn bounded<T>(
        &self,
        operation: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::time::timeout(self.timeout, operation)
            .await
            .unwrap_or_else(|_| {
                Err(format!(
                    "the store did not answer within {} (--store-timeout)",
                    humantime::format_duration(self.timeout)
                ))
            })
    }
}

fn check_key(key: &str) -> Result<(), Failure> {
    if key.len() > KEY_BYTES {
        return Err(format!(
            "the key has {} bytes, over the limit of {KEY_BYTES}",
            key.len()
        ));
    }
    Ok(())
}

fn too_many_keys(limit: usize) -> Failure {
    format!("the store has over {limit} keys: too many to list")
}
