//! A store in memory, bounded: what does not fit pushes out what was used least. Lost at exit.

use std::sync::Arc;

use moka::sync::Cache;

use super::{Failure, too_many_keys};

/// Bytes of keys and values.
const BYTES: u64 = 256 << 20;

/// What an entry costs besides its bytes.
const OVERHEAD: usize = 128;

#[derive(Debug)]
pub(super) struct MemoryStore(Cache<String, Arc<[u8]>>);

impl MemoryStore {
    pub(super) fn new() -> Self {
        Self(
            Cache::builder()
                .max_capacity(BYTES)
                .weigher(|key: &String, value: &Arc<[u8]>| {
                    u32::try_from(key.len() + value.len() + OVERHEAD).unwrap_or(u32::MAX)
                })
                .build(),
        )
    }

    pub(super) fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.0.get(key).map(|value| value.to_vec())
    }

    pub(super) fn set(&self, key: &str, value: Vec<u8>) {
        self.0.insert(key.to_owned(), value.into());
    }

    pub(super) fn delete(&self, key: &str) {
        self.0.invalidate(key);
    }

    pub(super) fn exists(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub(super) fn keys(&self, limit: usize) -> Result<Vec<String>, Failure> {
        let keys: Vec<String> = self
            .0
            .iter()
            .take(limit + 1)
            .map(|(key, _)| String::clone(&key))
            .collect();
        if keys.len() > limit {
            return Err(too_many_keys(limit));
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_keys_are_an_error_and_not_a_part() {
        let store = MemoryStore::new();
        for number in 0..3 {
            store.set(&number.to_string(), vec![0]);
        }
        assert_eq!(store.keys(3).unwrap().len(), 3);
        assert!(store.keys(2).unwrap_err().contains("over 2 keys"));
    }

    #[test]
    fn what_does_not_fit_pushes_out() {
        let store = MemoryStore::new();
        for number in 0..40 {
            store.set(&number.to_string(), vec![0; 8 << 20]);
        }
        store.0.run_pending_tasks();
        assert!(store.0.weighted_size() <= BYTES);
    }
}
