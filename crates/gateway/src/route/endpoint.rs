//! One replica: who is on it now, and whether it may be asked.

mod lease;
mod record;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use forebay_routing::PrefillQueue;
use http::{HeaderMap, HeaderName};
use tokio::sync::Notify;

use super::prefill::PrefillRate;
use super::silence::Silence;
use crate::config::Retries;
use crate::state::Ledger;

pub(crate) use lease::Lease;
pub(crate) use record::{Blame, Evidence, Standing};

use record::Record;

/// By which vLLM is told the data-parallel rank that is to compute a request.
const RANK: HeaderName = HeaderName::from_static("x-data-parallel-rank");

/// How long what a replica's metrics said counts: two of the usual health checks and a bit.
const REPORT_LIFE: Duration = Duration::from_secs(12);

/// What a replica's own metrics tell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Told {
    /// Requests that others have there.
    pub(super) others: u32,
    /// Share of its cache that requests use, 0 to 1.
    pub(super) cache_usage: f64,
}

/// What a replica's health page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Health {
    /// It is well, or has no such page.
    Well,
    /// It is not well, but answers.
    Ill,
    /// Nothing: it can't be reached, or does not answer.
    Silent,
}

impl Health {
    fn of(number: u8) -> Self {
        let all = [Self::Well, Self::Ill, Self::Silent];
        let one = all.into_iter().find(|health| *health as u8 == number);
        one.unwrap_or(Self::Well)
    }
}

/// Prompts whose answers have not begun.
#[derive(Debug, Default)]
struct Queue {
    prompts: PrefillQueue,
    /// When the first one was sent: the moment 0 of `prompts`.
    origin: Option<Instant>,
}

impl Queue {
    /// A moment in the seconds of `prompts`.
    fn seconds(&mut self, now: Instant) -> f64 {
        let origin = *self.origin.get_or_insert(now);
        now.saturating_duration_since(origin).as_secs_f64()
    }
}

/// One replica.
#[derive(Debug)]
pub(crate) struct Replica {
    /// Its name: its base URL, without a trailing slash, and `#N` where it is the data-parallel
    /// rank N of an engine.
    pub(crate) base: Arc<str>,
    /// Its base URL alone.
    address: Arc<str>,
    rank: Option<u16>,
    in_flight: AtomicU32,
    /// Prompts sent to it whose answers have not begun.
    queue: Mutex<Queue>,
    /// How fast it computes prompts.
    pub(super) prefill: PrefillRate,
    /// Tokens of the prompts of requests in flight.
    active_tokens: AtomicU64,
    /// What its own metrics said last, and when.
    told: Mutex<Option<(Told, Instant)>>,
    /// What the active checks say, a [`Health`].
    health: AtomicU8,
    record: Record,
    silence: Silence,
    /// Wakes those who wait for a whole answer of it when it goes out of use.
    down: Notify,
}

impl Replica {
    /// A replica of an upstream: the engine at a base URL, or a data-parallel rank of it.
    pub(super) fn kept_in(
        ledger: &Ledger,
        upstream: &str,
        address: &str,
        rank: Option<u16>,
    ) -> Self {
        let base: Arc<str> = Self::name_of(address, rank).into();
        Self {
            record: Record::kept_in(ledger, upstream, &base),
            base,
            address: address.into(),
            rank,
            in_flight: AtomicU32::new(0),
            queue: Mutex::default(),
            prefill: PrefillRate::default(),
            active_tokens: AtomicU64::new(0),
            told: Mutex::default(),
            health: AtomicU8::new(Health::Well as u8),
            silence: Silence::default(),
            down: Notify::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn new(base: &str) -> Self {
        Self::kept_in(&Ledger::default(), "test", base, None)
    }

    #[cfg(test)]
    pub(super) fn of_rank(address: &str, rank: u16) -> Self {
        Self::kept_in(&Ledger::default(), "test", address, Some(rank))
    }

    /// The name of a replica.
    pub(super) fn name_of(address: &str, rank: Option<u16>) -> String {
        match rank {
            None => address.to_owned(),
            Some(rank) => format!("{address}#{rank}"),
        }
    }

    /// The data-parallel rank that it is; none where the engine is one replica.
    pub(super) fn rank(&self) -> Option<u16> {
        self.rank
    }

    /// The URL of a path there.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// Says in a request which data-parallel rank is to compute it.
    pub(super) fn address_rank(&self, headers: &mut HeaderMap) {
        headers.remove(&RANK);
        if let Some(rank) = self.rank {
            headers.insert(RANK, rank.into());
        }
    }

    /// Requests in flight.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Prompt tokens sent to it that it has yet to compute, as far as it probably is.
    pub(crate) fn queued_tokens(&self, now: Instant) -> u64 {
        let (rate, mut queue) = (self.prefill.get(), self.queue());
        let now = queue.seconds(now);
        queue.prompts.left(now, rate)
    }

    /// Prompt tokens sent to it lately that it did not have cached.
    pub(super) fn recent_tokens(&self, now: Instant) -> u64 {
        let mut queue = self.queue();
        let now = queue.seconds(now);
        queue.prompts.lately(now)
    }

    /// A prompt with so many uncached tokens is sent to it. Gives its place among those that wait, and
    /// the tokens ahead of it.
    fn waits(&self, tokens: u64, streamed: bool, now: Instant) -> (u64, u64) {
        let (rate, mut queue) = (self.prefill.get(), self.queue());
        let now = queue.seconds(now);
        let ahead = queue.prompts.left(now, rate);
        (queue.prompts.sent(tokens, streamed, now, rate), ahead)
    }

    /// The prompt at a place waits no longer.
    fn waits_no_longer(&self, place: u64, now: Option<Instant>) {
        let (rate, mut queue) = (self.prefill.get(), self.queue());
        let now = now.map(|now| queue.seconds(now));
        queue.prompts.gone(place, now, rate);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tokens of the prompts of requests in flight.
    pub(super) fn active_tokens(&self) -> u64 {
        self.active_tokens.load(Relaxed)
    }

    /// It says that so many requests run or wait there, and which share of its cache they use.
    pub(super) fn reports(&self, requests: u32, cache_usage: f64, now: Instant) {
        let told = Told {
            others: requests.saturating_sub(self.in_flight()),
            cache_usage,
        };
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some((told, now));
    }

    /// What its metrics tell, as far as that is known now.
    pub(super) fn told(&self, now: Instant) -> Told {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = told.filter(|(_, at)| now.saturating_duration_since(*at) <= REPORT_LIFE);
        recent.map_or_else(Told::default, |(told, _)| told)
    }

    /// Whether it may be asked for a model now.
    pub(crate) fn standing(&self, model: &str, now: Instant) -> Standing {
        match self.health() {
            Health::Well => {}
            Health::Ill => return Standing::Ill,
            Health::Silent => return Standing::Down,
        }
        match self.record.standing(model, now) {
            // It may speak again at any moment.
            Standing::Good if self.silence.since(now).is_some() => Standing::Shy(now),
            standing => standing,
        }
    }

    /// Whether requests go there, whatever the model.
    pub(crate) fn is_usable(&self, now: Instant) -> bool {
        self.health() == Health::Well && !self.record.is_ejected(now)
    }

    /// What the active check found. Returns whether it goes in or out of use by that.
    pub(crate) fn found(&self, health: Health) -> bool {
        let before = Health::of(self.health.swap(health as u8, Relaxed));
        if before == Health::Well && health != Health::Well {
            self.down.notify_waiters();
        }
        (before == Health::Well) != (health == Health::Well)
    }

    fn health(&self) -> Health {
        Health::of(self.health.load(Relaxed))
    }

    /// An answer came whole. Returns whether that brought it back.
    pub(crate) fn succeeded(&self, now: Instant) -> bool {
        self.silence.spoke(now);
        self.record.succeeded(now)
    }

    /// An exchange failed. Returns whether that ejected it.
    pub(crate) fn failed(
        &self,
        blame: Blame,
        evidence: Evidence,
        retries: &Retries,
        now: Instant,
    ) -> bool {
        let ejected = self.record.failed(blame, evidence, retries, now);
        if ejected {
            self.down.notify_waiters();
        }
        ejected
    }

    /// What ejected it, and for how long; none where it is in use.
    pub(super) fn ejection(&self, now: Instant) -> Option<record::Ejected> {
        self.record.ejected(now)
    }

    /// It is not to be asked for a model until then. `told`: it said so itself.
    pub(crate) fn rest(&self, model: &str, until: Instant, told: bool, now: Instant) {
        self.record.rest(model, until, told, now);
    }

    /// A piece of a stream came from it.
    pub(crate) fn heard(&self, now: Instant) {
        self.silence.heard(now);
    }

    /// Whether anything of an answer has come from it since then.
    pub(crate) fn spoke_since(&self, then: Instant) -> bool {
        self.silence.spoke_since(then)
    }

    /// Whether it failed so often that requests would fail there, whatever its health page says.
    pub(crate) fn is_ejected(&self, now: Instant) -> bool {
        self.record.is_ejected(now)
    }

    /// Resolves when it goes out of use: its health check fails, or it is ejected.
    pub(crate) async fn goes_down(&self) {
        self.down.notified().await;
    }
}
