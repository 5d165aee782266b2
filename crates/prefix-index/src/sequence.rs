//! What a batch's sequence number says about the stream: in order, again, a gap, or a new engine.

use std::ops::Range;

/// What to do with a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// It is the next one.
    Next,
    /// It was seen before.
    Again,
    /// Batches before it are missing.
    After {
        /// Their sequence numbers.
        missing: Range<u64>,
    },
    /// The engine has started anew: what it held is gone. Batches before this one may be missing.
    Restarted {
        /// Their sequence numbers.
        missing: Range<u64>,
    },
}

/// Follows one engine's sequence numbers.
#[derive(Debug, Clone, Default)]
pub struct Sequence {
    next: Option<u64>,
    last_timestamp: f64,
    first_timestamp: Option<f64>,
}

impl Sequence {
    /// The number that is expected, once one was seen.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.next
    }

    /// Takes in a batch's number and the engine's clock in it, in seconds.
    ///
    /// A number below the expected one is a repeat, unless the clock is later than the last batch's
    /// or the number is 0 with another clock than the stream's first batch had: then the engine has
    /// restarted. A clock that jumps back at a restart is covered by the second condition.
    pub fn arrived(&mut self, number: u64, timestamp: f64) -> Arrival {
        let arrival = match self.next {
            None if number == 0 => Arrival::Next,
            None => Arrival::After { missing: 0..number },
            Some(next) if number == next => Arrival::Next,
            Some(next) if number > next => Arrival::After {
                missing: next..number,
            },
            Some(_) => {
                let other_first = self.first_timestamp.is_none_or(|first| first != timestamp);
                if timestamp > self.last_timestamp || (number == 0 && other_first) {
                    self.first_timestamp = None;
                    Arrival::Restarted { missing: 0..number }
                } else {
                    return Arrival::Again;
                }
            }
        };
        if number == 0 {
            self.first_timestamp = Some(timestamp);
        }
        self.last_timestamp = timestamp;
        // A number at the end of its range has no successor; the next batch is then a restart.
        self.next = Some(number.saturating_add(1));
        arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_in_order_are_next_and_repeats_are_again() {
        let mut sequence = Sequence::default();
        for number in 0..4 {
            assert_eq!(sequence.arrived(number, number as f64), Arrival::Next);
        }
        for number in 0..4 {
            assert_eq!(sequence.arrived(number, number as f64), Arrival::Again);
        }
        assert_eq!(sequence.arrived(4, 4.0), Arrival::Next);
    }

    #[test]
    fn a_late_joiner_and_a_gap_miss_the_numbers_between() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.arrived(7, 1.0), Arrival::After { missing: 0..7 });
        assert_eq!(sequence.arrived(8, 2.0), Arrival::Next);
        assert_eq!(sequence.arrived(11, 3.0), Arrival::After { missing: 9..11 });
        assert_eq!(sequence.next(), Some(12));
    }

    #[test]
    fn a_restart_is_seen_whether_its_first_batch_arrives_or_not() {
        let mut sequence = Sequence::default();
        for number in 0..10 {
            sequence.arrived(number, 100.0 + number as f64);
        }
        let restarted = |missing| Arrival::Restarted { missing };
        assert_eq!(sequence.arrived(0, 200.0), restarted(0..0));
        assert_eq!(sequence.arrived(1, 201.0), Arrival::Next);
        // The clock went back, and the first batch arrives.
        assert_eq!(sequence.arrived(0, 50.0), restarted(0..0));
        assert_eq!(sequence.arrived(1, 51.0), Arrival::Next);
        assert_eq!(sequence.arrived(2, 52.0), Arrival::Next);
        // The first batch was lost.
        assert_eq!(sequence.arrived(1, 60.0), restarted(0..1));
        // A repeat of a first batch is no restart.
        let mut sequence = Sequence::default();
        sequence.arrived(0, 1.0);
        sequence.arrived(1, 2.0);
        assert_eq!(sequence.arrived(0, 1.0), Arrival::Again);
    }

    #[test]
    fn the_largest_number_does_not_overflow() {
        let mut sequence = Sequence::default();
        sequence.arrived(u64::MAX, 1.0);
        sequence.arrived(u64::MAX, 1.0);
        assert_eq!(
            sequence.arrived(0, 2.0),
            Arrival::Restarted { missing: 0..0 }
        );
        assert_eq!(sequence.arrived(1, f64::NAN), Arrival::Next);
    }
}
