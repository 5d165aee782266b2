//! Whether a replica still speaks: one that says nothing on any of its streams while several wait
//! for it is better not asked, long before the first of them runs into its time limit.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many streams have to wait for their first byte. A single one may have a long prompt.
const ENOUGH: u32 = 3;
/// Silence of this share of a stream's time limit is suspicious.
const SHARE_OF_LIMIT: u32 = 4;

/// When a replica was last heard, and how many wait to hear from it.
#[derive(Debug, Default)]
pub(super) struct Silence(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Streams that wait for their first byte.
    waiting: u32,
    /// When anything of any stream came last, or when the first of those who wait began to.
    heard: Option<Instant>,
    /// How long it may be silent.
    patience: Duration,
    /// When anything of an answer came last.
    spoke: Option<Instant>,
}

impl Silence {
    /// A stream waits for its first byte, for so long at most.
    pub(super) fn waits(&self, limit: Duration, now: Instant) {
        let mut state = self.lock();
        if state.waiting == 0 {
            state.heard = Some(now);
        }
        state.waiting = state.waiting.saturating_add(1);
        state.patience = limit / SHARE_OF_LIMIT;
    }

    /// A stream waits no longer, whatever came of it.
    pub(super) fn waits_no_longer(&self) {
        let mut state = self.lock();
        state.waiting = state.waiting.saturating_sub(1);
    }

    /// Something came.
    pub(super) fn heard(&self, now: Instant) {
        let mut state = self.lock();
        state.heard = Some(now);
        state.spoke = Some(now);
    }

    /// A whole answer came. That says nothing about streams.
    pub(super) fn spoke(&self, now: Instant) {
        self.lock().spoke = Some(now);
    }

    /// Whether anything has come since then.
    pub(super) fn spoke_since(&self, then: Instant) -> bool {
        self.lock().spoke.is_some_and(|at| at >= then)
    }

    /// Since when it has been silent for too long.
    pub(super) fn since(&self, now: Instant) -> Option<Instant> {
        let state = self.lock();
        let silent = state.waiting >= ENOUGH;
        let heard = state.heard.filter(|_| silent)?;
        (now.saturating_duration_since(heard) >= state.patience).then_some(heard)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that runs under the lock can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn who_lets_several_streams_wait_and_says_nothing_is_silent() {
        let (silence, began) = (Silence::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        (0..2).for_each(|_| silence.waits(LIMIT, began));
        assert_eq!(silence.since(at(50)), None, "two may have long prompts");
        silence.waits(LIMIT, at(1));
        assert_eq!(silence.since(at(14)), None, "not for long enough");
        assert_eq!(silence.since(at(15)), Some(began));
        silence.heard(at(16));
        assert_eq!(silence.since(at(17)), None, "it speaks on another stream");
        assert_eq!(silence.since(at(31)), Some(at(16)));
        silence.waits_no_longer();
        assert_eq!(silence.since(at(40)), None);
    }

    #[test]
    fn silence_begins_anew_with_the_first_who_waits() {
        let (silence, began) = (Silence::default(), Instant::now());
        silence.heard(began);
        let later = began + LIMIT;
        (0..3).for_each(|_| silence.waits(LIMIT, later));
        assert_eq!(silence.since(later), None);
    }
}
