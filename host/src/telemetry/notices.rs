//! What happens again and again is logged once, and then now and then with how often: a failover, a
//! rule that denies.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the same thing is not logged again.
const QUIET: Duration = Duration::from_secs(60);
/// The most things that are told apart. Beyond it those that were logged longest ago are forgotten.
const MAX_KINDS: usize = 512;

/// When things were logged, and how often they happened since.
#[derive(Debug, Default)]
pub(super) struct Notices(Mutex<HashMap<String, Told>>);

#[derive(Debug, Clone, Copy)]
struct Told {
    at: Instant,
    since: u64,
}

/// A thing that is to be logged now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Due {
    /// How often it happened since it was logged before, this time included.
    pub(super) times: u64,
    /// The same for each minute; none the first time.
    pub(super) per_minute: Option<f64>,
}

impl Notices {
    /// It happened: whether it is to be logged.
    pub(super) fn due(&self, what: &str, now: Instant) -> Option<Due> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = known.get_mut(what) {
            told.since += 1;
            let passed = now.saturating_duration_since(told.at);
            if passed < QUIET {
                return None;
            }
            let times = told.since;
            *told = Told { at: now, since: 0 };
            #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
            let per_minute = times as f64 * 60.0 / passed.as_secs_f64();
            return Some(Due {
                times,
                per_minute: Some(per_minute),
            });
        }
        if known.len() >= MAX_KINDS
            && let Some(oldest) = known.iter().min_by_key(|(_, told)| told.at)
        {
            let oldest = oldest.0.clone();
            known.remove(&oldest);
        }
        known.insert(what.to_owned(), Told { at: now, since: 0 });
        Some(Due {
            times: 1,
            per_minute: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_told_once_and_then_with_its_rate() {
        let (notices, start) = (Notices::default(), Instant::now());
        let first = notices.due("a", start).unwrap();
        assert_eq!((first.times, first.per_minute), (1, None));
        for second in 1..60 {
            let now = start + Duration::from_secs(second);
            assert_eq!(notices.due("a", now), None);
        }
        assert!(notices.due("b", start).is_some(), "each thing by itself");
        let again = notices.due("a", start + Duration::from_secs(120)).unwrap();
        assert_eq!((again.times, again.per_minute), (60, Some(30.0)));
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let (notices, start) = (Notices::default(), Instant::now());
        for n in 0..2000 {
            let now = start + Duration::from_millis(n);
            assert!(notices.due(&n.to_string(), now).is_some());
        }
        assert_eq!(notices.0.lock().unwrap().len(), MAX_KINDS);
    }
}
