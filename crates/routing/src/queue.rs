//! The prompts that a worker still has to compute, and how far it is.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::known_rate;

/// Prompts that were sent to a worker and whose first token has not come, the oldest first. Engines
/// compute prompts in the order in which they come, so the time since the oldest is being computed
/// tells how much of it is left. `T` is a moment.
#[derive(Debug)]
pub struct PrefillQueue<T> {
    /// Uncached tokens of each prompt, by its place.
    waiting: BTreeMap<u64, u64>,
    /// The place of the next.
    next: u64,
    /// Tokens of all that wait.
    tokens: u64,
    /// Since when the oldest is computed; none where that is not known.
    since: Option<T>,
}

impl<T> Default for PrefillQueue<T> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            next: 0,
            tokens: 0,
            since: None,
        }
    }
}

impl<T> PrefillQueue<T> {
    /// A prompt with so many uncached tokens is sent. Gives its place.
    pub fn sent(&mut self, tokens: u64, now: T) -> u64 {
        if self.waiting.is_empty() {
            self.since = Some(now);
        }
        let place = self.next;
        self.next += 1;
        self.waiting.insert(place, tokens);
        self.tokens = self.tokens.saturating_add(tokens);
        place
    }

    /// The prompt at a place is computed, or given up. `now` is needed where the next one's progress
    /// is to count.
    pub fn gone(&mut self, place: u64, now: Option<T>) {
        let first = self.waiting.first_key_value().map(|(first, _)| *first);
        if let Some(tokens) = self.waiting.remove(&place) {
            self.tokens = self.tokens.saturating_sub(tokens);
        }
        if first == Some(place) {
            self.since = now;
        }
    }

    /// Uncached tokens of the prompts that wait, none of them begun.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Tokens that are left to compute at a rate in tokens a second; 0 is unknown, and taken to be
    /// usual. At most the oldest prompt counts as computed: that the next is begun shows in its
    /// first token. `elapsed` gives the time since a moment.
    pub fn left(&self, rate: f64, elapsed: impl FnOnce(&T) -> Duration) -> u64 {
        let Some((_, oldest)) = self.waiting.first_key_value() else {
            return 0;
        };
        let computed = self
            .since
            .as_ref()
            .map_or(0.0, |since| elapsed(since).as_secs_f64() * known_rate(rate));
        self.tokens.saturating_sub((computed as u64).min(*oldest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_oldest_prompt_counts_as_begun() {
        let mut queue = PrefillQueue::default();
        let left = |queue: &PrefillQueue<u64>, now: u64| {
            queue.left(1_000.0, |since| Duration::from_secs(now - since))
        };
        assert_eq!(left(&queue, 9), 0);
        let first = queue.sent(5_000, 10);
        let second = queue.sent(3_000, 11);
        assert_eq!((queue.tokens(), left(&queue, 12)), (8_000, 6_000));
        // It takes longer than expected: the next is not begun.
        assert_eq!(left(&queue, 99), 3_000);
        queue.gone(first, Some(100));
        assert_eq!(left(&queue, 101), 2_000);
        // Whatever ends behind it says nothing about the oldest.
        let third = queue.sent(400, 101);
        queue.gone(third, Some(102));
        assert_eq!(left(&queue, 102), 1_000);
        queue.gone(second, None);
        queue.gone(second, None);
        assert_eq!((queue.tokens(), left(&queue, 103)), (0, 0));
    }

    #[test]
    fn a_moment_that_is_not_known_counts_as_no_progress_and_an_unknown_rate_is_the_usual_one() {
        let mut queue = PrefillQueue::default();
        let (first, _) = (queue.sent(10, 0), queue.sent(20_000, 0));
        queue.gone(first, None);
        assert_eq!(queue.left(1.0, |_| Duration::MAX), 20_000);
        let mut queue = PrefillQueue::default();
        queue.sent(20_000, 0);
        assert_eq!(queue.left(0.0, |_| Duration::from_secs(1)), 4_000);
        assert_eq!(queue.left(f64::NAN, |_| Duration::MAX), 0);
    }
}
