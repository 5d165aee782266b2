//! What a request costs its key: one request at once, tokens reserved before the work and settled
//! after it. It settles itself when dropped.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::enter::limits::{Account, Levels};
use crate::error::GatewayError;
use crate::platform::Platform;

/// Tenants with a model each whose answers' lengths are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");
/// How much an answer counts in the average of those before.
const SHARE: f64 = 0.2;
/// What is reserved, over the average: most answers are then within.
const MARGIN: f64 = 2.0;

/// A request's account with its key's limits. Until it owes anything, what was reserved comes
/// back when it is dropped.
pub(crate) struct Charge<P: Platform> {
    platform: Arc<P>,
    account: Option<Account>,
    reserved: u64,
    due: u64,
    levels: Option<Levels>,
}

impl<P: Platform> Charge<P> {
    /// A charge to nobody.
    pub(crate) fn new(platform: Arc<P>) -> Self {
        Self {
            platform,
            account: None,
            reserved: 0,
            due: 0,
            levels: None,
        }
    }

    /// Counts one request against a key's limits; none where it has none.
    pub(crate) fn begin(&mut self, account: Option<Account>) -> Result<(), GatewayError> {
        let Some(account) = account else {
            return Ok(());
        };
        let now = self.platform.now();
        let counted = account.request(now);
        self.levels = Some(account.levels(now));
        self.account = counted.is_ok().then_some(account);
        counted
    }

    /// Whether a limit goes by tokens.
    pub(crate) fn limits_tokens(&self) -> bool {
        self.account.as_ref().is_some_and(Account::limits_tokens)
    }

    /// Sets tokens aside: those of the prompt, and those that the answer will likely take.
    pub(crate) fn reserve(&mut self, input: u64, output: u64) -> Result<(), GatewayError> {
        let Some(account) = &self.account else {
            return Ok(());
        };
        let now = self.platform.now();
        let reserved = account.reserve(input, output, now);
        self.levels = Some(account.levels(now));
        self.reserved = reserved?;
        Ok(())
    }

    /// Counts one more request of a connection that has many.
    pub(crate) fn again(&mut self) -> Result<(), GatewayError> {
        match &self.account {
            Some(account) => account.request(self.platform.now()),
            None => Ok(()),
        }
    }

    /// Sets tokens aside for one of several answers, and says how many. [`Self::replace`] settles it.
    pub(crate) fn set_aside(&mut self, output: u64) -> Result<u64, GatewayError> {
        match &self.account {
            Some(account) => account.reserve(0, output, self.platform.now()),
            None => Ok(0),
        }
    }

    /// Replaces what was set aside for one of several answers by what it took.
    pub(crate) fn replace(&mut self, aside: u64, used: u64) {
        if let Some(account) = &self.account {
            account.correct(aside, used, self.platform.now());
        }
    }

    /// What will be settled when this is dropped.
    pub(crate) fn owe(&mut self, tokens: u64) {
        self.due = tokens;
    }

    /// Replaces what was reserved by what is owed.
    pub(crate) fn settle(&mut self) {
        if let Some(account) = &self.account
            && self.reserved != self.due
        {
            let now = self.platform.now();
            account.correct(self.reserved, self.due, now);
            self.levels = Some(account.levels(now));
            self.reserved = self.due;
        }
    }

    /// What was reserved stays spent.
    pub(crate) fn keep(&mut self) {
        self.due = self.reserved;
    }

    /// What the key's limits stand at; none where it has none.
    pub(crate) fn levels(&self) -> Option<&Levels> {
        self.levels.as_ref()
    }
}

impl<P: Platform> Drop for Charge<P> {
    fn drop(&mut self) {
        self.settle();
    }
}

/// How many tokens answers took, by tenant and model: what the next one will likely take.
#[derive(Debug)]
pub(crate) struct History(Mutex<LruCache<TenantModel, f64>>);

type TenantModel = (Arc<str>, Arc<str>);

impl Default for History {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }
}

impl History {
    /// An answer took so many tokens.
    pub(crate) fn note(&self, tenant: &Arc<str>, model: &str, output: u64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let average = known.get_or_insert_mut((tenant.clone(), model.into()), || output as f64);
        *average += (output as f64 - *average) * SHARE;
    }

    /// What an answer will likely take; none where there was none yet.
    pub(crate) fn likely(&self, tenant: &Arc<str>, model: &Arc<str>) -> Option<u64> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let average = *known.get(&(tenant.clone(), model.clone()))?;
        Some((average * MARGIN).ceil() as u64 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_took_is_what_is_expected() {
        let (history, tenant, model) = (History::default(), "t".into(), "m".into());
        assert_eq!(history.likely(&tenant, &model), None);
        for _ in 0..100 {
            history.note(&tenant, "m", 50);
        }
        assert_eq!(history.likely(&tenant, &model), Some(101));
        assert_eq!(history.likely(&"other".into(), &model), None);
    }
}
