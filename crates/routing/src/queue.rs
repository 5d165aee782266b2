//! The prompts that a worker still has to compute, and how far it is.

use std::collections::BTreeMap;

use crate::known_rate;

/// Seconds after which what was sent counts for a third of its tokens.
const MEMORY: f64 = 60.0;

/// Prompts that were sent to a worker and are not computed yet, the oldest first. Engines compute
/// prompts in the order in which they come, so the time since the oldest one's turn came tells how
/// much of it is left. Times are in seconds since any moment, rates in tokens a second; a rate of 0
/// is unknown, and taken to be usual.
#[derive(Debug, Default)]
pub struct PrefillQueue {
    /// By their places.
    waiting: BTreeMap<u64, Prompt>,
    /// The place of the next.
    next: u64,
    /// Uncached tokens of all that wait.
    tokens: u64,
    /// Since when the oldest is computed; none where that is not known.
    since: Option<f64>,
    /// Uncached tokens that were sent lately, as of `at`.
    lately: f64,
    at: f64,
}

#[derive(Debug)]
struct Prompt {
    /// Uncached tokens.
    tokens: u64,
    /// Its answer is a stream, whose first token shows that it is computed. Nothing shows that of an
    /// answer that is not streamed, so its prompt counts as computed after the expected time.
    streamed: bool,
}

impl PrefillQueue {
    /// A prompt with so many uncached tokens is sent; `streamed` if its answer is a stream. Gives its
    /// place.
    pub fn sent(&mut self, tokens: u64, streamed: bool, now: f64, rate: f64) -> u64 {
        self.lately = self.faded(now) + tokens as f64;
        self.at = now;
        self.advance(now, rate);
        if self.waiting.is_empty() {
            self.since = Some(now);
        }
        let place = self.next;
        self.next += 1;
        self.waiting.insert(place, Prompt { tokens, streamed });
        self.tokens = self.tokens.saturating_add(tokens);
        place
    }

    /// The prompt at a place is computed, or given up. The next one's progress counts from `now`.
    pub fn gone(&mut self, place: u64, now: Option<f64>, rate: f64) {
        if let Some(now) = now {
            self.advance(now, rate);
        }
        let first = self.waiting.first_key_value().map(|(first, _)| *first);
        self.remove(place);
        if first == Some(place) {
            self.since = now;
        }
    }

    /// Uncached tokens that are left to compute. Of prompts whose answers are streams, at most the
    /// oldest counts as begun.
    pub fn left(&mut self, now: f64, rate: f64) -> u64 {
        self.advance(now, rate);
        let oldest = self
            .waiting
            .first_key_value()
            .map(|(_, prompt)| prompt.tokens);
        let computed = self
            .since
            .map_or(0.0, |since| (now - since) * known_rate(rate));
        self.tokens
            .saturating_sub((computed as u64).min(oldest.unwrap_or(0)))
    }

    /// Uncached tokens that were sent in the last minute or so: what is older counts for less.
    #[must_use]
    pub fn lately(&self, now: f64) -> u64 {
        self.faded(now) as u64
    }

    fn faded(&self, now: f64) -> f64 {
        self.lately * ((self.at - now) / MEMORY).min(0.0).exp()
    }

    /// Ends the prompts that should be computed by now and whose answers are not streams.
    fn advance(&mut self, now: f64, rate: f64) {
        while let (Some(since), Some(first)) = (self.since, self.waiting.first_entry()) {
            let ends = since + first.get().tokens as f64 / known_rate(rate);
            if first.get().streamed || ends > now {
                return;
            }
            let place = *first.key();
            self.remove(place);
            self.since = Some(ends);
        }
    }

    fn remove(&mut self, place: u64) {
        if let Some(prompt) = self.waiting.remove(&place) {
            self.tokens = self.tokens.saturating_sub(prompt.tokens);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 1_000.0;

    #[test]
    fn of_streams_only_the_oldest_counts_as_begun() {
        let mut queue = PrefillQueue::default();
        assert_eq!(queue.left(9.0, RATE), 0);
        let first = queue.sent(5_000, true, 10.0, RATE);
        let second = queue.sent(3_000, true, 11.0, RATE);
        assert_eq!(queue.left(12.0, RATE), 6_000);
        // It takes longer than expected: the next is not begun.
        assert_eq!(queue.left(99.0, RATE), 3_000);
        queue.gone(first, Some(100.0), RATE);
        assert_eq!(queue.left(101.0, RATE), 2_000);
        // Whatever ends behind it says nothing about the oldest.
        let third = queue.sent(400, true, 101.0, RATE);
        queue.gone(third, Some(102.0), RATE);
        assert_eq!(queue.left(102.0, RATE), 1_000);
        queue.gone(second, None, RATE);
        queue.gone(second, None, RATE);
        assert_eq!(queue.left(103.0, RATE), 0);
    }

    #[test]
    fn what_is_answered_as_a_whole_counts_as_computed_when_that_is_expected() {
        let mut queue = PrefillQueue::default();
        let first = queue.sent(5_000, false, 10.0, RATE);
        let second = queue.sent(3_000, true, 10.0, RATE);
        queue.sent(2_000, false, 10.0, RATE);
        assert_eq!(queue.left(14.0, RATE), 6_000);
        // The first is computed at 15, and answers until 20.
        assert_eq!(queue.left(16.0, RATE), 4_000);
        assert_eq!(queue.left(19.0, RATE), 2_000);
        queue.gone(first, Some(20.0), RATE);
        assert_eq!(queue.left(20.0, RATE), 2_000);
        queue.gone(second, Some(21.0), RATE);
        assert_eq!(queue.left(22.0, RATE), 1_000);
        assert_eq!(queue.left(99.0, RATE), 0);
        // An empty queue begins anew.
        queue.sent(500, false, 200.0, RATE);
        assert_eq!(queue.left(200.125, RATE), 375);
    }

    #[test]
    fn what_was_sent_long_ago_counts_for_little() {
        let mut queue = PrefillQueue::default();
        assert_eq!(queue.lately(5.0), 0);
        let first = queue.sent(1_000, true, 10.0, RATE);
        queue.gone(first, Some(11.0), RATE);
        assert_eq!(queue.lately(10.0), 1_000);
        assert_eq!(queue.lately(70.0), 367);
        queue.sent(1_000, true, 70.0, RATE);
        assert_eq!(queue.lately(70.0), 1_367);
        assert_eq!(queue.lately(9_999.0), 0);
        // A clock that jumps back.
        assert_eq!(queue.lately(0.0), 1_367);
    }

    #[test]
    fn a_moment_that_is_not_known_counts_as_no_progress_and_an_unknown_rate_is_the_usual_one() {
        let mut queue = PrefillQueue::default();
        let first = queue.sent(10, true, 0.0, 1.0);
        queue.sent(20_000, false, 0.0, 1.0);
        queue.gone(first, None, 1.0);
        assert_eq!(queue.left(f64::MAX, 1.0), 20_000);
        let mut queue = PrefillQueue::default();
        queue.sent(20_000, true, 0.0, 0.0);
        assert_eq!(queue.left(1.0, 0.0), 4_000);
        assert_eq!(queue.left(f64::INFINITY, f64::NAN), 0);
        // A clock that jumps back.
        assert_eq!(queue.left(-5.0, 0.0), 20_000);
    }
}
