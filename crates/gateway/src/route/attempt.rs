//! Trying upstreams in the ranked order until one begins to answer. Only before the first content,
//! and bounded: by attempts, by the deadline, and by a budget for repeats.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_dialect::Request;
use forebay_dialect::canonical::Field;
use forebay_dialect::exchange::Fetched;
use http::HeaderMap;

use super::endpoint::{Blame, Evidence};
use super::exchange::Failed;
use super::others::Others;
use super::prompt_cache::{Marks, Places};
use super::rank::resting;
use super::unanswered::timed_out;
use super::upstream::Need;
use super::verdict::Verdict;
use super::{Answer, Prefix, Ranked, Replica, RetryBudget, Upstream};
use crate::config::GatewayConfig;
use crate::error::{ErrorKind, GatewayError};
use crate::observe::{Attempt, HealthChange, Observation};
use crate::platform::Platform;
use crate::through::Sent;
use crate::time::Deadline;
use crate::trail::Trail;

/// The pause before a replica is asked again: doubled each time, and jittered so that those who
/// failed together don't come back together.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A replica that asks for at most this long is waited for; for longer the client is told.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a replica is passed over that is busy and does not say until when.
const SHY: Duration = Duration::from_secs(1);
/// How long a replica is passed over for a model that it does not have.
const MISSING: Duration = Duration::from_secs(10);

/// What every exchange with an upstream needs.
pub(crate) struct Sender<P: Platform> {
    pub(crate) platform: Arc<P>,
    pub(crate) config: Arc<GatewayConfig>,
    pub(crate) budget: Arc<RetryBudget>,
}

impl<P: Platform> Clone for Sender<P> {
    fn clone(&self) -> Self {
        Self {
            platform: self.platform.clone(),
            config: self.config.clone(),
            budget: self.budget.clone(),
        }
    }
}

/// A request on its way out, whoever will answer it.
pub(crate) struct Outgoing {
    /// The request, masks in place.
    pub(crate) request: Arc<Request>,
    /// Whose it is.
    pub(crate) tenant: Arc<str>,
    /// The tenant's salt for engines that take one.
    pub(crate) cache_salt: String,
    /// Fields for the provider's own prompt cache.
    pub(crate) hints: Vec<Field>,
    /// Where the provider's prompt cache could cut.
    pub(crate) places: Places,
    /// `x-request-id`, the trace, and what belongs to the client's dialect.
    pub(crate) headers: HeaderMap,
    /// When the client's time is up.
    pub(crate) deadline: Deadline,
    /// The prompt, as the choice of a replica sees it.
    pub(crate) prefix: Prefix,
    /// The API key that asks, as evidence.
    pub(crate) key: u64,
    /// Only the prompt's tokens are asked for.
    pub(crate) count: bool,
    /// Tenants share the upstreams: what keeps them apart may not be left out.
    pub(crate) tenants: bool,
    /// It passes through to an endpoint of its own, as it is.
    pub(crate) sent: Option<Arc<Sent>>,
    /// The answer goes to the client unread: nothing is asked for that it did not ask for.
    pub(crate) unread: bool,
    /// It came in another format and was written in this one here: no client chose its members.
    pub(crate) made: bool,
    /// Where it is noted what happens.
    pub(crate) trail: Arc<Trail>,
}

/// One request's way through its ranked upstreams.
pub(crate) struct Attempts<P: Platform> {
    pub(super) sender: Sender<P>,
    pub(super) outgoing: Outgoing,
    ranked: Arc<Ranked>,
    pub(super) state: State,
}

#[derive(Default)]
pub(super) struct State {
    /// The place in the order.
    at: usize,
    made: u32,
    repeats: u32,
    tried: Vec<Arc<Replica>>,
    /// Those that failed in passing and may be asked again, and when.
    pub(super) again: VecDeque<(Chosen, Instant)>,
    pub(super) last: Option<GatewayError>,
    /// What was decided about markers, by upstream: a prompt counts once.
    pub(super) marks: Vec<(Arc<str>, Marks)>,
    /// Media fetched for upstreams that take bytes only.
    pub(super) media: Vec<Fetched>,
}

/// Who is asked next.
#[derive(Clone)]
pub(super) struct Chosen {
    pub(super) upstream: Arc<Upstream>,
    pub(super) endpoint: Arc<Replica>,
    /// Tokens of the prompt that it probably has to compute.
    pub(super) uncached_tokens: u64,
    /// It was asked before: no connection of then is used.
    pub(super) again: bool,
}

/// Which replica was tried, and since when.
#[derive(Clone, Copy)]
pub(super) struct Tried<'a> {
    pub(super) upstream: &'a Upstream,
    pub(super) endpoint: &'a Replica,
    pub(super) sent: Instant,
}

impl<'a> Tried<'a> {
    pub(super) fn of(chosen: &'a Chosen, sent: Instant) -> Self {
        Self {
            upstream: &chosen.upstream,
            endpoint: &chosen.endpoint,
            sent,
        }
    }
}

impl<P: Platform> Attempts<P> {
    /// A way through the ranked upstreams.
    pub(crate) fn new(sender: Sender<P>, outgoing: Outgoing, ranked: Arc<Ranked>) -> Self {
        sender.budget.earn();
        Self {
            sender,
            outgoing,
            ranked,
            state: State::default(),
        }
    }

    /// The request.
    pub(crate) fn request(&self) -> &Request {
        &self.outgoing.request
    }

    /// The next upstream that begins to answer with success. An error is final.
    pub(crate) async fn next(&mut self) -> Result<Answer, GatewayError> {
        loop {
            if self.state.made >= self.sender.config.retries.attempts.max(1) {
                return Err(self.give_up());
            }
            let Some(chosen) = self.choose().await else {
                return Err(self.give_up());
            };
            let limit = self.limit(&chosen.upstream);
            if limit.is_zero() {
                let late = timed_out(&chosen.upstream.name, limit, self.outgoing.deadline.own);
                return Err(self.state.last.take().unwrap_or(late));
            }
            let prepared = match self
                .prepare(&chosen.upstream, &chosen.endpoint, limit)
                .await
            {
                Ok(prepared) => prepared,
                Err(error) => {
                    // It costs no attempt: another upstream may be able to take the request.
                    self.state.at += 1;
                    self.state.last.get_or_insert(error);
                    continue;
                }
            };
            if !chosen.again {
                self.state.tried.push(chosen.endpoint.clone());
            }
            match self.ask(chosen.clone(), prepared, limit).await {
                Ok(answer) => {
                    self.state.made += 1;
                    return Ok(answer);
                }
                Err(failed) => self.judge(chosen, failed)?,
            }
        }
    }

    /// How long this upstream may take to its first byte. What is not streamed has nothing to say
    /// before it is done, and is bounded by the deadline alone.
    fn limit(&self, upstream: &Upstream) -> Duration {
        let left = self.outgoing.deadline.left(self.sender.platform.now());
        let request = &self.outgoing.request;
        if self.outgoing.streams(upstream) {
            let timeouts = &self.sender.config.timeouts;
            left.min(upstream.first_byte(&request.prompt.model, timeouts))
        } else {
            left
        }
    }

    /// Draws the consequences of a failure; an error is the client's.
    fn judge(&mut self, chosen: Chosen, failed: Failed) -> Result<(), GatewayError> {
        let now = self.sender.platform.now();
        let Failed { error, why } = failed;
        let Some(why) = why else {
            return Err(error);
        };
        // A refusal at once costs neither the client's time nor the upstream's.
        self.state.made += u32::from(matches!(why, Verdict::Broken | Verdict::Request));
        let ready = match why {
            Verdict::Broken => Some(now),
            Verdict::Busy => error
                .retry_after
                .filter(|wait| *wait <= PATIENCE)
                .map(|wait| now + wait),
            Verdict::Account | Verdict::Missing | Verdict::Request => None,
        };
        if let Some(ready) = ready {
            let again = Chosen {
                again: true,
                ..chosen
            };
            self.state.again.push_back((again, ready));
        }
        // That a model is not here says less than why another upstream failed.
        if why != Verdict::Missing || self.state.last.is_none() {
            self.state.last = Some(error);
        }
        Ok(())
    }

    /// Who is asked next: in the ranked order who was not asked yet, and then, after a pause and
    /// within the budget, who failed in passing.
    async fn choose(&mut self) -> Option<Chosen> {
        if let Some(chosen) = self.pick() {
            return Some(chosen);
        }
        // A repeat is an attempt, whatever the first refusal cost.
        if self.state.repeats + 1 >= self.sender.config.retries.attempts {
            return None;
        }
        let platform = self.sender.platform.clone();
        let (again, ready) = self.state.again.pop_front()?;
        let now = platform.now();
        let doubled = PAUSE * 2_u32.pow(self.state.repeats.min(4));
        let jitter = f64::from(platform.random()[0]) / 256.0 + 0.5;
        let pause = doubled
            .min(LONGEST_PAUSE)
            .mul_f64(jitter)
            .max(ready.saturating_duration_since(now));
        if pause >= self.outgoing.deadline.left(now) || !self.sender.budget.spend() {
            return None;
        }
        self.state.repeats += 1;
        platform.sleep(pause).await;
        Some(again)
    }

    fn pick(&mut self) -> Option<Chosen> {
        let (platform, model) = (&self.sender.platform, &self.outgoing.request.prompt.model);
        let now = platform.now();
        while let Some(upstream) = self.ranked.order.get(self.state.at) {
            let random = first_eight(&platform.random());
            let advised = self.ranked.advised.get(self.state.at);
            let need = Need {
                model,
                tried: &self.state.tried,
                prefix: &self.outgoing.prefix,
                advised: advised.and_then(Option::as_ref),
                random,
                now,
            };
            let pick = |last_resort| upstream.pick(&need, last_resort);
            let picked = pick(false).or_else(|| {
                // The first try of a request is free; that a second goes to whom nobody trusts
                // would be a storm while all are down.
                let granted =
                    self.ranked.last_resort && (self.state.made == 0 || self.sender.budget.spend());
                granted.then(|| pick(true)).flatten()
            });
            if let Some(picked) = picked {
                return Some(Chosen {
                    upstream: upstream.clone(),
                    endpoint: picked.endpoint,
                    uncached_tokens: picked.uncached_tokens,
                    again: false,
                });
            }
            self.state.at += 1;
        }
        None
    }

    /// Who may be asked instead of the replica that was: for a stream nobody, since its silence
    /// is limited.
    pub(super) fn others(&self) -> Others {
        let state = &self.state;
        let more = state.made + 1 < self.sender.config.retries.attempts;
        if self.outgoing.request.stream || !more {
            return Others::default();
        }
        let untried =
            |replica: &&Arc<Replica>| !state.tried.iter().any(|tried| Arc::ptr_eq(tried, replica));
        let rest = self.ranked.order.iter().skip(state.at);
        let replicas = rest.flat_map(|upstream| &upstream.endpoints);
        let replicas = replicas.filter(untried).cloned().collect();
        Others::new(&self.outgoing.request.prompt.model, replicas)
    }

    /// Why there is no answer, and when there may be one.
    fn give_up(&mut self) -> GatewayError {
        let now = self.sender.platform.now();
        let model = &self.outgoing.request.prompt.model;
        let rests = |u: &Arc<Upstream>| u.rests_until(model, now);
        let all_rest = self.ranked.order.iter().all(|u| rests(u).is_some());
        let first = self.ranked.order.iter().filter_map(rests).min();
        let wait = first.map(|until| until.saturating_duration_since(now));
        match (self.state.last.take(), wait.filter(|_| all_rest)) {
            (Some(error), Some(wait)) if error.retry_after.is_some() => {
                error.with_retry_after(wait)
            }
            (Some(error), _) => error,
            (None, Some(wait)) => resting(wait),
            (None, None) => GatewayError::new(
                ErrorKind::NoUpstream,
                "every upstream that may serve this request is down",
            )
            .with_retry_after(Duration::from_secs(1)),
        }
    }

    /// Takes note of what a refusal says about a replica.
    pub(super) fn note(&self, chosen: &Chosen, why: Verdict, error: &GatewayError) {
        let now = self.sender.platform.now();
        let Chosen {
            upstream, endpoint, ..
        } = chosen;
        let model: Arc<str> = self.outgoing.request.prompt.model.as_str().into();
        match why {
            // The upstream works; it is the request that it refused.
            Verdict::Request => self.succeeded(upstream, endpoint),
            Verdict::Missing => endpoint.rest(&model, now + MISSING, false, now),
            Verdict::Busy => match error.retry_after {
                Some(wait) if wait.is_zero() => {}
                Some(wait) => endpoint.rest(&model, now + wait, true, now),
                None => endpoint.rest(&model, now + SHY, false, now),
            },
            Verdict::Account => {
                self.count_failure(upstream, endpoint, Blame::Answer);
                if upstream.warning_is_due(now) {
                    let platform = &self.sender.platform;
                    platform.observe(Observation::Warning(error.message.clone()));
                }
            }
            Verdict::Broken => self.count_failure(upstream, endpoint, Blame::Answer),
        }
    }

    /// A replica answered: it is well.
    pub(super) fn succeeded(&self, upstream: &Upstream, endpoint: &Replica) {
        if endpoint.succeeded(self.sender.platform.now()) {
            let request_id = self.outgoing.trail.request_id.clone();
            let change = HealthChange::Recovered { request_id };
            self.health(upstream, endpoint, true, change);
        }
    }

    /// An answer came whole.
    pub(crate) fn answered(&self, answer: &Answer) {
        self.succeeded(&answer.upstream, &answer.lease.endpoint);
    }

    pub(super) fn count_failure(&self, upstream: &Upstream, endpoint: &Replica, blame: Blame) {
        let now = self.sender.platform.now();
        let mut prompt = DefaultHasher::new();
        self.outgoing.request.body.hash(&mut prompt);
        let evidence = Evidence {
            key: self.outgoing.key,
            prompt: prompt.finish(),
        };
        if endpoint.failed(blame, evidence, &self.sender.config.retries, now) {
            let ejection = endpoint.ejection(now);
            let change = HealthChange::Ejected {
                request_id: self.outgoing.trail.request_id.clone(),
                broken: ejection.map_or(0, |it| it.broken),
                errors: ejection.map_or(0, |it| it.errors),
                pause: ejection.map_or(Duration::ZERO, |it| it.pause),
            };
            self.health(upstream, endpoint, false, change);
        }
    }

    fn health(&self, upstream: &Upstream, endpoint: &Replica, healthy: bool, change: HealthChange) {
        self.sender.platform.observe(Observation::Health {
            upstream: upstream.name.clone(),
            endpoint: endpoint.base.clone(),
            healthy,
            change,
        });
    }

    pub(super) fn observe(
        &self,
        tried: Tried<'_>,
        status: Option<u16>,
        failure: Option<ErrorKind>,
        retried: bool,
    ) {
        self.tell(Attempt {
            status,
            failure,
            retried,
            ..self.attempt(tried)
        });
    }

    /// Notes a try whose failure only the operator may know all of.
    pub(super) fn observe_own(&self, tried: Tried<'_>, error: &GatewayError) {
        self.tell(Attempt {
            detail: error.detail.as_deref().map(str::to_owned),
            failure: Some(error.kind),
            retried: true,
            ..self.attempt(tried)
        });
    }

    /// A try that ends now, of which nothing else is known yet.
    fn attempt(&self, tried: Tried<'_>) -> Attempt {
        let (platform, trail) = (&self.sender.platform, &self.outgoing.trail);
        Attempt {
            request_id: trail.request_id.clone(),
            start: trail.offset(tried.sent),
            upstream: tried.upstream.name.clone(),
            endpoint: tried.endpoint.base.clone(),
            detail: None,
            status: None,
            failure: None,
            head: platform.now().saturating_duration_since(tried.sent),
            again: false,
            retried: false,
        }
    }

    fn tell(&self, mut attempt: Attempt) {
        self.outgoing.trail.tried(&mut attempt);
        self.sender.platform.observe(Observation::Attempt(attempt));
    }
}

/// The first eight of random bytes, as a number.
pub(crate) fn first_eight(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}
