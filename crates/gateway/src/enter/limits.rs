//! Requests and tokens per minute: reserved before the work, settled after it, so that bursts can't overspend.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{RateConfig, TenantConfig};
use crate::error::{ErrorKind, GatewayError};
use crate::identity::KeyRecord;
use crate::state::{Allowance, Bucket, Handle, Kind, Ledger, Moment};

/// The limits of all keys and tenants that have any.
#[derive(Debug)]
pub(crate) struct Limits(Ledger);

/// A key or a tenant with its limits, and what is left of them.
#[derive(Debug, Clone)]
struct Holder {
    who: &'static str,
    requests: Option<u32>,
    tokens: Option<u32>,
    left: Handle<Allowance>,
}

/// Which of a holder's two limits.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Requests,
    Tokens,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
        }
    }

    fn bucket(self, allowance: &mut Allowance) -> Option<&mut Bucket> {
        match self {
            Self::Requests => allowance.requests.as_mut(),
            Self::Tokens => allowance.tokens.as_mut(),
        }
    }
}

impl Holder {
    /// Changes one bucket; none where that is not limited.
    fn change<R>(
        &self,
        unit: Unit,
        now: Instant,
        change: impl Fn(&mut Bucket, Moment) -> R,
    ) -> Option<R> {
        self.left.change(now, |allowance, at| {
            let full = || Allowance::new(self.requests, self.tokens, at);
            let bucket = unit.bucket(allowance.get_or_insert_with(full))?;
            Some(change(bucket, at))
        })
    }

    /// Takes so much, where that is limited.
    fn take(&self, unit: Unit, amount: f64, now: Instant) -> Result<(), GatewayError> {
        let taken = self.change(unit, now, |bucket, at| {
            let limit = bucket.limit;
            bucket.take(amount, at).map_err(|wait| (limit, wait))
        });
        let Some(Err((limit, wait))) = taken else {
            return Ok(());
        };
        let (who, unit) = (self.who, unit.name());
        let message = format!(
            "the {who}'s limit of {limit} {unit} per minute is used up; try again in {:.1} s",
            wait.as_secs_f64()
        );
        Err(GatewayError::new(ErrorKind::RateLimited, message).with_retry_after(wait))
    }

    /// What a limit stands at, as last changed.
    fn level(&self, unit: Unit, now: Instant) -> Option<Level> {
        let left = self.left.look(now, |allowance, at| {
            let full = || Allowance::new(self.requests, self.tokens, at);
            let mut left = allowance.copied().unwrap_or_else(full);
            unit.bucket(&mut left).copied()
        });
        left.map(|bucket| Level {
            limit: bucket.limit as u64,
            remaining: bucket.level.max(0.0) as u64,
            reset: bucket.until_full(),
        })
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
    holders: Vec<Holder>,
}

impl Account {
    /// Counts one request.
    pub(crate) fn request(&self, now: Instant) -> Result<(), GatewayError> {
        self.take(Unit::Requests, 1.0, now)
    }

    /// Whether any of its limits goes by tokens.
    pub(crate) fn limits_tokens(&self) -> bool {
        self.holders.iter().any(|holder| holder.tokens.is_some())
    }

    /// Sets tokens aside, at most as many as the limits allow in a minute, and says how many. Only a
    /// prompt that alone is over a limit can never be served.
    pub(crate) fn reserve(
        &self,
        input: u64,
        output: u64,
        now: Instant,
    ) -> Result<u64, GatewayError> {
        let limits = self.holders.iter().filter_map(|holder| {
            let limit = u64::from(holder.tokens?);
            Some((limit, holder.who))
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
        self.take(Unit::Tokens, reserved as f64, now)?;
        Ok(reserved)
    }

    /// Replaces what was reserved by what was used.
    pub(crate) fn correct(&self, reserved: u64, used: u64, now: Instant) {
        let amount = reserved as f64 - used as f64;
        for holder in &self.holders {
            holder.change(Unit::Tokens, now, |bucket, at| bucket.add(amount, at));
        }
    }

    /// Takes so much of every limit, or of none.
    fn take(&self, unit: Unit, amount: f64, now: Instant) -> Result<(), GatewayError> {
        for (n, holder) in self.holders.iter().enumerate() {
            if let Err(error) = holder.take(unit, amount, now) {
                // What one limit refuses costs nothing of another.
                for earlier in &self.holders[..n] {
                    earlier.change(unit, now, |bucket, at| bucket.add(amount, at));
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// What the limits stand at: of two the one with less left.
    pub(crate) fn levels(&self, now: Instant) -> Levels {
        let of = |unit| {
            let levels = self.holders.iter();
            let levels = levels.filter_map(|holder| holder.level(unit, now));
            levels.min_by_key(|level| level.remaining)
        };
        Levels {
            requests: of(Unit::Requests),
            tokens: of(Unit::Tokens),
        }
    }
}

impl Limits {
    /// The limits whose levels are kept in this ledger.
    pub(crate) fn kept_in(ledger: &Ledger) -> Self {
        Self(ledger.clone())
    }

    /// The account of a key and its tenant; none where neither has limits.
    pub(crate) fn account(
        &self,
        key: &KeyRecord,
        tenant: &TenantConfig,
        defaults: &RateConfig,
        now: Instant,
    ) -> Option<Account> {
        let of_key = (
            key.requests_per_minute.or(defaults.requests_per_minute),
            key.tokens_per_minute.or(defaults.tokens_per_minute),
        );
        let of_tenant = (tenant.requests_per_minute, tenant.tokens_per_minute);
        let holders: Vec<_> = [
            ("key", Kind::Key, &key.id, of_key),
            ("tenant", Kind::Tenant, &key.tenant, of_tenant),
        ]
        .into_iter()
        .filter(|(.., limits)| *limits != (None, None))
        .map(|(who, kind, whose, limits)| self.holder(who, (kind, whose), limits, now))
        .collect();
        (!holders.is_empty()).then_some(Account { holders })
    }

    /// A holder, brought to these limits, which a reload may have changed.
    fn holder(
        &self,
        who: &'static str,
        (kind, whose): (Kind, &Arc<str>),
        (requests, tokens): (Option<u32>, Option<u32>),
        now: Instant,
    ) -> Holder {
        let left: Handle<Allowance> = self.0.handle(kind, whose.clone());
        left.change(now, |allowance, at| {
            let full = || Allowance::new(requests, tokens, at);
            let allowance = allowance.get_or_insert_with(full);
            allowance.adopt(requests, tokens, at);
        });
        Holder {
            who,
            requests,
            tokens,
            left,
        }
    }
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

    fn limits() -> Limits {
        Limits::kept_in(&Ledger::default())
    }

    fn account(limits: &Limits, key: &KeyRecord, now: Instant) -> Account {
        limits
            .account(key, &TenantConfig::default(), &RateConfig::default(), now)
            .unwrap()
    }

    #[test]
    fn a_burst_cannot_overspend_before_the_first_answer_is_counted() {
        let (limits, now) = (limits(), Instant::now());
        let key = key(None, Some(1000));
        let held = (0..8)
            .filter(|_| account(&limits, &key, now).reserve(100, 300, now).is_ok())
            .count();
        assert_eq!(held, 2);
    }

    #[test]
    fn what_was_not_used_comes_back() {
        let (limits, now) = (limits(), Instant::now());
        let account = account(&limits, &key(None, Some(1000)), now);
        let held = account.reserve(100, 800, now).unwrap();
        assert!(account.reserve(100, 800, now).is_err());
        account.correct(held, 100, now);
        assert!(account.reserve(100, 800, now).is_ok());
    }

    #[test]
    fn retry_after_is_true() {
        let (limits, now) = (limits(), Instant::now());
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
        let (limits, now) = (limits(), Instant::now());
        let account = account(&limits, &key(None, Some(1000)), now);
        assert_eq!(account.reserve(3, 8000, now).unwrap(), 1000);
    }

    #[test]
    fn a_prompt_larger_than_the_limit_is_told_so_and_not_asked_to_wait() {
        let (limits, now) = (limits(), Instant::now());
        let account = account(&limits, &key(None, Some(10)), now);
        let error = account.reserve(11, 0, now).unwrap_err();
        assert_eq!(error.retry_after, None);
        assert!(error.message.contains("11 tokens"));
    }

    #[test]
    fn keys_of_one_tenant_share_its_limit_and_what_it_refuses_costs_the_key_nothing() {
        let (limits, now) = (limits(), Instant::now());
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
        let of_key = |unit| b.holders[0].level(unit, now).unwrap().remaining;
        assert_eq!(of_key(Unit::Requests), 9);

        assert_eq!(a.reserve(400, 500, now).unwrap(), 900);
        assert_eq!(a.levels(now).tokens.unwrap().remaining, 100);
        assert!(b.reserve(50, 100, now).is_err());
        assert_eq!(of_key(Unit::Tokens), 10_000);
        a.correct(900, 100, now);
        assert!(b.reserve(50, 100, now).is_ok());
        let error = a.reserve(1001, 0, now).unwrap_err();
        assert!(error.message.contains("tenant's limit of 1000"), "{error}");
    }

    #[test]
    fn a_reload_brings_limits_to_what_is_configured_and_forgives_nothing() {
        let (limits, now) = (limits(), Instant::now());
        let before = account(&limits, &key(Some(10), None), now);
        for _ in 0..4 {
            before.request(now).unwrap();
        }
        let after = account(&limits, &key(Some(6), Some(100)), now);
        let levels = after.levels(now);
        assert_eq!(levels.requests.unwrap().remaining, 2);
        assert_eq!(levels.tokens.unwrap().remaining, 100);
        let none = account(&limits, &key(None, Some(100)), now);
        assert_eq!(none.levels(now).requests, None);
    }

    #[test]
    fn a_limit_that_was_full_again_is_full() {
        let (limits, now) = (limits(), Instant::now());
        let account = account(&limits, &key(Some(2), Some(100)), now);
        account.request(now).unwrap();
        assert_eq!(account.reserve(50, 50, now).unwrap(), 100);
        let later = now + Duration::from_secs(61);
        assert_eq!(account.levels(later).tokens.unwrap().remaining, 100);
        account.correct(100, 160, later);
        assert_eq!(account.levels(later).tokens.unwrap().remaining, 40);
    }
}
