//! Requests and tokens per minute: reserved before the work, settled after it, so that bursts can't overspend.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::RateConfig;
use crate::error::{ErrorKind, GatewayError};
use crate::identity::KeyRecord;

/// All buckets, one pair for each key that has limits. Bounded by the number of keys.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    buckets: Mutex<HashMap<Arc<str>, Arc<Mutex<Buckets>>>>,
}

#[derive(Debug)]
struct Buckets {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

/// A bucket that refills evenly over a minute. Its level may fall below zero when a
/// request used more than it had reserved; the debt is then waited off.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    limit: f64,
    level: f64,
    at: Instant,
}

const WINDOW: f64 = 60.0;

impl Bucket {
    fn new(limit: u32, now: Instant) -> Self {
        Self {
            limit: f64::from(limit),
            level: f64::from(limit),
            at: now,
        }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.limit / WINDOW).min(self.limit);
        self.at = now;
    }

    fn wait_for(&self, amount: f64) -> Duration {
        Duration::from_secs_f64(
            ((amount - self.level).max(0.0) * WINDOW / self.limit).min(86_400.0),
        )
    }

    fn until_full(&self) -> Duration {
        self.wait_for(self.limit)
    }
}

/// What a limit stands at: the `x-ratelimit-*` headers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Level {
    /// Per minute.
    pub limit: u64,
    /// Left now.
    pub remaining: u64,
    /// Until all of it is back.
    pub reset: Duration,
}

/// Tokens set aside for one request. Give it back with [`Reservation::settle`]; dropped
/// unsettled it stays spent, since the work may have been done.
#[derive(Debug)]
pub(crate) struct Reservation {
    buckets: Arc<Mutex<Buckets>>,
    tokens: u64,
}

/// What a key's limits stand at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Levels {
    /// Requests per minute.
    pub(crate) requests: Option<Level>,
    /// Tokens per minute.
    pub(crate) tokens: Option<Level>,
}

impl Reservation {
    /// What the key's limits stand at now.
    pub(crate) fn levels(&self) -> Levels {
        lock(&self.buckets).levels()
    }

    /// Replaces what was reserved by what was used, and says what the limits then stand at.
    pub(crate) fn settle(self, used: u64) -> Levels {
        let mut buckets = lock(&self.buckets);
        if let Some(tokens) = &mut buckets.tokens {
            tokens.refill(Instant::now());
            tokens.level = (tokens.level + self.tokens as f64 - used as f64).min(tokens.limit);
        }
        buckets.levels()
    }
}

impl Buckets {
    fn levels(&self) -> Levels {
        Levels {
            requests: level(self.requests),
            tokens: level(self.tokens),
        }
    }
}

impl Limits {
    /// What a key's limits stand at, once it has asked; none where it has none.
    pub(crate) fn levels(&self, key: &KeyRecord) -> Option<Levels> {
        let shared = lock(&self.buckets).get(&key.id).cloned()?;
        let levels = lock(&shared).levels();
        Some(levels)
    }

    /// Reserves one request and `tokens` tokens for a key. `Ok(None)` where the key has no limits.
    pub(crate) fn reserve(
        &self,
        key: &KeyRecord,
        defaults: &RateConfig,
        tokens: u64,
        now: Instant,
    ) -> Result<Option<Reservation>, GatewayError> {
        let per_minute = key.requests_per_minute.or(defaults.requests_per_minute);
        let tokens_per_minute = key.tokens_per_minute.or(defaults.tokens_per_minute);
        if per_minute.is_none() && tokens_per_minute.is_none() {
            return Ok(None);
        }
        let shared = {
            let mut all = lock(&self.buckets);
            all.entry(key.id.clone())
                .or_insert_with(|| {
                    Arc::new(Mutex::new(Buckets {
                        requests: None,
                        tokens: None,
                    }))
                })
                .clone()
        };
        let mut buckets = lock(&shared);
        adopt(&mut buckets.requests, per_minute, now);
        adopt(&mut buckets.tokens, tokens_per_minute, now);
        if let Some(limit) = tokens_per_minute
            && tokens > u64::from(limit)
        {
            return Err(GatewayError::new(
                ErrorKind::RateLimited,
                format!(
                    "the request reserves {tokens} tokens (prompt bytes / 3 + max_tokens, times n), over the key's limit of {limit} tokens per minute; lower max_tokens"
                ),
            ));
        }
        let refusal = [
            (buckets.requests, 1.0, "requests"),
            (buckets.tokens, tokens as f64, "tokens"),
        ]
        .into_iter()
        .find_map(|(bucket, amount, unit)| {
            let bucket = bucket.filter(|bucket| bucket.level < amount)?;
            Some((bucket.wait_for(amount), bucket.limit, unit))
        });
        if let Some((wait, limit, unit)) = refusal {
            return Err(GatewayError::new(
                ErrorKind::RateLimited,
                format!(
                    "the key's limit of {limit} {unit} per minute is used up; try again in {:.1} s",
                    wait.as_secs_f64()
                ),
            )
            .with_retry_after(wait));
        }
        if let Some(bucket) = &mut buckets.requests {
            bucket.level -= 1.0;
        }
        if let Some(bucket) = &mut buckets.tokens {
            bucket.level -= tokens as f64;
        }
        drop(buckets);
        Ok(Some(Reservation {
            buckets: shared,
            tokens,
        }))
    }
}

/// Brings a bucket to a limit that a reload may have changed; what was spent stays spent.
fn adopt(bucket: &mut Option<Bucket>, limit: Option<u32>, now: Instant) {
    match (bucket.as_mut(), limit) {
        (_, None) => *bucket = None,
        (None, Some(limit)) => *bucket = Some(Bucket::new(limit, now)),
        (Some(existing), Some(limit)) => {
            existing.refill(now);
            let limit = f64::from(limit);
            if existing.limit != limit {
                existing.level += limit - existing.limit;
                existing.limit = limit;
            }
        }
    }
}

fn level(bucket: Option<Bucket>) -> Option<Level> {
    bucket.map(|bucket| Level {
        limit: bucket.limit as u64,
        remaining: bucket.level.max(0.0) as u64,
        reset: bucket.until_full(),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while holding it leaves plain numbers: still usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(requests: Option<u32>, tokens: Option<u32>) -> KeyRecord {
        KeyRecord {
            id: "k".into(),
            digest: [0; 32],
            tenant: "t".into(),
            models: vec![],
            requests_per_minute: requests,
            tokens_per_minute: tokens,
            expires: None,
        }
    }

    #[test]
    fn a_burst_cannot_overspend_before_the_first_answer_is_counted() {
        let (limits, now) = (Limits::default(), Instant::now());
        let key = key(None, Some(1000));
        let held: Vec<_> = (0..8)
            .filter_map(|_| {
                limits
                    .reserve(&key, &RateConfig::default(), 400, now)
                    .ok()
                    .flatten()
            })
            .collect();
        assert_eq!(held.len(), 2);
    }

    #[test]
    fn what_was_not_used_comes_back() {
        let (limits, now) = (Limits::default(), Instant::now());
        let key = key(None, Some(1000));
        let held = limits
            .reserve(&key, &RateConfig::default(), 900, now)
            .unwrap()
            .unwrap();
        assert!(
            limits
                .reserve(&key, &RateConfig::default(), 900, now)
                .is_err()
        );
        held.settle(100);
        assert!(
            limits
                .reserve(&key, &RateConfig::default(), 900, now)
                .is_ok()
        );
    }

    #[test]
    fn retry_after_is_true() {
        let (limits, now) = (Limits::default(), Instant::now());
        let key = key(Some(60), None);
        for _ in 0..60 {
            limits
                .reserve(&key, &RateConfig::default(), 0, now)
                .unwrap();
        }
        let wait = limits
            .reserve(&key, &RateConfig::default(), 0, now)
            .unwrap_err()
            .retry_after
            .unwrap();
        let just_before = now + wait - Duration::from_millis(10);
        assert!(
            limits
                .reserve(&key, &RateConfig::default(), 0, just_before)
                .is_err()
        );
        assert!(
            limits
                .reserve(
                    &key,
                    &RateConfig::default(),
                    0,
                    now + wait + Duration::from_millis(1)
                )
                .is_ok()
        );
    }

    #[test]
    fn a_request_larger_than_the_limit_is_told_so_and_not_asked_to_wait() {
        let error = Limits::default()
            .reserve(
                &key(None, Some(10)),
                &RateConfig::default(),
                11,
                Instant::now(),
            )
            .unwrap_err();
        assert_eq!(error.retry_after, None);
        assert!(error.message.contains("11 tokens"));
    }
}
