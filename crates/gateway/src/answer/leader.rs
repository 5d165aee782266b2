//! The leader of a flight: has upstreams ranked, asks them in that order, and lands the answer.
//!
//! It runs as a task of its own, so that a client that leaves takes nothing with it but itself.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::{Either, select};
use http::{HeaderName, HeaderValue};

use crate::error::{ErrorKind, ErrorSource, GatewayError};
use crate::flight::{End, Flight, Head, Landing};
use crate::gateway::Gateway;
use crate::guard::{Guarded, policy_failed};
use crate::memo::Remembered;
use crate::meter::Meter;
use crate::observe::Observation;
use crate::platform::Platform;
use crate::policy::{
    CachePlan, Caller, Candidate, Demand, Ending, Outcome, Policies, PolicySession, Ranking,
};
use crate::receive::Broken;
use crate::recording::{Form, Recording};
use crate::store::{Entry, Store};
use crate::time::Timer;
use crate::upstream::{Answer, Attempts};

/// One flight and all that its leader needs.
pub(crate) struct Leader<P: Platform> {
    pub(crate) gateway: Arc<Gateway<P>>,
    pub(crate) flight: Arc<Flight>,
    pub(crate) attempts: Attempts<P>,
    pub(crate) caller: Caller,
    pub(crate) facts: Arc<Remembered>,
    pub(crate) plan: Arc<CachePlan>,
    /// Where the prompt may go. Empty: anywhere.
    pub(crate) residency: Vec<String>,
    /// What it may cost.
    pub(crate) budget_micro_usd: Option<u64>,
    /// The client has a deadline of its own: upstreams are chosen by it.
    pub(crate) has_deadline: bool,
    /// Separates the tenants' prefixes in what upstreams have warm.
    pub(crate) tenant_hash: u64,
    /// The answer may become an entry.
    pub(crate) may_store: bool,
    /// Who was ranked how and who was excluded why.
    pub(crate) route: Arc<str>,
    /// Time the ranking took.
    pub(crate) rank_time: Duration,
    /// Runs while an upstream is silent.
    pub(crate) silence: Timer,
}

type SessionOf<P> = <<P as Platform>::Policies as Policies>::Session;
pub(crate) type GuardOf<P> = Guarded<<<P as Platform>::Policies as Policies>::Guard>;

impl<P: Platform> Leader<P> {
    /// Runs the flight to its end, or until nobody waits for it. `session` is the sandbox
    /// that decided; a new one is made where the decision was remembered.
    pub(crate) async fn run(mut self, session: Option<SessionOf<P>>) {
        let flight = self.flight.clone();
        let gateway = self.gateway.clone();
        let cancelled = {
            let work = pin!(self.fly(session));
            let gone = pin!(flight.cancelled());
            // Dropping the work drops the upstream's body: the exchange ends at once.
            matches!(select(work, gone).await, Either::Right(_))
        };
        gateway.shared().flights.land(&flight);
        gateway.platform().observe(Observation::FlightEnded {
            clients: flight.clients(),
            cancelled,
        });
    }

    /// The answer of the first upstream that begins one, unread. The flight is nobody else's.
    pub(crate) async fn relay(
        mut self,
        session: Option<SessionOf<P>>,
    ) -> Result<(Head, Answer), GatewayError> {
        let began = Instant::now();
        self.attempts.unread = true;
        self.rank(session).await?;
        self.rank_time = began.elapsed();
        let answer = self.attempts.next().await?;
        answer.succeeded();
        Ok((self.head(answer.upstream.name.clone(), &answer), answer))
    }

    async fn fly(&mut self, session: Option<SessionOf<P>>) {
        let began = Instant::now();
        if let Err(error) = self.rank(session).await {
            return self.flight.finish(End::Failed(error));
        }
        self.rank_time = began.elapsed();
        loop {
            let mut answer = match self.attempts.next().await {
                Ok(answer) => answer,
                Err(error) => return self.flight.finish(End::Failed(error)),
            };
            match self.receive(&mut answer).await {
                Ok(()) => {
                    answer.succeeded();
                    return answer.upstream.warmed(&self.plan.chain, self.tenant_hash);
                }
                Err(Broken::Early(error)) => self.attempts.broke_early(&answer, error),
                Err(Broken::Late(error)) => {
                    // A denial or a broken policy is not the upstream's failure: it must not eject it.
                    if error.kind.source() == ErrorSource::Upstream {
                        self.attempts.broke(&answer, &error, false);
                    }
                    return self.flight.finish(End::Failed(error));
                }
            }
        }
    }

    /// Asks the selector for the order in which to try.
    async fn rank(&mut self, session: Option<SessionOf<P>>) -> Result<(), GatewayError> {
        let facts = &self.facts;
        let upstreams: Vec<_> = self
            .gateway
            .all_upstreams()
            .iter()
            .filter(|u| u.takes(self.wire(), &facts.model))
            .cloned()
            .collect();
        let candidates: Vec<_> = upstreams
            .iter()
            .map(|u| u.candidate(&facts.model, &self.plan.chain, self.tenant_hash))
            .collect();
        let left = self
            .attempts
            .deadline
            .saturating_duration_since(Instant::now());
        let demand = Demand {
            model: facts.model.to_string(),
            input_tokens: facts.input_tokens,
            output_tokens: facts.max_tokens.unwrap_or(0).saturating_mul(facts.n.into()),
            needs: facts.needs,
            residency: self.residency.clone(),
            budget_micro_usd: self.budget_micro_usd,
            // `timeouts.total` is a safety net, not a wish: excluding by it would take a slow engine
            // out whose only fault is that the client allowed a long answer.
            deadline_ms: u64::try_from(left.as_millis())
                .ok()
                .filter(|_| self.has_deadline),
        };
        let mut session = match session {
            Some(session) => session,
            None => {
                let bytes = self.attempts.request.body.len();
                self.gateway
                    .policies()
                    .session(&self.caller, bytes)
                    .await
                    .map_err(|e| policy_failed(&e))?
            }
        };
        let ranking = session
            .rank(&self.caller, &demand, &candidates)
            .await
            .map_err(|e| policy_failed(&e))?;
        drop(session);
        self.attempts.order = ranking
            .order
            .iter()
            .filter_map(|c| upstreams.get(c.candidate as usize).cloned())
            .collect();
        self.route = route_of(&ranking, &candidates).into();
        if self.attempts.order.is_empty() {
            let overloaded = ranking
                .excluded
                .iter()
                .any(|(_, why)| matches!(why.code.as_str(), "health" | "capacity"));
            // What no upstream is able to do, none will be in a moment.
            let unable = !ranking.excluded.is_empty()
                && ranking
                    .excluded
                    .iter()
                    .all(|(_, why)| matches!(why.code.as_str(), "capability" | "context"));
            let error = GatewayError::new(
                if unable {
                    ErrorKind::NotExpressible
                } else {
                    ErrorKind::NoUpstream
                },
                format!("no upstream may serve this request: {}", self.route),
            );
            return Err(if overloaded {
                error.with_retry_after(Duration::from_secs(1))
            } else {
                error
            });
        }
        Ok(())
    }

    pub(crate) fn head(&self, upstream: Arc<str>, answer: &Answer) -> Head {
        Head {
            upstream,
            route: self.route.clone(),
            rank: self.rank_time,
            waited: answer.sent.elapsed(),
            lost: answer.lost.join(", ").into(),
            request_id: upstream_request_id(&answer.head.headers),
            rate_limits: upstream_rate_limits(&answer.head.headers),
        }
    }

    /// The answer has ended well: clients get its end, then it is stored if policy and bounds allow.
    pub(crate) async fn land(
        &self,
        answer: &mut Answer,
        meter: Meter,
        form: Option<Form>,
        fallback: Ending,
    ) {
        let ending = meter.ending.unwrap_or(fallback);
        let recording = form.map(|form| {
            Arc::new(Recording::new(
                self.flight.id,
                self.wire(),
                form,
                ending,
                meter.usage,
                meter.model.clone(),
                answer.upstream.name.clone(),
                *self.gateway.policies().digest(),
            ))
        });
        self.flight.finish(End::Done(Landing {
            recording: recording.clone(),
            usage: meter.usage,
            model: meter.model.clone(),
        }));
        let Some(recording) = recording.filter(|r| {
            self.may_store
                && self.plan.store
                && r.bytes() <= self.gateway.config().streams.max_recording
        }) else {
            return;
        };
        let outcome = Outcome {
            ending,
            status: answer.head.status.as_u16(),
            bytes: recording.bytes() as u64,
            tool_calls: meter.tool_calls,
            usage: meter.usage,
        };
        let admission = match self
            .gateway
            .policies()
            .admit(&self.caller, &self.plan, &outcome)
            .await
        {
            Ok(admission) => admission,
            Err(error) => return self.warn(format!("an answer was not stored: {error}")),
        };
        if !admission.store {
            return;
        }
        let entry = Arc::new(Entry {
            key: self.flight.key,
            tenant: self.caller.tenant.clone(),
            model: self.facts.model.clone(),
            tags: admission.tags,
            stored: SystemTime::now(),
            freshness: admission.freshness,
            recording,
        });
        if let Err(error) = self.gateway.store().put(entry).await {
            self.warn(format!("an answer was not stored: {error}"));
        }
    }

    pub(crate) fn report_hits(&self, hits: Vec<crate::policy::Hit>) {
        if !hits.is_empty() {
            let caller = self.caller.clone();
            self.gateway
                .platform()
                .observe(Observation::GuardHits { caller, hits });
        }
    }

    fn warn(&self, text: String) {
        self.gateway.platform().observe(Observation::Warning(text));
    }
}

/// What the upstream told of its own rate limits: `x-ratelimit-*` (OpenAI, Azure, Mistral) and
/// `anthropic-ratelimit-*`.
fn upstream_rate_limits(headers: &http::HeaderMap) -> Arc<[(HeaderName, HeaderValue)]> {
    headers
        .iter()
        .filter(|(name, _)| {
            let name = name.as_str();
            name.starts_with("x-ratelimit-") || name.starts_with("anthropic-ratelimit-")
        })
        // 24: Anthropic sends eighteen.
        .take(24)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The id that the upstream gave the request, under whichever name it has there.
fn upstream_request_id(headers: &http::HeaderMap) -> Option<Arc<str>> {
    const NAMES: [&str; 7] = [
        "x-request-id",
        "request-id",
        "x-amzn-requestid",
        "apim-request-id",
        "opc-request-id",
        "x-debug-trace-id",
        "mistral-correlation-id",
    ];
    let id = NAMES.iter().find_map(|name| headers.get(*name))?;
    // 128: longer ids are no ids.
    let id = id.to_str().ok().filter(|id| id.len() <= 128)?;
    Some(id.into())
}

/// `eu-1 (0.31), us-1 excluded: residency (…)`.
fn route_of(ranking: &Ranking, candidates: &[Candidate]) -> String {
    let name = |index: u32| {
        candidates
            .get(index as usize)
            .map_or("?", |c| c.name.as_str())
    };
    let ranked = ranking
        .order
        .iter()
        .map(|c| format!("{} ({:.3})", name(c.candidate), c.score));
    let excluded = ranking
        .excluded
        .iter()
        .map(|(index, why)| format!("{} excluded: {} ({})", name(*index), why.code, why.detail));
    ranked.chain(excluded).collect::<Vec<_>>().join(", ")
}
