//! How fast an upstream answers: moving averages that fade, so that one slow minute is not held
//! against it for ever.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How much a new measurement counts.
const SHARE: f64 = 0.1;
/// In this time an average that nothing is added to loses half of its distance to what is expected.
const HALF_LIFE: f64 = 30.0;
/// Under 8 tokens or 5 ms the rate says more about the network than about the engine.
const MIN_TOKENS: u64 = 8;
const MIN_DECODE: Duration = Duration::from_millis(5);

/// What was measured of streams. An answer that came whole says nothing about its first token.
#[derive(Debug, Default)]
pub(super) struct Speed {
    ttft_ms: Mutex<Option<Average>>,
    tokens_per_second: Mutex<Option<Average>>,
}

#[derive(Debug, Clone, Copy)]
struct Average {
    value: f64,
    at: Instant,
}

impl Average {
    /// The value now, on its way back to what is expected.
    fn faded(self, expected: f64, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.at).as_secs_f64();
        expected + (self.value - expected) * (-age / HALF_LIFE).exp2()
    }
}

impl Speed {
    /// A stream's first token came after `ttft`, and `tokens` more within `decode`.
    pub(super) fn note(&self, ttft: Duration, tokens: u64, decode: Duration, now: Instant) {
        add(&self.ttft_ms, ttft.as_secs_f64() * 1e3, now);
        if tokens >= MIN_TOKENS && decode >= MIN_DECODE {
            add(
                &self.tokens_per_second,
                tokens as f64 / decode.as_secs_f64(),
                now,
            );
        }
    }

    /// The average as it was measured, for people.
    pub(super) fn measured(&self) -> (Option<f64>, Option<f64>) {
        let value = |average: &Mutex<Option<Average>>| lock(average).map(|a| a.value);
        (value(&self.ttft_ms), value(&self.tokens_per_second))
    }

    /// Time to first token in milliseconds, where `expected` is known without measuring.
    pub(super) fn ttft_ms(&self, expected: f64, now: Instant) -> f64 {
        lock(&self.ttft_ms).map_or(expected, |average| average.faded(expected, now))
    }

    /// Tokens of output a second.
    pub(super) fn tokens_per_second(&self, expected: f64, now: Instant) -> f64 {
        lock(&self.tokens_per_second).map_or(expected, |average| average.faded(expected, now))
    }

    /// Since when nothing was measured; none where nothing ever was.
    pub(super) fn idle(&self, now: Instant) -> Option<Duration> {
        let at = lock(&self.ttft_ms).map(|average| average.at)?;
        Some(now.saturating_duration_since(at))
    }
}

fn add(average: &Mutex<Option<Average>>, new: f64, now: Instant) {
    let mut average = lock(average);
    let value = average.map_or(new, |old| old.value + (new - old.value) * SHARE);
    *average = Some(Average { value, at: now });
}

fn lock(average: &Mutex<Option<Average>>) -> MutexGuard<'_, Option<Average>> {
    // Numbers, whole at every moment.
    average.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_minute_fades_towards_what_is_expected() {
        let (speed, now) = (Speed::default(), Instant::now());
        assert_eq!(speed.ttft_ms(100.0, now), 100.0);
        speed.note(Duration::from_secs(4), 0, Duration::ZERO, now);
        assert_eq!(speed.ttft_ms(100.0, now), 4000.0);
        let later = now + Duration::from_secs(30);
        assert!((speed.ttft_ms(100.0, later) - 2050.0).abs() < 1.0);
        assert!(speed.ttft_ms(100.0, now + Duration::from_secs(600)) < 101.0);
        assert_eq!(speed.measured().0, Some(4000.0));
    }
}
