//! The memory tier: states of this process alone.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::{Cell, Held, Moment, Name, State, States};

/// Names that are remembered. Keys and replicas are few, but tokens of an issuer bring as many
/// subjects as it has; the one that was silent longest begins anew.
const KEPT: NonZeroUsize = NonZeroUsize::new(65_536).expect("65,536 is not zero");

/// States in this process's memory.
#[derive(Debug)]
pub struct MemoryStates(Mutex<LruCache<Name, Arc<MemoryCell>>>);

#[derive(Debug)]
struct MemoryCell(Mutex<Held>);

impl Default for MemoryStates {
    fn default() -> Self {
        // It grows as needed; `cell` bounds it.
        Self(Mutex::new(LruCache::unbounded()))
    }
}

impl States for MemoryStates {
    fn cell(&self, name: &Name) -> Arc<dyn Cell> {
        let mut cells = lock(&self.0);
        if let Some(cell) = cells.get(name) {
            return cell.clone();
        }
        let cell = Arc::new(MemoryCell(Mutex::new(Held::NOTHING)));
        cells.put(name.clone(), cell.clone());
        if cells.len() > KEPT.get() {
            cells.pop_lru();
        }
        cell
    }
}

impl Cell for MemoryCell {
    fn look(&self, now: Moment, look: &mut dyn FnMut(Option<&State>)) {
        let held = lock(&self.0);
        look(held.state.as_ref().filter(|_| held.expires > now));
    }

    fn change(&self, now: Moment, change: &mut dyn FnMut(&mut Held)) {
        let mut held = lock(&self.0);
        held.expire(now);
        change(&mut held);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while holding it leaves plain values: still usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Kind, conforms};

    #[test]
    fn it_conforms() {
        conforms(&MemoryStates::default()).unwrap();
    }

    #[test]
    fn silent_names_make_room() {
        let states = MemoryStates::default();
        for n in 0..KEPT.get() + 10 {
            states.cell(&Name {
                kind: Kind::Key,
                whose: format!("k{n}").into(),
            });
        }
        assert_eq!(lock(&states.0).len(), KEPT.get());
    }
}
