//! Sixty-four workers: which of them hold a block, and which are expected to hold it soon.

use std::time::Duration;

use crate::table::{AT_ONCE, Cursor, Table};

/// Workers in one plane: a block's holders are the bits of one word.
pub(super) const PLANE: usize = 64;

/// Predictions of one plane and one lifetime; the oldest are forgotten early beyond that. A million
/// blocks of 16 tokens are some thousand long prompts.
pub(super) const MAX_PREDICTED: usize = 1 << 20;

/// Keys that are looked up together at first: few, since most lookups end early.
const FIRST: usize = 8;

/// How long a prediction counts before an event confirms it, beyond the time for which prompts wait:
/// at least this, at most twice. Most prompts are computed within a few seconds; Dynamo takes 5,
/// llm-d 2.
pub const PREDICTION_LIFE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Plane {
    pub(super) held: Table,
    /// Blocks of groups that a plain lookup does not count, by key and group.
    pub(super) windowed: Table,
    /// Predictions, and those of the lifetime before.
    pub(super) predicted: [Table; 2],
    rotated: Duration,
}

/// A block's key in the table of groups.
pub(super) fn in_group(key: u64, group: u32) -> u64 {
    key ^ u64::from(group)
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Plane {
    /// Predictions live at least one lifetime and at most two.
    pub(super) fn rotate(&mut self, now: Duration, life: Duration) {
        if now < self.rotated || now - self.rotated < life {
            return;
        }
        let lapsed = now - self.rotated >= 2 * life;
        self.rotated = now;
        self.predicted.swap(0, 1);
        self.predicted[0] = Table::default();
        if lapsed {
            self.predicted[1] = Table::default();
        }
    }

    pub(super) fn lookup(&self, chain: &[u64], now: Duration, life: Duration, held: &mut [u32]) {
        let all = match held.len() {
            PLANE => u64::MAX,
            workers => (1 << workers) - 1,
        };
        // The older predictions lapse one lifetime after the last turn, the newer ones after two.
        let age = now.saturating_sub(self.rotated);
        let predicted: &[Table] = match () {
            () if age >= 2 * life => &[],
            () if age >= life => &self.predicted[..1],
            () => &self.predicted,
        };
        let mut hold = all;
        let (mut rest, mut place, mut ahead) = (chain, 0, FIRST);
        let (mut at, mut expected) = (Cursor::default(), [Cursor::default(), Cursor::default()]);
        while !rest.is_empty() {
            let (next, later) = rest.split_at(ahead.min(rest.len()));
            (rest, ahead) = (later, AT_ONCE.min(2 * ahead));
            let mut holders = [0; AT_ONCE];
            self.held.get_each(next, &mut holders, &mut at);
            for (table, at) in predicted.iter().zip(&mut expected) {
                table.get_each(next, &mut holders, at);
            }
            for holders in holders.iter().take(next.len()) {
                let lost = hold & !holders;
                if lost != 0 {
                    note(lost, place, held);
                    hold &= holders;
                    if hold == 0 {
                        return;
                    }
                }
                place += 1;
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
