//! Random bytes, asked for from the host in advance: one call serves several identifiers.

use std::sync::{Mutex, PoisonError};

/// How many bytes are asked for at once: those of 32 identifiers.
const POOL: usize = 512;

/// What the host gave and nobody has had. Nothing of it is in a snapshot: it is empty until it is used.
#[derive(Debug, Default)]
pub struct Entropy(Mutex<Vec<u8>>);

impl Entropy {
    /// Sixteen bytes that nobody has had. `fill` asks the host.
    pub fn take(&self, fill: impl FnOnce(&mut [u8])) -> [u8; 16] {
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < 16 {
            pool.resize(POOL, 0);
            fill(&mut pool);
        }
        let rest = pool.len() - 16;
        let mut taken = [0; 16];
        taken.copy_from_slice(&pool[rest..]);
        // What was handed out is not kept.
        pool[rest..].fill(0);
        pool.truncate(rest);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn no_byte_is_given_twice_and_the_host_is_asked_once_for_32() {
        let (entropy, asked, next) = (Entropy::default(), Cell::new(0), Cell::new(0_u16));
        let mut given = Vec::new();
        for _ in 0..64 {
            given.extend(entropy.take(|bytes| {
                asked.set(asked.get() + 1);
                for pair in bytes.chunks_exact_mut(2) {
                    pair.copy_from_slice(&next.get().to_le_bytes());
                    next.set(next.get() + 1);
                }
            }));
        }
        assert_eq!(asked.get(), 2);
        let mut pairs: Vec<_> = given.chunks_exact(2).collect();
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), 512);
    }
}
