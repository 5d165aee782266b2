//! The leader of a flight: has upstreams ranked, asks them in that order, and lands the answer.
//!
//! It runs as a task of its own, so that a client that leaves takes nothing with it but itself.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use forebay_dialect::Wire;
use forebay_dialect::exchange::Lost;
use futures_util::future::{Either, select};
use http::{HeaderName, HeaderValue};

use crate::answer::flight::{End, Flight, Head};
use crate::decide::memo::Remembered;
use crate::error::{ErrorSource, GatewayError};
use crate::gateway::Gateway;
use crate::observe::{LostField, Observation};
use crate::platform::Platform;
use crate::policy::{CachePlan, Caller, Demand, Policies};
use crate::receive::guard::policy_failed;
use crate::receive::{Broken, Receiver, Spare};
use crate::route::{Answer, Attempts, Outgoing, Ranked, View, Wish, first_eight, rank, resolve};
use crate::time::Deadline;

/// What a flight is for: all that is decided before an upstream is chosen.
pub(crate) struct Errand {
    pub(crate) caller: Caller,
    pub(crate) facts: Arc<Remembered>,
    pub(crate) plan: Arc<CachePlan>,
    /// The client's format, which the flight is in.
    pub(crate) wire: Wire,
    /// Where the prompt may go. Empty: anywhere.
    pub(crate) residency: Vec<String>,
    /// What it may cost.
    pub(crate) budget_micro_usd: Option<u64>,
    pub(crate) deadline: Deadline,
    /// Separates the tenants' prefixes in what upstreams have warm.
    pub(crate) tenant_hash: u64,
    /// The answer may become an entry.
    pub(crate) may_store: bool,
    /// The only upstream that may be asked.
    pub(crate) only: Option<String>,
}

/// A flight with its errand and its request.
pub(crate) struct Leader<P: Platform> {
    pub(crate) gateway: Arc<Gateway<P>>,
    pub(crate) flight: Arc<Flight>,
    pub(crate) errand: Errand,
    pub(crate) outgoing: Outgoing,
}

pub(crate) type SessionOf<P> = <<P as Platform>::Policies as Policies>::Session;

impl<P: Platform> Leader<P> {
    /// Runs the flight to its end, or until nobody waits for it. `session` is the sandbox
    /// that decided; a new one is made where the decision was remembered.
    pub(crate) async fn run(self, session: Option<SessionOf<P>>) {
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

    async fn fly(self, session: Option<SessionOf<P>>) {
        let Self {
            gateway,
            flight,
            errand,
            mut outgoing,
        } = self;
        let ranked = match ranked(&gateway, &errand, &mut outgoing, session).await {
            Ok(ranked) => ranked,
            Err(error) => return flight.finish(End::Failed(error)),
        };
        let mut attempts = Attempts::new(gateway.sender(), outgoing, ranked.clone());
        // A handle, not a copy: it lives as long as the request that it is of.
        let sent = attempts.request().body.clone();
        let mut receiver = Receiver::new(&gateway, &flight, &errand, sent);
        let mut spare: Option<Spare> = None;
        loop {
            let mut answer = match attempts.next().await {
                Ok(answer) => answer,
                Err(error) => {
                    return match spare {
                        // An answer without content is better than none; it is not kept.
                        Some(spare) => spare.land(&flight),
                        None => flight.finish(End::Failed(receiver.judge_error(error).await)),
                    };
                }
            };
            let head = head(&ranked, &answer);
            report_lost(&**gateway.platform(), &head);
            match receiver
                .receive(attempts.request(), &mut answer, head)
                .await
            {
                Ok(()) => {
                    attempts.answered(&answer);
                    return answer
                        .upstream
                        .warmed(&errand.plan.chain, errand.tenant_hash);
                }
                Err(Broken::Early(error)) => {
                    if let Err(error) = attempts.broke_early(&answer, error) {
                        return flight.finish(End::Failed(receiver.judge_error(error).await));
                    }
                }
                Err(Broken::Empty(error, empty)) => {
                    // An upstream that says nothing does not say that the request is at fault.
                    let _: Result<(), _> = attempts.broke_early(&answer, error);
                    spare = Some(*empty);
                }
                Err(Broken::Late(error)) => {
                    // A denial or a broken policy is not the upstream's failure: it must not eject it.
                    if error.kind.source() == ErrorSource::Upstream {
                        attempts.broke(&answer, &error, false);
                    }
                    return flight.finish(End::Failed(receiver.judge_error(error).await));
                }
            }
        }
    }
}

/// Asks the first upstream that begins an answer, which nobody here reads.
pub(crate) async fn relay<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    errand: &Errand,
    mut outgoing: Outgoing,
    session: Option<SessionOf<P>>,
) -> Result<(Head, Answer), GatewayError> {
    let ranked = ranked(gateway, errand, &mut outgoing, session).await?;
    let mut attempts = Attempts::new(gateway.sender(), outgoing, ranked.clone());
    let answer = attempts.next().await?;
    attempts.answered(&answer);
    let mut head = head(&ranked, &answer);
    report_lost(&**gateway.platform(), &head);
    head.waited = gateway
        .platform()
        .now()
        .saturating_duration_since(answer.sent);
    Ok((head, answer))
}

/// Who is to be asked.
async fn ranked<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    errand: &Errand,
    outgoing: &mut Outgoing,
    session: Option<SessionOf<P>>,
) -> Result<Arc<Ranked>, GatewayError> {
    let platform = gateway.platform();
    resolve(
        platform,
        gateway.all_upstreams(),
        &outgoing.request,
        (&outgoing.tenant, &outgoing.cache_salt),
        &mut outgoing.prefix,
    )
    .await;
    let began = platform.now();
    let mut session = match session {
        Some(session) => session,
        None => {
            let bytes = outgoing.request.body.len();
            let session = gateway.policies().session(&errand.caller, bytes).await;
            session.map_err(|e| policy_failed(&e))?
        }
    };
    let facts = &errand.facts;
    let left = errand.deadline.left(began);
    let wish = Wish {
        caller: &errand.caller,
        wire: errand.wire,
        tenants: outgoing.tenants,
        passage: None,
        only: errand.only.as_deref(),
        demand: Demand {
            model: facts.model.to_string(),
            input_tokens: outgoing.prefix.counted().unwrap_or(facts.input_tokens),
            output_tokens: facts.max_tokens.unwrap_or(0).saturating_mul(facts.n.into()),
            needs: facts.needs,
            residency: errand.residency.clone(),
            budget_micro_usd: errand.budget_micro_usd,
            deadline_ms: u64::try_from(left.as_millis())
                .ok()
                .filter(|_| errand.deadline.own),
        },
        view: View {
            model: &facts.model,
            chain: &errand.plan.chain,
            tenant: errand.tenant_hash,
            prefix: &outgoing.prefix,
            last_resort: false,
            explore: false,
            random: 0,
            now: began,
        },
    };
    let random = first_eight(&platform.random());
    let (all, trail) = (gateway.all_upstreams(), &outgoing.trail);
    let ranked = rank(&mut session, &wish, all, random, trail).await;
    trail.took(began, platform.now());
    // Taking a sandbox apart costs time that the upstream can already work in.
    platform.spawn(async move { drop(session) });
    let took = platform.now().saturating_duration_since(began);
    Ok(Arc::new(Ranked { took, ..ranked? }))
}

pub(crate) fn head(ranked: &Ranked, answer: &Answer) -> Head {
    Head {
        upstream: answer.upstream.name.clone(),
        rank: ranked.took,
        waited: Duration::ZERO,
        lost: told(&answer.lost).into(),
        lost_fields: answer
            .lost
            .iter()
            .take(MAX_LOST)
            .map(LostField::new)
            .collect(),
        request_id: upstream_request_id(&answer.head.headers),
        rate_limits: upstream_rate_limits(&answer.head.headers),
    }
}

/// The most lost fields that are logged of one request: enough to see what kind it is.
const MAX_LOST: usize = 16;

/// The fields that a client is told of: a hint can't change the answer.
fn told(lost: &[Lost]) -> String {
    let told = lost.iter().filter(|lost| !lost.is_hint());
    let names: Vec<&str> = told.map(|lost| lost.param.as_str()).collect();
    names.join(", ")
}

/// Counts what the upstream was not told.
fn report_lost<P: Platform>(platform: &P, head: &Head) {
    if !head.lost_fields.is_empty() {
        platform.observe(Observation::Lost {
            upstream: head.upstream.clone(),
            fields: head.lost_fields.clone(),
        });
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
