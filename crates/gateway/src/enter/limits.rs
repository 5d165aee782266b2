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

#[derive(Debug, Default)]
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

    fn take(&mut self, amount: f64, unit: &str, now: Instant) -> Result<(), GatewayError> {
        self.refill(now);
        if self.level < amount {
            let (limit, wait) = (self.limit, self.wait_for(amount));
            let message = format!(
                "the key's limit of {limit} {unit} per minute is used up; try again in {:.1} s",
                wait.as_secs_f64()
            );
            return Err(GatewayError::new(ErrorKind::RateLimited, message).with_retry_after(wait));
        }
        self.level -= amount;
        Ok(())
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

/// What a key's limits stand at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Levels {
    /// Requests per minute.
    pub(crate) requests: Option<Level>,
    /// Tokens per minute.
    pub(crate) tokens: Option<Level>,
}

/// A key's limits, and what it has spent of them.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    buckets: Arc<Mutex<Buckets>>,
}

impl Account {
    /// Counts one request.
    pub(crate) fn request(&self, now: Instant) -> Result<(), GatewayError> {
        let mut buckets = lock(&self.buckets);
        match &mut buckets.requests {
            Some(bucket) => bucket.take(1.0, "requests", now),
            None => Ok(()),
        }
    }

    /// Sets tokens aside, at most as many as the key has in a minute, and says how many. Only a
    /// prompt that alone is over the limit can never be served.
    pub(crate) fn reserve(
        &self,
        input: u64,
        output: u64,
        now: Instant,
    ) -> Result<u64, GatewayError> {
        let mut buckets = lock(&self.buckets);
        let Some(bucket) = &mut buckets.tokens else {
            return Ok(0);
        };
        let limit = bucket.limit as u64;
        if input > limit {
            return Err(GatewayError::new(
                ErrorKind::RateLimited,
                format!(
                    "the prompt has about {input} tokens (its bytes / 3), over the key's limit of {limit} tokens per minute"
                ),
            ));
        }
        let reserved = input.saturating_add(output).min(limit);
        bucket.take(reserved as f64, "tokens", now)?;
        Ok(reserved)
    }

    /// Replaces what was reserved by what was used.
    pub(crate) fn correct(&self, reserved: u64, used: u64, now: Instant) {
        if let Some(tokens) = &mut lock(&self.buckets).tokens {
            tokens.refill(now);
            tokens.level = (tokens.level + reserved as f64 - used as f64).min(tokens.limit);
        }
    }

    /// What the limits stand at.
    pub(crate) fn levels(&self) -> Levels {
        lock(&self.buckets).levels()
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
    /// The account of a key; none where it has no limits.
    pub(crate) fn account(
        &self,
        key: &KeyRecord,
        defaults: &RateConfig,
        now: Instant,
    ) -> Option<Account> {
        let requests = key.requests_per_minute.or(defaults.requests_per_minute);
        let tokens = key.tokens_per_minute.or(defaults.tokens_per_minute);
        if requests.is_none() && tokens.is_none() {
            return None;
        }
        let buckets = lock(&self.buckets)
            .entry(key.id.clone())
            .or_default()
            .clone();
        {
            let mut buckets = lock(&buckets);
            adopt(&mut buckets.requests, requests, now);
            adopt(&mut buckets.tokens, tokens, now);
        }
        Some(Account { buckets })
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

    fn account(limits: &Limits, key: &KeyRecord, now: Instant) -> Account {
        limits.account(key, &RateConfig::default(), now).unwrap()
    }

    #[test]
    fn a_burst_cannot_overspend_before_the_first_answer_is_counted() {
        let (limits, now) = (Limits::default(), Instant::now());
        let key = key(None, Some(1000));
        let held = (0..8)
            .filter(|_| account(&limits, &key, now).reserve(100, 300, now).is_ok())
            .count();
        assert_eq!(held, 2);
    }

    #[test]
    fn what_was_not_used_comes_back() {
        let (limits, now) = (Limits::default(), Instant::now());
        let account = account(&limits, &key(None, Some(1000)), now);
        let held = account.reserve(100, 800, now).unwrap();
        assert!(account.reserve(100, 800, now).is_err());
        account.correct(held, 100, now);
        assert!(account.reserve(100, 800, now).is_ok());
    }

    #[test]
    fn retry_after_is_true() {
        let (limits, now) = (Limits::default(), Instant::now());
        let account = account(&limits, &key(Some(60), None), now);
        for _ in 0..60 {
            account.request(now).unwrap();
        }
        let wait = account.request(now).unwrap_err().retry_after.unwrap();
        let just_before = now + wait - Duration::from_millis(10);
        assert!(account.request(just_before).is_err());
        assert!(
            account
                .request(now + wait + Duration::from_millis(1))
                .is_ok()
        );
    }

    #[test]
    fn an_answer_is_never_expected_to_take_more_than_the_limit() {
        let (limits, now) = (Limits::default(), Instant::now());
        let account = account(&limits, &key(None, Some(1000)), now);
        assert_eq!(account.reserve(3, 8000, now).unwrap(), 1000);
    }

    #[test]
    fn a_prompt_larger_than_the_limit_is_told_so_and_not_asked_to_wait() {
        let (limits, now) = (Limits::default(), Instant::now());
        let account = account(&limits, &key(None, Some(10)), now);
        let error = account.reserve(11, 0, now).unwrap_err();
        assert_eq!(error.retry_after, None);
        assert!(error.message.contains("11 tokens"));
    }
}
