//! How fast a replica computes prompts, learned from the time to its first tokens.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How much a new measurement counts.
const SHARE: f64 = 0.1;

/// Fewer tokens say more about the network and the engine's step than about its rate.
const MIN_TOKENS: u64 = 512;

/// The fastest that is believed, in tokens a second: an 8B model on one H100 computes some 50,000.
/// Beyond it, a prompt was in a cache that the gateway did not know of.
const FASTEST: f64 = 100_000.0;

/// The slowest that is believed: below it something else than the prompt took the time.
const SLOWEST: f64 = 50.0;

/// Tokens of prompt a second, a moving average.
#[derive(Debug, Default)]
pub(super) struct PrefillRate(Mutex<Option<f64>>);

impl PrefillRate {
    /// A first token came so long after its request was sent, and the replica had so many tokens of
    /// prompts to compute until then.
    pub(super) fn note(&self, tokens: u64, took: Duration) {
        if tokens < MIN_TOKENS {
            return;
        }
        let rate = tokens as f64 / took.as_secs_f64().max(1e-6);
        let rate = rate.clamp(SLOWEST, FASTEST);
        let mut average = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *average = Some(average.map_or(rate, |old| old + (rate - old) * SHARE));
    }

    /// The rate; 0 where nothing was measured.
    pub(super) fn get(&self) -> f64 {
        let average = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        average.unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_what_is_measured_within_what_can_be() {
        let rate = PrefillRate::default();
        assert_eq!(rate.get(), 0.0);
        rate.note(100, Duration::from_secs(1));
        assert_eq!(rate.get(), 0.0, "too few tokens");
        rate.note(8_000, Duration::from_secs(1));
        assert_eq!(rate.get(), 8_000.0);
        rate.note(18_000, Duration::from_secs(1));
        assert!((rate.get() - 9_000.0).abs() < 1e-6);
        for _ in 0..200 {
            rate.note(80_000, Duration::ZERO);
        }
        assert!(rate.get() <= FASTEST);
    }
}
