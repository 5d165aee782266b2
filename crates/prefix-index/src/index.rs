//! Workers × blocks: applies events, remembers predictions, answers lookups.

use std::collections::HashMap;
use std::time::Duration;

use crate::event::{Batch, Event, Stored};
use crate::hasher::BuildKeyHasher;
use crate::lru::Lru;
use crate::naming::{Naming, routed_block};
use crate::state::{State, Why};
use crate::table::Table;
use crate::window::{Group, Groups, longest_hit};

/// Workers in one plane: a block's holders are the bits of one word.
const PLANE: usize = 64;

/// The most workers of one index: sixteen lookups a block.
pub const MAX_WORKERS: usize = 16 * PLANE;

/// Predictions of one plane and one lifetime; the oldest are forgotten early beyond that. A million
/// blocks of 16 tokens are some thousand long prompts.
const MAX_PREDICTED: usize = 1 << 20;

/// How long a prediction counts before an event confirms it: at least this, at most twice. Most
/// prompts are computed within a few seconds; Dynamo takes 5, llm-d 2.
pub const PREDICTION_LIFE: Duration = Duration::from_secs(5);

/// Blocks that a worker without events is assumed to hold where nothing else is known: 500,000
/// tokens in blocks of 16.
pub const DEFAULT_CAPACITY: usize = 31_250;

/// A worker of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(u32);

impl WorkerId {
    /// Its place in the results of lookups.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The index has as many workers as it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an index has at most {MAX_WORKERS} workers")]
pub struct TooManyWorkers;

#[derive(Debug, Default)]
struct Plane {
    held: Table,
    /// Blocks of groups that a plain lookup does not count, by key and group.
    windowed: Table,
    /// Predictions, and those of the lifetime before.
    predicted: [Table; 2],
    rotated: Duration,
}

#[derive(Debug)]
struct Worker {
    plane: usize,
    bit: u64,
    state: State,
    why: Option<Why>,
    groups: Groups,
    /// Blocks held, of all groups.
    blocks: u64,
    /// The engine's names of blocks, where the index has names of its own.
    names: HashMap<u64, u64, BuildKeyHasher>,
    /// What it is assumed to hold while it is in fallback.
    lru: Lru,
    orphans: u64,
    verified: bool,
}

/// Which worker holds which blocks.
#[derive(Debug)]
pub struct Index {
    naming: Naming,
    planes: Vec<Plane>,
    workers: Vec<Worker>,
}

/// A block's key in the table of groups.
fn in_group(key: u64, group: u32) -> u64 {
    key ^ u64::from(group)
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Index {
    /// An index without workers.
    #[must_use]
    pub fn new(naming: Naming) -> Self {
        Self {
            naming,
            planes: Vec::new(),
            workers: Vec::new(),
        }
    }

    /// How it names blocks.
    #[must_use]
    pub fn naming(&self) -> &Naming {
        &self.naming
    }

    /// Adds a worker, in fallback until events arrive. `capacity` is its cache in blocks.
    ///
    /// # Errors
    /// [`TooManyWorkers`] beyond [`MAX_WORKERS`].
    pub fn add_worker(&mut self, capacity: Option<usize>) -> Result<WorkerId, TooManyWorkers> {
        let index = self.workers.len();
        if index >= MAX_WORKERS {
            return Err(TooManyWorkers);
        }
        let plane = index / PLANE;
        if plane == self.planes.len() {
            self.planes.push(Plane::default());
        }
        self.workers.push(Worker {
            plane,
            bit: 1 << (index % PLANE),
            state: State::Fallback,
            why: Some(Why::NoEvents),
            groups: Groups::default(),
            blocks: 0,
            names: HashMap::default(),
            lru: Lru::new(capacity.unwrap_or(DEFAULT_CAPACITY)),
            orphans: 0,
            verified: false,
        });
        Ok(WorkerId(index as u32))
    }

    /// A worker's cache has room for so many blocks: what it is assumed to hold while it is in
    /// fallback. What no longer fits is forgotten, all at once.
    pub fn set_capacity(&mut self, worker: WorkerId, blocks: usize) {
        let lru = &mut self.workers[worker.index()].lru;
        if !lru.set_capacity(blocks) {
            if self.workers[worker.index()].state == State::Fallback {
                self.forget(worker);
            }
            self.workers[worker.index()].lru = Lru::new(blocks);
        }
    }

    /// Workers so far.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// How well a worker's cache is known, and why not better.
    #[must_use]
    pub fn state(&self, worker: WorkerId) -> (State, Option<&Why>) {
        let worker = &self.workers[worker.index()];
        (worker.state, worker.why.as_ref())
    }

    /// Blocks that a worker holds as far as known.
    #[must_use]
    pub fn blocks(&self, worker: WorkerId) -> u64 {
        self.workers[worker.index()].blocks
    }

    /// Bytes that the tables take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let tables = self.planes.iter().map(|plane| {
            let [new, old] = &plane.predicted;
            plane.held.bytes() + plane.windowed.bytes() + new.bytes() + old.bytes()
        });
        let names = self
            .workers
            .iter()
            .map(|worker| worker.names.capacity() * 17);
        tables.sum::<usize>() + names.sum::<usize>()
    }

    /// A worker's cache is now known to be empty, and events follow from here: it started anew, or
    /// its first batch was seen.
    pub fn begins(&mut self, worker: WorkerId) {
        self.forget(worker);
        let worker = &mut self.workers[worker.index()];
        worker.state = State::Exact;
        worker.why = None;
        worker.orphans = 0;
    }

    /// Something about a worker went wrong. A state that is worse already stays.
    pub fn degrade(&mut self, worker: WorkerId, state: State, why: Why) {
        let was = self.workers[worker.index()].state;
        if state == State::Fallback && was != State::Fallback {
            self.forget(worker);
        }
        let worker = &mut self.workers[worker.index()];
        // Late joiners and gaps follow fallback without events: events have arrived since.
        if state >= was || worker.why == Some(Why::NoEvents) {
            worker.state = state;
            worker.why = Some(why);
        }
    }

    /// A worker's events can't be received. What is known of it stays: it may be stale.
    pub fn unreachable(&mut self, worker: WorkerId) {
        if self.workers[worker.index()].state == State::Exact {
            self.degrade(worker, State::Degraded, Why::Unreachable);
        }
    }

    /// An event has come with nothing missing before it: being unreachable lost nothing.
    pub fn continues(&mut self, worker: WorkerId) {
        let worker = &mut self.workers[worker.index()];
        if worker.why == Some(Why::Unreachable) {
            worker.state = State::Exact;
            worker.why = None;
        }
    }

    /// Forgets everything that a worker holds.
    fn forget(&mut self, worker: WorkerId) {
        let worker = &mut self.workers[worker.index()];
        worker.names = HashMap::default();
        worker.lru = Lru::new(worker.lru.capacity());
        if std::mem::take(&mut worker.blocks) > 0 {
            let plane = &mut self.planes[worker.plane];
            for table in [&mut plane.held, &mut plane.windowed] {
                let mut shard = 0;
                while table.sweep(shard, worker.bit) {
                    shard += 1;
                }
            }
        }
        let plane = &mut self.planes[worker.plane];
        for table in &mut plane.predicted {
            let mut shard = 0;
            while table.sweep(shard, worker.bit) {
                shard += 1;
            }
        }
    }

    /// Applies a batch that is next in order; gives the number of blocks it changed. A worker in
    /// fallback because its events are unusable ignores them.
    pub fn apply(&mut self, worker: WorkerId, batch: &Batch) -> u64 {
        let mut changed = 0;
        for event in &batch.events {
            let unusable = matches!(
                self.workers[worker.index()].why,
                Some(Why::BlockSize { .. } | Why::Hashes)
            );
            match event {
                Event::Cleared => self.begins(worker),
                _ if unusable => {}
                Event::Stored(stored) => changed += self.stored(worker, stored),
                Event::Removed {
                    blocks,
                    medium,
                    group,
                } => changed += self.removed(worker, blocks, medium, group.unwrap_or(0)),
                Event::Unknown(_) => {}
            }
        }
        changed
    }

    fn stored(&mut self, id: WorkerId, stored: &Stored) -> u64 {
        let configured = self.naming.block_size();
        if stored.block_size != configured {
            // What a hybrid model's other groups cut otherwise is not this index's.
            if stored.group.unwrap_or(0) == 0 {
                let why = Why::BlockSize {
                    engine: stored.block_size,
                    configured,
                };
                self.degrade(id, State::Fallback, why);
            }
            return 0;
        }
        if !on_device(&stored.medium) {
            return 0;
        }
        if !self.verify(id, stored) {
            self.degrade(id, State::Fallback, Why::Hashes);
            return 0;
        }
        let worker = &mut self.workers[id.index()];
        if worker.state == State::Fallback {
            // Events from the middle of a stream: the caller says so where it knows.
            worker.lru = Lru::new(worker.lru.capacity());
            worker.state = State::Degraded;
        }
        let group = stored.group.unwrap_or(0);
        let needs = Group::new(&stored.kind, stored.window, configured);
        worker.groups.learn(group, needs);
        let main = worker.groups.is_main(group);
        let keys = match keys(&self.naming, worker, stored) {
            Some(keys) => keys,
            None => {
                worker.orphans += stored.blocks.len() as u64;
                let blocks = worker.orphans;
                self.degrade(id, State::Degraded, Why::Orphans { blocks });
                return 0;
            }
        };
        let plane = &mut self.planes[worker.plane];
        let mut changed = 0;
        for key in keys.iter().copied() {
            let before = if main {
                plane.held.insert(key, worker.bit)
            } else {
                plane.windowed.insert(in_group(key, group), worker.bit)
            };
            changed += u64::from(before & worker.bit == 0);
        }
        worker.blocks += changed;
        keys.len() as u64
    }

    /// Whether the engine names blocks as the index expects; looks at the first block that shows it.
    fn verify(&mut self, id: WorkerId, stored: &Stored) -> bool {
        let worker = &mut self.workers[id.index()];
        let Naming::Engine(spec) = &self.naming else {
            return true;
        };
        let plain = stored.parent.is_none()
            && stored.lora_name.is_none()
            && stored.extra_keys.first().is_none_or(Option::is_none)
            && stored.tokens.len() >= spec.block_size;
        if worker.verified || !plain {
            return true;
        }
        let plain_spec = forebay_prefix::ChainSpec {
            lora: None,
            cache_salt: None,
            mm: Vec::new(),
            ..spec.clone()
        };
        let first = plain_spec.chain(&stored.tokens[..spec.block_size]);
        worker.verified =
            first.first().map(forebay_prefix::BlockHash::low64) == stored.blocks.first().copied();
        worker.verified
    }

    fn removed(&mut self, id: WorkerId, blocks: &[u64], medium: &str, group: u32) -> u64 {
        if !on_device(medium) {
            return 0;
        }
        let worker = &mut self.workers[id.index()];
        let plane = &mut self.planes[worker.plane];
        let main = worker.groups.is_main(group);
        let routed = matches!(self.naming, Naming::Routed { .. });
        let mut removed = 0;
        for block in blocks.iter().copied() {
            let key = match routed {
                true => match worker.names.remove(&in_group(block, group)) {
                    Some(key) => key,
                    None => continue,
                },
                false => block,
            };
            let before = if main {
                for table in &mut plane.predicted {
                    if table.len() > 0 {
                        table.remove(key, worker.bit);
                    }
                }
                plane.held.remove(key, worker.bit)
            } else {
                plane.windowed.remove(in_group(key, group), worker.bit)
            };
            removed += u64::from(before & worker.bit != 0);
        }
        worker.blocks = worker.blocks.saturating_sub(removed);
        removed
    }

    /// A prompt was sent to a worker: it will hold these blocks. `now` is any clock that does not
    /// go back; if it does, predictions live longer, never forever.
    pub fn predict(&mut self, worker: WorkerId, chain: &[u64], now: Duration) {
        let worker = &mut self.workers[worker.index()];
        let plane = &mut self.planes[worker.plane];
        if worker.state == State::Fallback {
            for key in chain.iter().copied() {
                if let Some(left) = worker.lru.touch(key) {
                    let before = plane.held.remove(left, worker.bit);
                    worker.blocks -= u64::from(before & worker.bit != 0).min(worker.blocks);
                }
                let before = plane.held.insert(key, worker.bit);
                worker.blocks += u64::from(before & worker.bit == 0);
            }
            return;
        }
        plane.rotate(now);
        for key in chain.iter().copied() {
            if plane.held.get(key) & worker.bit == 0 {
                if plane.predicted[0].len() >= MAX_PREDICTED {
                    plane.predicted.swap(0, 1);
                    plane.predicted[0] = Table::default();
                }
                plane.predicted[0].insert(key, worker.bit);
            }
        }
    }

    /// A prompt's first token has come from a worker: all its blocks are in that worker's cache now,
    /// whatever was lost on the way.
    pub fn computed(&mut self, worker: WorkerId, chain: &[u64]) {
        let worker = &mut self.workers[worker.index()];
        if worker.state == State::Fallback {
            // It was added to the LRU when it was routed.
            return;
        }
        let plane = &mut self.planes[worker.plane];
        for key in chain {
            let before = plane.held.insert(*key, worker.bit);
            worker.blocks += u64::from(before & worker.bit == 0);
        }
    }

    /// An engine found only `found` leading blocks of a prompt in its cache: what was believed
    /// beyond them was stale. Call it before [`Self::computed`].
    pub fn missed(&mut self, worker: WorkerId, chain: &[u64], found: usize) {
        let worker = &mut self.workers[worker.index()];
        let plane = &mut self.planes[worker.plane];
        // Only the first missing block is known to be missing, but nothing behind it can be used.
        if let Some(missing) = chain.get(found) {
            let before = plane.held.remove(*missing, worker.bit);
            worker.blocks -= u64::from(before & worker.bit != 0).min(worker.blocks);
        }
    }

    /// How many leading blocks of a chain each worker holds, by worker, into `held`. Predictions
    /// that have not expired at `now` count.
    pub fn lookup(&self, chain: &[u64], now: Duration, held: &mut Vec<u32>) {
        held.clear();
        held.resize(self.workers.len(), 0);
        for (plane, held) in self.planes.iter().zip(held.chunks_mut(PLANE)) {
            plane.lookup(chain, now, held);
        }
        for (worker, held) in self.workers.iter().zip(held) {
            for (group, needs) in worker.groups.others() {
                let windowed = &self.planes[worker.plane].windowed;
                let has =
                    |block: usize| windowed.get(in_group(chain[block], group)) & worker.bit != 0;
                *held = longest_hit(needs, *held as usize, has) as u32;
            }
        }
    }
}

/// Whether blocks in this medium can be used without loading: vLLM calls it GPU, and older engines
/// don't say.
fn on_device(medium: &str) -> bool {
    matches!(medium, "" | "GPU" | "gpu")
}

/// The index's names of stored blocks; none if they follow a block that it does not know.
fn keys<'a>(
    naming: &Naming,
    worker: &mut Worker,
    stored: &'a Stored,
) -> Option<std::borrow::Cow<'a, [u64]>> {
    let Naming::Routed { block_size, scope } = naming else {
        return Some(stored.blocks.as_slice().into());
    };
    let group = stored.group.unwrap_or(0);
    let mut parent = match stored.parent {
        None => *scope,
        Some(parent) => *worker.names.get(&in_group(parent, group))?,
    };
    if stored.tokens.len() < stored.blocks.len().checked_mul(*block_size)? {
        return None;
    }
    let mut keys = Vec::with_capacity(stored.blocks.len());
    for (place, (block, tokens)) in stored
        .blocks
        .iter()
        .zip(stored.tokens.chunks_exact(*block_size))
        .enumerate()
    {
        let extra = stored.extra_keys.get(place).and_then(Option::as_deref);
        let lora = stored.lora_name.as_deref();
        parent = routed_block(parent, tokens, *scope, lora, extra.unwrap_or_default());
        worker.names.insert(in_group(*block, group), parent);
        keys.push(parent);
    }
    Some(keys.into())
}

impl Plane {
    /// Predictions live at least one lifetime and at most two.
    fn rotate(&mut self, now: Duration) {
        if now < self.rotated || now - self.rotated < PREDICTION_LIFE {
            return;
        }
        let lapsed = now - self.rotated >= 2 * PREDICTION_LIFE;
        self.rotated = now;
        self.predicted.swap(0, 1);
        self.predicted[0] = Table::default();
        if lapsed {
            self.predicted[1] = Table::default();
        }
    }

    fn lookup(&self, chain: &[u64], now: Duration, held: &mut [u32]) {
        let all = match held.len() {
            PLANE => u64::MAX,
            workers => (1 << workers) - 1,
        };
        // The older predictions lapse one lifetime after the last turn, the newer ones after two.
        let age = now.saturating_sub(self.rotated);
        let predicted: &[Table] = match () {
            () if age >= 2 * PREDICTION_LIFE => &[],
            () if age >= PREDICTION_LIFE => &self.predicted[..1],
            () => &self.predicted,
        };
        let mut hold = all;
        for (place, key) in chain.iter().enumerate() {
            let mut holders = self.held.get(*key);
            for table in predicted {
                if table.len() > 0 {
                    holders |= table.get(*key);
                }
            }
            let lost = hold & !holders;
            if lost != 0 {
                note(lost, place, held);
                hold &= holders;
                if hold == 0 {
                    return;
                }
            }
        }
        note(hold, chain.len(), held);
    }
}

/// Writes `blocks` for each worker whose bit is set.
fn note(mut workers: u64, blocks: usize, held: &mut [u32]) {
    while workers != 0 {
        let worker = workers.trailing_zeros() as usize;
        if let Some(held) = held.get_mut(worker) {
            *held = blocks as u32;
        }
        workers &= workers - 1;
    }
}
