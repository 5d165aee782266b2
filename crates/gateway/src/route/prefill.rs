//! How fast a replica computes prompts, learned from the time to its first tokens and from its metrics.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::report::Prefill;

/// How much a new measurement counts.
const SHARE: f64 = 0.1;

/// Fewer tokens say more about the network and the engine's step than about its rate.
const MIN_TOKENS: u64 = 512;

/// The fastest that is believed, in tokens a second: an 8B model on one H100 computes some 50,000.
/// Beyond it, a prompt was in a cache that the gateway did not know of.
const FASTEST: f64 = 100_000.0;

/// The slowest that is believed: below it something else than the prompt took the time.
const SLOWEST: f64 = 50.0;

/// Prompt tokens per second: a moving average measured from first tokens. Until there is one, the average
/// from the engine's own metrics.
#[derive(Debug, Default)]
pub(super) struct PrefillRate(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By the time to first tokens.
    measured: Option<f64>,
    /// By the engine's metrics.
    told: Option<f64>,
    /// The engine's counters when they were last used.
    last: Option<Prefill>,
}

impl PrefillRate {
    /// A first token came so long after its request was sent, and the replica had so many tokens of
    /// prompts to compute until then.
    pub(super) fn note(&self, tokens: u64, took: Duration) {
        if tokens >= MIN_TOKENS {
            average(&mut self.lock().measured, tokens as f64, took.as_secs_f64());
        }
    }

    /// The engine's counters have these values now. The time of a step counts once for each prompt
    /// computed in it, so the rate from these counters is a lower bound.
    pub(super) fn reported(&self, now: Prefill) {
        let mut known = self.lock();
        let known = &mut *known;
        let last = *known.last.get_or_insert(now);
        let (tokens, seconds) = (now.tokens - last.tokens, now.seconds - last.seconds);
        let requests = now.requests - last.requests;
        let restarted = tokens < 0.0 || seconds < 0.0 || requests < 0.0;
        if !restarted && tokens < MIN_TOKENS as f64 {
            return;
        }
        // As with a first token: a mean prompt of fewer tokens says more about the engine's step.
        if !restarted && seconds > 0.0 && tokens >= MIN_TOKENS as f64 * requests.max(1.0) {
            average(&mut known.told, tokens, seconds);
        }
        known.last = Some(now);
    }

    /// The rate; 0 where nothing is known.
    pub(super) fn get(&self) -> f64 {
        let known = self.lock();
        known.measured.or(known.told).unwrap_or(0.0)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One more measurement in a moving average.
fn average(average: &mut Option<f64>, tokens: f64, seconds: f64) {
    let rate = (tokens / seconds.max(1e-6)).clamp(SLOWEST, FASTEST);
    *average = Some(average.map_or(rate, |old| old + (rate - old) * SHARE));
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

    #[test]
    fn the_engines_metrics_count_until_a_first_token_has_come() {
        let rate = PrefillRate::default();
        let reported = |tokens, seconds, requests| {
            rate.reported(Prefill {
                tokens,
                seconds,
                requests,
            });
        };
        reported(90_000.0, 3.0, 9.0);
        assert_eq!(rate.get(), 0.0, "nothing is known of the time before");
        reported(90_100.0, 3.5, 10.0);
        assert_eq!(rate.get(), 0.0, "too few tokens");
        reported(96_000.0, 4.0, 12.0);
        assert_eq!(rate.get(), 6_000.0);
        // A restart is no measurement, nor are many short prompts.
        reported(0.0, 0.0, 0.0);
        reported(40_000.0, 80.0, 100.0);
        assert_eq!(rate.get(), 6_000.0);
        reported(56_000.0, 81.0, 101.0);
        assert_eq!(rate.get(), 7_000.0);
        rate.note(2_000, Duration::from_secs(1));
        reported(96_000.0, 82.0, 102.0);
        assert_eq!(rate.get(), 2_000.0);
        // An engine that tells nothing.
        let silent = PrefillRate::default();
        silent.reported(Prefill::default());
        silent.reported(Prefill::default());
        assert_eq!(silent.get(), 0.0);
    }
}
