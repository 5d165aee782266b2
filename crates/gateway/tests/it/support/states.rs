//! States as a store behind a network would keep them: in their stored form, compared and set, with somebody
//! else who is first each time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use forebay_gateway::state::{Cell, Held, Moment, Name, State, States};

#[derive(Debug, Default)]
pub struct StoredStates {
    stored: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// Changes, by what kind of name they were of.
    pub changes: Arc<Mutex<BTreeMap<String, usize>>>,
    /// The most bytes that a value took.
    pub largest: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct StoredCell {
    name: String,
    stored: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    changes: Arc<Mutex<BTreeMap<String, usize>>>,
    largest: Arc<AtomicUsize>,
}

impl States for StoredStates {
    fn cell(&self, name: &Name) -> Arc<dyn Cell> {
        Arc::new(StoredCell {
            name: name.to_string(),
            stored: self.stored.clone(),
            changes: self.changes.clone(),
            largest: self.largest.clone(),
        })
    }
}

fn read(bytes: Option<&Vec<u8>>, now: Moment) -> Held {
    let mut held = bytes.map_or(Held::NOTHING, |bytes| Held::decode(bytes));
    held.expire(now);
    held
}

impl Cell for StoredCell {
    fn look(&self, now: Moment, look: &mut dyn FnMut(Option<&State>)) {
        let held = read(self.stored.lock().unwrap().get(&self.name), now);
        look(held.state.as_ref());
    }

    fn change(&self, now: Moment, change: &mut dyn FnMut(&mut Held)) {
        let mut stored = self.stored.lock().unwrap();
        // Somebody else was first: what this left is lost, and it is asked again.
        change(&mut read(stored.get(&self.name), now));
        let mut held = read(stored.get(&self.name), now);
        change(&mut held);
        match held.encode() {
            Some(bytes) => {
                self.largest.fetch_max(bytes.len(), SeqCst);
                stored.insert(self.name.clone(), bytes);
            }
            None => drop(stored.remove(&self.name)),
        }
        let kind = self.name.split('/').next().unwrap().to_owned();
        *self.changes.lock().unwrap().entry(kind).or_default() += 1;
    }
}
