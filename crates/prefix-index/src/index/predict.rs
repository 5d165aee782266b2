//! What is believed without an event: prompts that were sent, and what their answers told.

use std::time::Duration;

use super::plane::MAX_PREDICTED;
use super::{Index, WorkerId};
use crate::state::State;
use crate::table::Table;

impl Index {
    /// A prompt was sent to a worker: it will hold these blocks. `now` is any clock that does not
    /// go back; if it does, predictions live longer, never forever.
    pub fn predict(&mut self, worker: WorkerId, chain: &[u64], now: Duration) {
        let life = self.life();
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
        plane.rotate(now, life);
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
}
