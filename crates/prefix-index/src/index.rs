//! Workers × blocks: the workers and their states, and lookups. `apply.rs` applies events,
//! `predict.rs` remembers what was sent, `plane.rs` holds the tables.

mod apply;
mod plane;
mod predict;

use std::collections::HashMap;
use std::time::Duration;

pub use plane::PREDICTION_LIFE;
use plane::{PLANE, Plane, in_group};

use crate::hasher::BuildKeyHasher;
use crate::lru::Lru;
use crate::naming::Naming;
use crate::state::{State, Why};
use crate::window::{Groups, longest_hit};

/// The most workers of one index: sixteen lookups a block.
pub const MAX_WORKERS: usize = 16 * PLANE;

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
    /// How long a prompt waits at most before it is computed.
    wait: Duration,
}

/// The longest wait that is believed. A prompt that waited longer was cancelled or given up.
const MAX_WAIT: Duration = Duration::from_secs(600);

impl Index {
    /// An index without workers.
    #[must_use]
    pub fn new(naming: Naming) -> Self {
        Self {
            naming,
            planes: Vec::new(),
            workers: Vec::new(),
            wait: Duration::ZERO,
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

    /// A prompt waits so long at most, at the worker with the most work, before it is computed.
    /// Predictions live that much longer: in a queue of a minute a prompt is not in any cache yet,
    /// and the next turn of its conversation belongs behind it.
    pub fn set_wait(&mut self, wait: Duration) {
        self.wait = wait.min(MAX_WAIT);
    }

    /// How long a prediction counts at least.
    fn life(&self) -> Duration {
        PREDICTION_LIFE + self.wait
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

    /// How many leading blocks of a chain each worker holds, by worker, into `held`. Predictions
    /// that have not expired at `now` count.
    pub fn lookup(&self, chain: &[u64], now: Duration, held: &mut Vec<u32>) {
        held.clear();
        held.resize(self.workers.len(), 0);
        for (plane, held) in self.planes.iter().zip(held.chunks_mut(PLANE)) {
            plane.lookup(chain, now, self.life(), held);
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
