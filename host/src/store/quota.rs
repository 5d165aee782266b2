//! Cache quotas of tenants, by accounting: each tenant with a quota has a ledger of its entries in
//! the order in which they came; a new entry that does not fit pushes out the tenant's own oldest.
//!
//! Accounting rather than a partition for each tenant, because the store is asked by key alone: a
//! partition would have to be searched for, and its memory would lie idle when its tenant is quiet.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use forebay_gateway::store::{CacheKey, Entry};

/// The ledgers of the tenants that have a quota.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    ledgers: Mutex<HashMap<Arc<str>, Ledger>>,
}

#[derive(Debug, Default)]
struct Ledger {
    limit: u64,
    used: u64,
    next: u64,
    // As many as the tenant has entries in the store: both sides are updated together.
    order: BTreeMap<u64, (CacheKey, u64)>,
    place: HashMap<CacheKey, u64>,
}

impl Quotas {
    /// Sets the quotas; tenants without one lose their ledger, which only counted.
    pub(super) fn set<'a>(&self, quotas: impl Iterator<Item = (&'a str, u64)>) {
        let mut ledgers = self.lock();
        let mut old = std::mem::take(&mut *ledgers);
        for (tenant, limit) in quotas {
            let (name, mut ledger) = old
                .remove_entry(tenant)
                .unwrap_or_else(|| (tenant.into(), Ledger::default()));
            ledger.limit = limit;
            ledgers.insert(name, ledger);
        }
    }

    /// Books an entry. None: it can never fit. Otherwise the entries that must go for it.
    pub(super) fn book(&self, entry: &Entry) -> Option<Vec<CacheKey>> {
        let mut ledgers = self.lock();
        let Some(ledger) = ledgers.get_mut(&*entry.tenant) else {
            return Some(Vec::new());
        };
        let weight = entry.weight() as u64;
        if weight > ledger.limit {
            return None;
        }
        ledger.strike(&entry.key);
        let mut leaving = Vec::new();
        while ledger.used + weight > ledger.limit {
            let Some((_, (key, freed))) = ledger.order.pop_first() else {
                break;
            };
            ledger.place.remove(&key);
            ledger.used -= freed;
            leaving.push(key);
        }
        let place = ledger.next;
        ledger.next += 1;
        ledger.used += weight;
        ledger.order.insert(place, (entry.key, weight));
        ledger.place.insert(entry.key, place);
        Some(leaving)
    }

    /// Strikes an entry that left the store.
    pub(super) fn strike(&self, tenant: &str, key: &CacheKey) {
        if let Some(ledger) = self.lock().get_mut(tenant) {
            ledger.strike(key);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, Ledger>> {
        // A ledger is consistent between statements that can't panic; poison says nothing here.
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    fn strike(&mut self, key: &CacheKey) {
        if let Some((_, weight)) = self
            .place
            .remove(key)
            .and_then(|place| self.order.remove(&place))
        {
            self.used -= weight;
        }
    }
}
