//! The leader of a flight: asks upstreams, meters and guards what comes, pushes it to the clients, records it.
//!
//! It runs as a task of its own, so that a client that leaves takes nothing with it but itself.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use forebay_dialect::sse::Decoder;
use forebay_dialect::{Payload, StreamItem, Wire};
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use http::header::CONTENT_TYPE;

use crate::error::{ErrorKind, ErrorSource, GatewayError};
use crate::flight::{End, Flight, Head, Landing};
use crate::gateway::Gateway;
use crate::guard::{Guarded, denied, policy_failed};
use crate::memo::Remembered;
use crate::meter::Meter;
use crate::observe::Observation;
use crate::platform::Platform;
use crate::policy::{
    CachePlan, Caller, Candidate, Demand, Ending, Outcome, Policies, PolicySession, Ranking,
};
use crate::recording::{Form, Recording};
use crate::store::{Entry, Store};
use crate::time::{Timer, timeout};
use crate::upstream::{Answer, Attempts, timed_out, transport_error};

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

/// An answer broke.
enum Broken {
    /// Before its first event: another upstream may be tried.
    Early(GatewayError),
    /// Clients have seen some of it.
    Late(GatewayError),
}

type SessionOf<P> = <<P as Platform>::Policies as Policies>::Session;
type GuardOf<P> = Guarded<<<P as Platform>::Policies as Policies>::Guard>;

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
            .filter(|u| u.model_name(&facts.model).is_some())
            .cloned()
            .collect();
        let candidates: Vec<_> = upstreams
            .iter()
            .map(|u| u.candidate(&self.plan.chain, self.tenant_hash))
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
            let error = GatewayError::new(
                ErrorKind::NoUpstream,
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

    async fn receive(&mut self, answer: &mut Answer) -> Result<(), Broken> {
        let guard = if self.facts.guard_output {
            let guard = self.gateway.policies().guard(&self.caller).await;
            Some(Guarded::new(
                guard.map_err(|e| Broken::Late(policy_failed(&e)))?,
            ))
        } else {
            None
        };
        let is_stream = answer.head.headers.get(CONTENT_TYPE).is_some_and(|v| {
            v.as_bytes()
                .to_ascii_lowercase()
                .starts_with(b"text/event-stream")
        });
        if is_stream {
            self.receive_stream(answer, guard).await
        } else {
            self.receive_whole(answer, guard).await
        }
    }

    fn head(&self, upstream: Arc<str>, answer: &Answer) -> Head {
        Head {
            upstream,
            route: self.route.clone(),
            rank: self.rank_time,
            waited: answer.sent.elapsed(),
        }
    }

    /// The client's format, which the flight is in.
    fn wire(&self) -> Wire {
        self.attempts.request.wire()
    }

    /// The next bytes of the body. `limit` is the stage's own; the client's deadline holds as well.
    async fn next(
        &mut self,
        answer: &mut Answer,
        limit: Duration,
    ) -> Result<Option<Bytes>, GatewayError> {
        let left = self
            .attempts
            .deadline
            .saturating_duration_since(Instant::now());
        let limit = limit.min(left);
        let platform = &**self.gateway.platform();
        match self
            .silence
            .within(platform, limit, answer.body.next())
            .await
        {
            None => Err(timed_out(&answer.upstream.name, limit)),
            Some(None) => Ok(None),
            Some(Some(Ok(bytes))) => Ok(Some(bytes)),
            Some(Some(Err(error))) => Err(transport_error(&answer.upstream.name, &error)),
        }
    }

    async fn receive_whole(
        &mut self,
        answer: &mut Answer,
        guard: Option<GuardOf<P>>,
    ) -> Result<(), Broken> {
        let timeouts = self.gateway.config().timeouts.clone();
        let limit = self.gateway.config().streams.max_response;
        let mut body = Bytes::new();
        let mut gathered = BytesMut::new();
        let mut wait = timeouts.first_byte.0;
        while let Some(chunk) = self.next(answer, wait).await.map_err(Broken::Early)? {
            wait = timeouts.idle.0;
            if body.len() + gathered.len() + chunk.len() > limit {
                return Err(Broken::Late(invalid(
                    &answer.upstream.name,
                    &format!("an answer of more than {limit} bytes (streams.max_response)"),
                )));
            }
            if body.is_empty() && gathered.is_empty() {
                body = chunk;
            } else {
                if gathered.is_empty() {
                    gathered.extend_from_slice(&std::mem::take(&mut body));
                }
                gathered.extend_from_slice(&chunk);
            }
        }
        // A copy of its own: what came is a slice of a larger read buffer, which a recording
        // would keep alive, many times its weight.
        body = Bytes::copy_from_slice(if gathered.is_empty() {
            &body
        } else {
            &gathered
        });
        let name = answer.upstream.name.clone();
        let payload = Payload::parse(self.wire(), body).map_err(|e| {
            Broken::Early(invalid(
                &name,
                &format!("what is no answer of its dialect: {e}"),
            ))
        })?;
        let mut meter = Meter::default();
        if let Some(error) = meter.read(&payload, &name) {
            return Err(Broken::Late(error));
        }
        let took = answer.sent.elapsed();
        answer
            .upstream
            .measured(took, meter.usage.map_or(0, |u| u.output), Duration::ZERO);
        let body = match guard {
            None => payload.raw.clone(),
            Some(guard) => self
                .guard_whole(payload, guard)
                .await
                .map_err(Broken::Late)?,
        };
        self.flight.set_head(self.head(name, answer));
        self.land(answer, meter, Some(Form::Whole(body)), Ending::Complete)
            .await;
        Ok(())
    }

    /// A whole answer is pushed at once and finished: all that may go out is then released.
    async fn guard_whole(
        &self,
        payload: Payload,
        mut guard: GuardOf<P>,
    ) -> Result<Bytes, GatewayError> {
        let texts = payload.texts().to_vec();
        let passed = guard
            .pass(payload.clone())
            .await
            .map_err(|e| policy_failed(&e))?;
        let rest = match &passed.denied {
            None => Some(guard.finish().await.map_err(|e| policy_failed(&e))?),
            Some(_) => None,
        };
        self.report_hits(std::mem::take(&mut guard.hits));
        if let Some(reason) = passed
            .denied
            .or(rest.as_ref().and_then(|r| r.denied.clone()))
        {
            return Err(denied(&reason));
        }
        // Released within the pass, released at the end: both belong into the slots of the one body.
        let mut slots = vec![Some(String::new()); texts.len()];
        for body in passed
            .payloads
            .into_iter()
            .chain(rest.into_iter().flat_map(|r| r.payloads))
        {
            let Ok(part) = Payload::parse(self.wire(), body) else {
                continue;
            };
            for text in part.texts() {
                let at = texts
                    .iter()
                    .rposition(|t| t.choice == text.choice && t.channel == text.channel);
                if let Some(Some(slot)) = at.and_then(|at| slots.get_mut(at)) {
                    slot.push_str(&text.text);
                }
            }
        }
        Ok(payload.rewrite(&slots, true))
    }

    async fn receive_stream(
        &mut self,
        answer: &mut Answer,
        mut guard: Option<GuardOf<P>>,
    ) -> Result<(), Broken> {
        let config = self.gateway.config().clone();
        let name = answer.upstream.name.clone();
        let mut decoder = Decoder::new(config.streams.max_event);
        let mut meter = Meter::default();
        let mut wait = config.timeouts.first_byte.0;
        let mut begun = false;
        loop {
            let broken = |begun: bool, error| {
                if begun {
                    Broken::Late(error)
                } else {
                    Broken::Early(error)
                }
            };
            let Some(chunk) = self
                .next(answer, wait)
                .await
                .map_err(|e| broken(begun, e))?
            else {
                let error = GatewayError::new(
                    ErrorKind::UpstreamTruncated,
                    format!("upstream \"{name}\" ended its stream without the terminal event"),
                );
                return Err(broken(begun, error));
            };
            decoder.push(chunk);
            for event in decoder.by_ref() {
                let event = event.map_err(|e| broken(begun, invalid(&name, &e.to_string())))?;
                if event.data.is_empty() {
                    continue;
                }
                let item = StreamItem::parse(self.wire(), event.data).map_err(|e| {
                    broken(
                        begun,
                        invalid(&name, &format!("an event that is none of its dialect: {e}")),
                    )
                })?;
                let StreamItem::Payload(payload) = item else {
                    return self.end_stream(answer, meter, guard, begun).await;
                };
                if let Some(error) = meter.read(&payload, &name) {
                    return Err(broken(begun, error));
                }
                if !begun {
                    begun = true;
                    wait = config.timeouts.idle.0;
                    self.flight.set_head(self.head(name.clone(), answer));
                }
                self.pass_on(payload, guard.as_mut())
                    .await
                    .map_err(Broken::Late)?;
            }
            self.wait_for_clients().await.map_err(Broken::Late)?;
        }
    }

    async fn pass_on(
        &self,
        payload: Payload,
        guard: Option<&mut GuardOf<P>>,
    ) -> Result<(), GatewayError> {
        let Some(guard) = guard else {
            self.flight
                .push(payload.raw.clone(), payload.is_usage_only());
            return Ok(());
        };
        let usage_only = payload.is_usage_only();
        let passed = guard.pass(payload).await.map_err(|e| policy_failed(&e))?;
        for body in passed.payloads {
            self.flight.push(body, usage_only);
        }
        if let Some(reason) = passed.denied {
            self.report_hits(std::mem::take(&mut guard.hits));
            return Err(denied(&reason));
        }
        Ok(())
    }

    async fn end_stream(
        &self,
        answer: &mut Answer,
        meter: Meter,
        guard: Option<GuardOf<P>>,
        begun: bool,
    ) -> Result<(), Broken> {
        if !begun {
            let error = invalid(&answer.upstream.name, "a stream without a single event");
            return Err(Broken::Early(error));
        }
        if let Some(mut guard) = guard {
            let passed = guard
                .finish()
                .await
                .map_err(|e| Broken::Late(policy_failed(&e)))?;
            self.report_hits(std::mem::take(&mut guard.hits));
            for body in passed.payloads {
                self.flight.push(body, false);
            }
            if let Some(reason) = passed.denied {
                return Err(Broken::Late(denied(&reason)));
            }
        }
        let now = Instant::now();
        if let Some(first) = meter.first_token {
            let tokens = meter.usage.map_or(meter.deltas, |u| u.output);
            answer
                .upstream
                .measured(first - answer.sent, tokens, now - first);
        }
        let form = self.flight.log().map(|(events, _)| Form::Events(events));
        self.land(answer, meter, form, Ending::Complete).await;
        Ok(())
    }

    /// Slows down to the fastest client; a client that does not read at all is cut.
    async fn wait_for_clients(&self) -> Result<(), GatewayError> {
        let patience = self.gateway.config().timeouts.slow_client.0;
        match timeout(&**self.gateway.platform(), patience, self.flight.writable()).await {
            Some(true) => Ok(()),
            Some(false) => Err(GatewayError::new(
                ErrorKind::Internal,
                "nobody waits for this answer any more",
            )),
            None => {
                self.flight.cut_laggards();
                Ok(())
            }
        }
    }

    /// The answer has ended well: clients get its end, then it is stored if policy and bounds allow.
    async fn land(&self, answer: &mut Answer, meter: Meter, form: Option<Form>, fallback: Ending) {
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

    fn report_hits(&self, hits: Vec<crate::policy::Hit>) {
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

fn invalid(upstream: &str, what: &str) -> GatewayError {
    GatewayError::new(
        ErrorKind::UpstreamInvalid,
        format!("upstream \"{upstream}\" sent {what}"),
    )
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
