//! A key-value store that never forgets by itself, kept within bounds.
//!
//! Entries lie in a fixed number of slots, so the store has at most that many values whatever
//! happens. Slots are grouped; each group has an index: one small value that says for every slot
//! whose entry it holds, how large it is and when it expires. Each write reads its group's index,
//! deletes what has expired there and in one other group, makes room within the tenant's quota,
//! and writes the index back.
//!
//! Two instances may write one index at the same moment, and one of the updates is lost. Then a
//! slot holds an entry that its index does not know. Nothing leaks by that: the slot is written
//! over by the next entry that falls into it, and reads check the entry itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::tiered::{KeyValue, KeyValueError};
use super::{CacheKey, Entry};
use crate::platform::system_wall;

/// How many slots: 4,096 answers of some 8 KiB are 32 MiB of store.
const GROUPS: u16 = 64;

/// Slots in a group: their index takes 1 KiB and a half.
const SLOTS: usize = 64;

/// The most entries that one write deletes in a group: a bound on its work.
const DELETES: usize = 8;

/// The first bytes of an index. The digit is the version of what follows; another is no index.
const MAGIC: &[u8; 4] = b"FBI1";

/// Bytes of one slot in an index.
const RECORD: usize = 16;

/// What an index says of one slot. `expires` 0 is an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Record {
    /// A hash of the tenant's name: equal for two tenants once in four thousand million.
    tenant: u32,
    /// Seconds since 1970.
    expires: u64,
    bytes: u32,
}

/// What is to be done before an entry is written into its slot.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// Slots to delete first.
    delete: Vec<usize>,
    /// The entry may be written.
    admitted: bool,
}

/// The index of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Index([Record; SLOTS]);

/// Where a key's entry lies.
fn place(key: &CacheKey) -> (u16, usize) {
    let [group, slot, ..] = key.0;
    (u16::from(group) % GROUPS, usize::from(slot) % SLOTS)
}

fn slot_name(group: u16, slot: usize) -> String {
    format!("fb2-{group:02x}{slot:02x}")
}

fn index_name(group: u16) -> String {
    format!("fb2-{group:02x}-index")
}

/// The name of the slot that a key's entry lies in.
pub(super) fn name(key: &CacheKey) -> String {
    let (group, slot) = place(key);
    slot_name(group, slot)
}

/// Writes an entry into its slot and keeps the store within its bounds. False where the tenant's
/// quota, or another tenant's entry in the slot, keeps it out.
pub(super) async fn put<K: KeyValue>(
    store: &K,
    entry: &Entry,
    bytes: Vec<u8>,
    quota: u64,
) -> Result<bool, KeyValueError> {
    let now = seconds(system_wall());
    let (group, slot) = place(&entry.key);
    sweep(store, other_group(group, now), now).await?;
    let mut index = Index::read(store, group).await?;
    let record = Record {
        tenant: tenant_hash(&entry.tenant),
        expires: seconds(entry.stored + entry.keep_for()).max(1),
        bytes: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
    };
    let plan = index.plan(slot, record, quota / u64::from(GROUPS), now);
    for doomed in &plan.delete {
        store.delete(&slot_name(group, *doomed)).await?;
        index.0[*doomed] = Record::default();
    }
    if plan.admitted {
        store
            .set(&slot_name(group, slot), bytes, entry.keep_for())
            .await?;
        index.0[slot] = record;
    }
    if plan.admitted || !plan.delete.is_empty() {
        index.write(store, group).await?;
    }
    Ok(plan.admitted)
}

/// Deletes what has expired in a group that is not written to just now.
async fn sweep<K: KeyValue>(store: &K, group: u16, now: u64) -> Result<(), KeyValueError> {
    let mut index = Index::read(store, group).await?;
    let expired = index.expired(now);
    for slot in &expired {
        store.delete(&slot_name(group, *slot)).await?;
        index.0[*slot] = Record::default();
    }
    if !expired.is_empty() {
        index.write(store, group).await?;
    }
    Ok(())
}

/// Another group, a different one every second, so that all are visited.
fn other_group(group: u16, now: u64) -> u16 {
    let step = u16::try_from(now % u64::from(GROUPS - 1)).unwrap_or(0);
    (group + 1 + step) % GROUPS
}

impl Index {
    async fn read<K: KeyValue>(store: &K, group: u16) -> Result<Self, KeyValueError> {
        let bytes = store.get(&index_name(group)).await?;
        Ok(bytes.as_deref().and_then(Self::parse).unwrap_or_default())
    }

    async fn write<K: KeyValue>(&self, store: &K, group: u16) -> Result<(), KeyValueError> {
        // An index outlives what it tells of, as long as its store keeps it.
        let forever = Duration::from_secs(u64::from(u32::MAX));
        store.set(&index_name(group), self.bytes(), forever).await
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let records = bytes.strip_prefix(MAGIC)?;
        if records.len() != SLOTS * RECORD {
            return None;
        }
        let mut index = Self::default();
        for (record, bytes) in index.0.iter_mut().zip(records.chunks_exact(RECORD)) {
            *record = Record {
                tenant: u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?),
                bytes: u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?),
                expires: u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?),
            };
        }
        Some(index)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(MAGIC.len() + SLOTS * RECORD);
        out.extend_from_slice(MAGIC);
        for record in &self.0 {
            out.extend_from_slice(&record.tenant.to_le_bytes());
            out.extend_from_slice(&record.bytes.to_le_bytes());
            out.extend_from_slice(&record.expires.to_le_bytes());
        }
        out
    }

    fn expired(&self, now: u64) -> Vec<usize> {
        let expired = |(_, record): &(usize, &Record)| record.expires != 0 && record.expires <= now;
        let slots = self.0.iter().enumerate().filter(expired);
        slots.map(|(slot, _)| slot).take(DELETES).collect()
    }

    /// How an entry gets into its slot. `quota` is what a tenant may have in this group.
    fn plan(&self, slot: usize, new: Record, quota: u64, now: u64) -> Plan {
        let mut delete = self.expired(now);
        // What is written over needs no deletion.
        delete.retain(|expired| *expired != slot);
        let live = |index: usize| -> Option<&Record> {
            self.0
                .get(index)
                .filter(|r| r.expires > now && index != slot && !delete.contains(&index))
        };
        let refused = |delete| Plan {
            delete,
            admitted: false,
        };
        if u64::from(new.bytes) > quota {
            return refused(delete);
        }
        let holder = self.0.get(slot).filter(|r| r.expires > now);
        if let Some(holder) = holder.filter(|r| r.tenant != new.tenant)
            && self.held(holder.tenant, now) <= self.fair_share(new.tenant, now)
        {
            return refused(delete);
        }
        let mut own: Vec<(usize, &Record)> = (0..SLOTS)
            .filter_map(|index| Some((index, live(index)?)))
            .filter(|(_, r)| r.tenant == new.tenant)
            .collect();
        own.sort_by_key(|(_, r)| r.expires);
        let mut held: u64 = own.iter().map(|(_, r)| u64::from(r.bytes)).sum();
        let mut evicted = Vec::new();
        for (index, record) in own {
            if held + u64::from(new.bytes) <= quota {
                break;
            }
            held -= u64::from(record.bytes);
            evicted.push(index);
        }
        if evicted.len() > DELETES {
            // More would be too much for one write; what goes now makes room for the next.
            evicted.truncate(DELETES);
            delete.extend(evicted);
            return refused(delete);
        }
        delete.extend(evicted);
        Plan {
            delete,
            admitted: true,
        }
    }

    /// How many slots a tenant holds.
    fn held(&self, tenant: u32, now: u64) -> usize {
        self.0
            .iter()
            .filter(|r| r.expires > now && r.tenant == tenant)
            .count()
    }

    /// How many slots each tenant may hold against the others, this one among them.
    fn fair_share(&self, newcomer: u32, now: u64) -> usize {
        let mut tenants: Vec<u32> = self
            .0
            .iter()
            .filter(|r| r.expires > now)
            .map(|r| r.tenant)
            .collect();
        tenants.push(newcomer);
        tenants.sort_unstable();
        tenants.dedup();
        SLOTS / tenants.len().max(1)
    }
}

impl Default for Index {
    fn default() -> Self {
        Self([Record::default(); SLOTS])
    }
}

/// FNV-1a: tenants are told apart by it in an index, nothing depends on it being hard to guess.
fn tenant_hash(tenant: &str) -> u32 {
    tenant.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
