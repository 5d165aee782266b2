//! Requests and tokens per minute: reserved before the work, settled after it, so that bursts can't overspend.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::config::{RateConfig, TenantConfig};
use crate::error::{ErrorKind, GatewayError};
use crate::identity::KeyRecord;

/// Keys and tenants whose buckets are kept. Keys are few, but tokens of an issuer bring as many
/// subjects as it has; one that was silent longest begins with full buckets again.
const KEPT: usize = 65_536;

/// All buckets, one pair for each key and each tenant that has limits.
#[derive(Debug)]
pub(crate) struct Limits {
    buckets: Mutex<LruCache<Holder, Arc<Mutex<Buckets>>>>,
}

/// Whose buckets they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Holder {
    Key(Arc<str>),
    Tenant(Arc<str>),
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // It grows as needed; `holder` bounds it.
            buckets: Mutex::new(LruCache::unbounded()),
        }
    }
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

    fn take(
        &mut self,
        amount: f64,
        who: &str,
        unit: &str,
        now: Instant,
    ) -> Result<(), GatewayError> {
        self.refill(now);
        if self.level < amount {
            let (limit, wait) = (self.limit, self.wait_for(amount));
            let message = format!(
                "the {who}'s limit of {limit} {unit} per minute is used up; try again in {:.1} s",
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

/// What a request is counted against: its key's limits and its tenant's, where they have any.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    holders: Vec<(&'static str, Arc<Mutex<Buckets>>)>,
}

impl Account {
    /// Counts one request.
    pub(crate) fn request(&self, now: Instant) -> Result<(), GatewayError> {
        for (n, (who, buckets)) in self.holders.iter().enumerate() {
            let mut held = lock(buckets);
            let Some(bucket) = &mut held.requests else {
                continue;
            };
            if let Err(error) = bucket.take(1.0, who, "requests", now) {
                drop(held);
                // What one limit refuses costs nothing of another.
                self.give_back(n, |buckets| &mut buckets.requests, 1.0, now);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether any of its limits goes by tokens.
    pub(crate) fn limits_tokens(&self) -> bool {
        let mut holders = self.holders.iter();
        holders.any(|(_, buckets)| lock(buckets).tokens.is_some())
    }

    /// Sets tokens aside, at most as many as the limits allow in a minute, and says how many. Only a
    /// prompt that alone is over a limit can never be served.
    pub(crate) fn reserve(
        &self,
        input: u64,
        output: u64,
        now: Instant,
    ) -> Result<u64, GatewayError> {
        let limits = self.holders.iter().filter_map(|(who, buckets)| {
            let limit = lock(buckets).tokens.map(|bucket| bucket.limit as u64)?;
            Some((limit, *who))
        });
        let Some((limit, who)) = limits.min() else {
            return Ok(0);
        };
        if input > limit {
            return Err(GatewayError::new(
                ErrorKind::RateLimited,
                format!(
                    "the prompt has about {input} tokens, over the {who}'s limit of {limit} tokens per minute"
                ),
            ));
        }
        let reserved = input.saturating_add(output).min(limit);
        for (n, (who, buckets)) in self.holders.iter().enumerate() {
            let mut held = lock(buckets);
            let Some(bucket) = &mut held.tokens else {
                continue;
            };
            if let Err(error) = bucket.take(reserved as f64, who, "tokens", now) {
                drop(held);
                self.give_back(n, |buckets| &mut buckets.tokens, reserved as f64, now);
                return Err(error);
            }
        }
        Ok(reserved)
    }

    /// Replaces what was reserved by what was used.
    pub(crate) fn correct(&self, reserved: u64, used: u64, now: Instant) {
        let amount = reserved as f64 - used as f64;
        self.give_back(
            self.holders.len(),
            |buckets| &mut buckets.tokens,
            amount,
            now,
        );
    }

    /// Gives so much back to the first holders; a negative amount is taken.
    fn give_back(
        &self,
        first: usize,
        which: fn(&mut Buckets) -> &mut Option<Bucket>,
        amount: f64,
        now: Instant,
    ) {
        for (_, buckets) in self.holders.iter().take(first) {
            if let Some(bucket) = which(&mut lock(buckets)) {
                bucket.refill(now);
                bucket.level = (bucket.level + amount).min(bucket.limit);
            }
        }
    }

    /// What the limits stand at: of two the one with less left.
    pub(crate) fn levels(&self) -> Levels {
        let mut levels = Levels {
            requests: None,
            tokens: None,
        };
        for (_, buckets) in &self.holders {
            let held = lock(buckets);
            levels.requests = tighter(levels.requests, level(held.requests));
            levels.tokens = tighter(levels.tokens, level(held.tokens));
        }
        levels
    }
}

fn tighter(a: Option<Level>, b: Option<Level>) -> Option<Level> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.remaining < a.remaining { b } else { a }),
        (a, b) => a.or(b),
    }
}

impl Limits {
    /// The account of a key and its tenant; none where neither has limits.
    pub(crate) fn account(
        &self,
        key: &KeyRecord,
        tenant: &TenantConfig,
        defaults: &RateConfig,
        now: Instant,
    ) -> Option<Account> {
        let of_key = self.holder(
            Holder::Key(key.id.clone()),
            key.requests_per_minute.or(defaults.requests_per_minute),
            key.tokens_per_minute.or(defaults.tokens_per_minute),
            now,
        );
        let of_tenant = self.holder(
            Holder::Tenant(key.tenant.clone()),
            tenant.requests_per_minute,
            tenant.tokens_per_minute,
            now,
        );
        let holders: Vec<_> = [("key", of_key), ("tenant", of_tenant)]
            .into_iter()
            .filter_map(|(who, buckets)| Some((who, buckets?)))
            .collect();
        (!holders.is_empty()).then_some(Account { holders })
    }

    /// The buckets of one holder, brought to these limits; none where it has none.
    fn holder(
        &self,
        holder: Holder,
        requests: Option<u32>,
        tokens: Option<u32>,
        now: Instant,
    ) -> Option<Arc<Mutex<Buckets>>> {
        if requests.is_none() && tokens.is_none() {
            return None;
        }
        let buckets = {
            let mut all = lock(&self.buckets);
            let buckets = all.get_or_insert_mut(holder, Arc::default).clone();
            if all.len() > KEPT {
                all.pop_lru();
            }
            buckets
        };
        {
            let mut buckets = lock(&buckets);
            adopt(&mut buckets.requests, requests, now);
            adopt(&mut buckets.tokens, tokens, now);
        }
        Some(buckets)
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
            access_key: None,
        }
    }

    fn account(limits: &Limits, key: &KeyRecord, now: Instant) -> Account {
        limits
            .account(key, &TenantConfig::default(), &RateConfig::default(), now)
            .unwrap()
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

    #[test]
    fn keys_of_one_tenant_share_its_limit_and_what_it_refuses_costs_the_key_nothing() {
        let (limits, now) = (Limits::default(), Instant::now());
        let tenant = TenantConfig {
            requests_per_minute: Some(3),
            tokens_per_minute: Some(1000),
            ..TenantConfig::default()
        };
        let account = |id: &str| {
            let key = KeyRecord {
                id: id.into(),
                ..key(Some(10), Some(10_000))
            };
            let defaults = RateConfig::default();
            limits.account(&key, &tenant, &defaults, now).unwrap()
        };
        let (a, b) = (account("a"), account("b"));
        for account in [&a, &b, &a] {
            account.request(now).unwrap();
        }
        let error = b.request(now).unwrap_err();
        assert!(error.message.contains("tenant's limit of 3"), "{error}");
        let of_key = &b.holders[0].1;
        assert_eq!(lock(of_key).requests.unwrap().level, 9.0);

        assert_eq!(a.reserve(400, 500, now).unwrap(), 900);
        assert_eq!(a.levels().tokens.unwrap().remaining, 100);
        assert!(b.reserve(50, 100, now).is_err());
        assert_eq!(lock(of_key).tokens.unwrap().level, 10_000.0);
        a.correct(900, 100, now);
        assert!(b.reserve(50, 100, now).is_ok());
        let error = a.reserve(1001, 0, now).unwrap_err();
        assert!(error.message.contains("tenant's limit of 1000"), "{error}");
    }

    #[test]
    fn silent_holders_make_room() {
        let (limits, now) = (Limits::default(), Instant::now());
        for n in 0..KEPT + 10 {
            let id = format!("k{n}");
            let holder = Holder::Key(id.as_str().into());
            limits.holder(holder, Some(1), None, now).unwrap();
        }
        assert_eq!(lock(&limits.buckets).len(), KEPT);
    }
}
