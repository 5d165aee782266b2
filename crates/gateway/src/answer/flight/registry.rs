//! All flights that can be joined by key, or resumed by id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Flight, FlightBounds, FlightReader};
use crate::platform::MemoryShare;
use crate::store::CacheKey;
use crate::trail::Trail;

/// All flights of a gateway. Bounded by the requests in flight and the streams that linger.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    maps: Mutex<Maps>,
}

#[derive(Debug, Default)]
struct Maps {
    by_key: HashMap<CacheKey, Arc<Flight>>,
    by_id: HashMap<u64, Arc<Flight>>,
}

/// How a request came to its flight.
#[derive(Debug)]
pub(crate) enum Boarding {
    /// It joined one that was under way.
    Joined(FlightReader),
    /// It leads a new one: the caller must run it and then [`Flights::land`] it.
    Leads(FlightReader),
}

impl Flights {
    /// Joins the flight of this key, or starts one.
    pub(crate) fn board(
        &self,
        key: CacheKey,
        id: u64,
        bounds: FlightBounds,
        trail: &Arc<Trail>,
        share: impl FnOnce() -> Box<dyn MemoryShare>,
    ) -> Option<Boarding> {
        let mut maps = self.lock();
        if let Some(flight) = maps.by_key.get(&key)
            && flight.is_kept()
            && !flight.has_failed()
            && let Some(reader) = flight.join(0)
        {
            return Some(Boarding::Joined(reader));
        }
        let flight = Flight::new(id, key, true, bounds, trail, share());
        let reader = flight.join(0)?;
        maps.by_key.insert(key, flight);
        Some(Boarding::Leads(reader))
    }

    /// The flight of this key, if it is this very stream.
    pub(crate) fn find(&self, key: CacheKey, id: u64) -> Option<Arc<Flight>> {
        self.lock()
            .by_key
            .get(&key)
            .filter(|flight| flight.id == id)
            .cloned()
    }

    /// Makes a flight findable by its id, so that its stream can be resumed.
    pub(crate) fn make_resumable(&self, flight: &Arc<Flight>) {
        self.lock().by_id.insert(flight.id, flight.clone());
    }

    /// The flight of this id, if it answers this very key.
    pub(crate) fn resumable(&self, id: u64, key: CacheKey) -> Option<Arc<Flight>> {
        self.lock()
            .by_id
            .get(&id)
            .filter(|flight| flight.key == key)
            .cloned()
    }

    /// The flight can no longer be resumed by id.
    pub(crate) fn forget(&self, flight: &Flight) {
        self.lock().by_id.remove(&flight.id);
    }

    /// The flight can no longer be joined.
    pub(crate) fn land(&self, flight: &Flight) {
        let mut maps = self.lock();
        if maps
            .by_key
            .get(&flight.key)
            .is_some_and(|found| found.id == flight.id)
        {
            maps.by_key.remove(&flight.key);
        }
    }

    /// How many can be joined now.
    pub(crate) fn len(&self) -> usize {
        self.lock().by_key.len()
    }

    fn lock(&self) -> MutexGuard<'_, Maps> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
