//! One engine's stream applied to the index: what a gap, a late join and a restart do to its state.

use std::collections::BTreeMap;
use std::ops::Range;

use forebay_prefix_index::{Arrival, Index, Sequence, State, Why, WorkerId};

use crate::message::Message;

#[derive(Debug)]
pub(crate) struct Stream {
    worker: WorkerId,
    sequence: Sequence,
    /// The last batch that was seen: its number and the engine's clock in it.
    last: Option<(u64, f64)>,
    joined: bool,
    /// The connection was lost since then: the next batch may be another engine's.
    doubted: bool,
    lost: u64,
    malformed: u64,
}

impl Stream {
    pub(crate) fn new(worker: WorkerId) -> Self {
        Self {
            worker,
            sequence: Sequence::default(),
            last: None,
            joined: false,
            doubted: false,
            lost: 0,
            malformed: 0,
        }
    }

    pub(crate) fn worker(&self) -> WorkerId {
        self.worker
    }

    /// The last batch that was seen: its number and the engine's clock in it.
    pub(crate) fn last(&self) -> Option<(u64, f64)> {
        self.last
    }

    /// The connection was lost. An engine that starts anew may have got as far as the number that is
    /// expected next.
    pub(crate) fn interrupted(&mut self) {
        self.doubted = true;
    }

    /// Applies a message if nothing is missing before it, else says what is. The range is empty for
    /// the first message after an interruption: a replay has to show whose it is.
    pub(crate) fn arrived(&mut self, message: &Message, index: &mut Index) -> Option<Range<u64>> {
        let arrival = self
            .sequence
            .arrived(message.number, message.batch.timestamp);
        if arrival == Arrival::Again {
            return None;
        }
        let doubted = std::mem::take(&mut self.doubted) && self.joined;
        let missing = match arrival {
            Arrival::Again => return None,
            Arrival::Next if message.number == 0 => {
                self.begins(index);
                0..0
            }
            Arrival::Next if doubted => {
                self.last = Some((message.number, message.batch.timestamp));
                return Some(message.number..message.number);
            }
            Arrival::Next => 0..0,
            Arrival::Restarted { missing } => {
                self.begins(index);
                missing
            }
            Arrival::After { missing } => missing,
        };
        self.last = Some((message.number, message.batch.timestamp));
        if missing.is_empty() {
            index.continues(self.worker);
            index.apply(self.worker, &message.batch);
            return None;
        }
        Some(missing)
    }

    fn begins(&mut self, index: &mut Index) {
        self.joined = true;
        (self.lost, self.malformed) = (0, 0);
        index.begins(self.worker);
    }

    /// Applies what a replay gave of the missing messages, and the one that showed the gap.
    pub(crate) fn replayed(
        &mut self,
        missing: Range<u64>,
        replayed: Vec<Message>,
        message: Message,
        index: &mut Index,
    ) {
        let by_number: BTreeMap<u64, Message> = replayed
            .into_iter()
            .filter(|message| missing.contains(&message.number))
            .map(|message| (message.number, message))
            .collect();
        let found = by_number.len() as u64;
        // A stream known from its first batch is known whole, whenever it was joined.
        if !self.joined && missing.start == 0 && by_number.contains_key(&0) {
            self.begins(index);
        }
        let lacking = (missing.end - missing.start).saturating_sub(found);
        if lacking == 0 {
            index.continues(self.worker);
        } else {
            let why = match self.joined {
                true => {
                    self.lost = self.lost.saturating_add(lacking);
                    Why::Lost { batches: self.lost }
                }
                false => Why::LateJoin {
                    first: by_number.keys().next().copied().unwrap_or(message.number),
                },
            };
            index.degrade(self.worker, State::Degraded, why);
        }
        self.joined = true;
        for message in by_number.into_values() {
            index.apply(self.worker, &message.batch);
        }
        index.apply(self.worker, &message.batch);
    }

    /// A message could not be read: whatever it said is lost. Its number is missing next. Returns
    /// how many there were so far.
    pub(crate) fn malformed(&mut self, index: &mut Index) -> u64 {
        self.malformed += 1;
        let state = match self.joined {
            true => State::Degraded,
            false => State::Fallback,
        };
        let count = self.malformed;
        index.degrade(self.worker, state, Why::Malformed { count });
        count
    }
}

/// Whether a replay shows, under the number of the last batch seen, a batch of another time: then
/// the engine has restarted and has already passed that number.
pub(crate) fn is_another_engine(last: Option<(u64, f64)>, replayed: &[Message]) -> bool {
    last.is_some_and(|(number, timestamp)| {
        replayed
            .iter()
            .any(|one| one.number == number && one.batch.timestamp != timestamp)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use forebay_prefix_index::{Batch, Event, Naming, Stored};

    use super::*;

    fn index() -> (Index, Stream) {
        let mut index = Index::new(Naming::Engine(forebay_prefix::ChainSpec::default()));
        let worker = index.add_worker(None).unwrap();
        (index, Stream::new(worker))
    }

    /// Batch n stores block n, after a block so that no hash is verified.
    fn message(number: u64, timestamp: f64) -> Message {
        let stored = Stored {
            blocks: vec![number],
            parent: Some(0),
            block_size: 16,
            ..Stored::default()
        };
        Message {
            number,
            batch: Batch {
                timestamp,
                events: vec![Event::Stored(stored)],
                rank: 0,
            },
        }
    }

    fn holds(index: &Index, block: u64) -> bool {
        let mut held = Vec::new();
        index.lookup(&[block], Duration::ZERO, &mut held);
        held == [1]
    }

    #[test]
    fn a_stream_from_its_start_is_exact_and_a_gap_that_is_replayed_stays_so() {
        let (mut index, mut stream) = index();
        assert_eq!(stream.arrived(&message(0, 1.0), &mut index), None);
        assert_eq!(index.state(stream.worker).0, State::Exact);
        let late = message(3, 4.0);
        let missing = stream.arrived(&late, &mut index).unwrap();
        assert_eq!(missing, 1..3);
        // Replays come in any order, and with more than was asked for.
        let replayed = vec![message(2, 3.0), message(0, 1.0), message(1, 2.0)];
        stream.replayed(missing, replayed, late, &mut index);
        assert_eq!(index.state(stream.worker), (State::Exact, None));
        assert!((0..4).all(|block| holds(&index, block)));
    }

    #[test]
    fn a_gap_that_is_not_replayed_degrades_and_a_restart_makes_exact_again() {
        let (mut index, mut stream) = index();
        stream.arrived(&message(0, 1.0), &mut index);
        let late = message(3, 4.0);
        let missing = stream.arrived(&late, &mut index).unwrap();
        stream.replayed(missing, vec![message(2, 3.0)], late, &mut index);
        let state = index.state(stream.worker);
        assert_eq!(state, (State::Degraded, Some(&Why::Lost { batches: 1 })));
        assert!(holds(&index, 2) && holds(&index, 3) && !holds(&index, 1));
        assert_eq!(stream.arrived(&message(0, 9.0), &mut index), None);
        assert_eq!(index.state(stream.worker), (State::Exact, None));
        assert!(holds(&index, 0) && !holds(&index, 3));
    }

    #[test]
    fn a_late_joiner_is_exact_only_if_the_replay_reaches_back_to_the_start() {
        let (mut index, mut stream) = index();
        let first = message(2, 3.0);
        let missing = stream.arrived(&first, &mut index).unwrap();
        stream.replayed(missing, vec![message(1, 2.0)], first, &mut index);
        let state = index.state(stream.worker);
        assert_eq!(state, (State::Degraded, Some(&Why::LateJoin { first: 1 })));

        let (mut index, mut stream) = self::index();
        let first = message(2, 3.0);
        let missing = stream.arrived(&first, &mut index).unwrap();
        let replayed = vec![message(0, 1.0), message(1, 2.0)];
        stream.replayed(missing, replayed, first, &mut index);
        assert_eq!(index.state(stream.worker), (State::Exact, None));
    }

    #[test]
    fn a_restart_whose_first_batches_were_lost_forgets_the_old_engine() {
        let (mut index, mut stream) = index();
        (0..5).for_each(|number| {
            stream.arrived(&message(number, number as f64), &mut index);
        });
        let first = message(1, 50.0);
        let missing = stream.arrived(&first, &mut index).unwrap();
        assert_eq!(missing, 0..1);
        stream.replayed(missing, Vec::new(), first, &mut index);
        assert!(holds(&index, 1) && !holds(&index, 4));
        assert_eq!(index.state(stream.worker).0, State::Degraded);
    }

    #[test]
    fn messages_that_do_not_decode_show_in_the_state() {
        let (mut index, mut stream) = index();
        stream.malformed(&mut index);
        let state = index.state(stream.worker);
        assert_eq!(state, (State::Fallback, Some(&Why::Malformed { count: 1 })));
        stream.arrived(&message(0, 1.0), &mut index);
        assert_eq!(index.state(stream.worker).0, State::Exact);
        stream.malformed(&mut index);
        assert_eq!(index.state(stream.worker).0, State::Degraded);
    }

    #[test]
    fn a_restart_that_has_passed_the_last_number_shows_in_the_replay() {
        let (mut index, mut stream) = index();
        stream.arrived(&message(0, 1.0), &mut index);
        stream.arrived(&message(1, 2.0), &mut index);
        let same = [message(1, 2.0), message(2, 3.0)];
        let other = [message(1, 70.0), message(2, 71.0)];
        assert!(!is_another_engine(stream.last(), &same));
        assert!(is_another_engine(stream.last(), &other));
        assert!(!is_another_engine(None, &other));
    }

    #[test]
    fn after_an_interruption_the_expected_number_is_taken_only_once_it_is_known_whose_it_is() {
        let (mut index, mut stream) = index();
        stream.arrived(&message(0, 1.0), &mut index);
        stream.interrupted();
        // A repeat says nothing of who is there now.
        assert_eq!(stream.arrived(&message(0, 1.0), &mut index), None);
        let next = message(1, 2.0);
        let missing = stream.arrived(&next, &mut index);
        assert_eq!(missing, Some(1..1));
        assert!(!holds(&index, 1));
        stream.replayed(1..1, vec![message(0, 1.0)], next, &mut index);
        assert!(holds(&index, 0) && holds(&index, 1));
        assert_eq!(index.state(stream.worker), (State::Exact, None));
        assert_eq!(stream.arrived(&message(2, 3.0), &mut index), None);
        // A new stream has nothing to doubt.
        let (mut index, mut stream) = self::index();
        stream.interrupted();
        assert_eq!(stream.arrived(&message(0, 1.0), &mut index), None);
        assert_eq!(index.state(stream.worker), (State::Exact, None));
    }

    #[test]
    fn an_engine_that_was_out_of_reach_is_exact_again_if_nothing_was_missed() {
        let (mut index, mut stream) = index();
        stream.arrived(&message(0, 1.0), &mut index);
        index.unreachable(stream.worker);
        let state = index.state(stream.worker);
        assert_eq!(state, (State::Degraded, Some(&Why::Unreachable)));
        assert!(holds(&index, 0));
        stream.arrived(&message(1, 2.0), &mut index);
        assert_eq!(index.state(stream.worker), (State::Exact, None));
        // What was lost meanwhile is not forgiven.
        index.unreachable(stream.worker);
        let late = message(3, 4.0);
        let missing = stream.arrived(&late, &mut index).unwrap();
        stream.replayed(missing, Vec::new(), late, &mut index);
        let state = index.state(stream.worker);
        assert_eq!(state, (State::Degraded, Some(&Why::Lost { batches: 1 })));
    }

    #[test]
    fn repeats_change_nothing() {
        let (mut index, mut stream) = index();
        stream.arrived(&message(0, 1.0), &mut index);
        let mut again = message(0, 1.0);
        again.batch.events = vec![Event::Cleared];
        assert_eq!(stream.arrived(&again, &mut index), None);
        assert!(holds(&index, 0));
    }
}
