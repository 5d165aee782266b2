//! From a miss to a flight: join the one that is under way, or start one and its leader.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use bytes::Bytes;
use forebay_dialect::{Request, Wire};
use http::{HeaderMap, HeaderValue};

use super::flight::{Boarding, End, Flight, FlightReader};
use super::generate::Asked;
use super::lead::{Errand, Leader};
use super::stability::{Cause, Unstable};
use crate::decide::{Decision, LARGE, invalid_request, parse};
use crate::enter::headers;
use crate::enter::identity::keyed;
use crate::enter::ticket::Ticket;
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::memory::hold;
use crate::observe::Observation;
use crate::platform::Platform;
use crate::policy::Directives;
use crate::route::{Outgoing, Places, Prefix, dialect_headers, first_eight};
use crate::time::Deadline;
use crate::trail::Trail;

/// What becomes of a miss.
pub(crate) enum Boarded {
    /// A flight, and whether another request leads it.
    Flight(FlightReader, bool),
    /// Nobody here reads the answer: it is relayed.
    Relay(Box<Relay>),
}

/// A request whose answer is only passed on.
pub(crate) struct Relay {
    pub(crate) errand: Errand,
    pub(crate) outgoing: Outgoing,
}

/// Joins the flight of this request, or starts one and its leader; or gives the request of an
/// answer that is only passed on.
pub(crate) fn board<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    decision: &mut Decision<P>,
    body: &Bytes,
    asked: &Asked<'_>,
    ticket: &mut Ticket<P>,
) -> Result<Boarded, GatewayError> {
    let head = &asked.head.headers;
    // Field by field: a new wish of the client's has to say whether it can be shared.
    let Directives {
        no_cache: _,
        no_store,
        only_if_cached: _,
        cache_sampled: _,
        max_age,
        stale_if_error: _,
    } = decision.directives;
    let stores = decision.plan.store && !no_store;
    let may_store = stores && !decision.by_input;
    // Requests that narrow residency by header never share a flight: its upstream is not known
    // before it has begun.
    let shares = decision.plan.lookup
        && stores
        && max_age != Some(0)
        && !head.contains_key(headers::RESIDENCY)
        && decision.deadline.is_none();
    let resumable = headers::flag(head, &headers::EVENT_IDS);
    let keep = shares || may_store || resumable || !decision.facts.stream;
    let reader = match seat(gateway, decision, shares, keep, &ticket.trail)? {
        Boarding::Joined(reader) => {
            ticket.trail = reader.flight().trail.clone();
            return Ok(Boarded::Flight(reader, true));
        }
        Boarding::Leads(reader) => reader,
    };
    let flight = reader.flight().clone();
    // From here to the spawn there is no await: a client that leaves can't strand those who join.
    let request = match taken(gateway, decision, body) {
        Ok(request) => Arc::new(request),
        Err(error) => {
            flight.finish(End::Failed(error.clone()));
            gateway.shared().flights.land(&flight);
            return Err(error);
        }
    };
    decision.unstable = unstable(gateway, decision, &request);
    flight.counts_in(&gateway.shared().in_flight);
    if resumable {
        gateway.shared().flights.make_resumable(&flight);
    }
    let (errand, mut outgoing) = errand(gateway, decision, request, head, ticket, may_store);
    outgoing.unread = gateway.platform().passes_bodies()
        && !shares
        && !may_store
        && !resumable
        && asked.form.passes_answers()
        && !asked.reads
        && !decision.facts.guard_output
        && decision.masks.is_empty()
        && gateway.all_upstreams().iter().all(|u| u.config.relay);
    if outgoing.unread {
        return Ok(Boarded::Relay(Box::new(Relay { errand, outgoing })));
    }
    let leader = Leader {
        gateway: gateway.clone(),
        flight,
        errand,
        outgoing,
    };
    gateway
        .platform()
        .spawn(leader.run(decision.session.take()));
    Ok(Boarded::Flight(reader, false))
}

/// What keeps a prompt's beginning from being that of the one before. The log says it once for
/// each beginning.
fn unstable<P: Platform>(
    gateway: &Gateway<P>,
    decision: &Decision<P>,
    request: &Request,
) -> Option<Cause> {
    let platform = gateway.platform();
    let tenant = first_eight(&keyed(
        &*decision.identity.secret,
        &[b"forebay prefix advice v1"],
    ));
    let stability = &gateway.shared().stability;
    let Unstable { cause, news } = stability.look(tenant, request, platform.now())?;
    if news {
        platform.observe(Observation::Warning(format!(
            "tenant \"{}\": prompts share a prefix except for a part that changes each time ({}), so prefix caches can't be used; move that part after the text that stays the same",
            decision.caller.tenant,
            cause.as_str()
        )));
    }
    Some(cause)
}

/// A place on a flight: one that can be shared, or one of this request's own.
fn seat<P: Platform>(
    gateway: &Gateway<P>,
    decision: &Decision<P>,
    shares: bool,
    keep: bool,
    trail: &Arc<Trail>,
) -> Result<Boarding, GatewayError> {
    let platform = gateway.platform();
    let id = first_eight(&platform.random());
    let bounds = gateway.flight_bounds();
    let boarding = if shares {
        gateway
            .shared()
            .flights
            .board(decision.key, id, bounds, trail, || platform.share())
    } else {
        let flight = Flight::new(id, decision.key, keep, bounds, trail, platform.share());
        flight.join(0).map(Boarding::Leads)
    };
    boarding
        .ok_or_else(|| GatewayError::new(ErrorKind::Internal, "a new flight could not be boarded"))
}

/// Reads a large request whose decision was remembered, on the threads for long work, so that [`taken`] need not.
pub(crate) async fn read_large<P: Platform>(
    gateway: &Gateway<P>,
    decision: &mut Decision<P>,
    body: &Bytes,
) -> Result<(), GatewayError> {
    if decision.request.is_none() && body.len() >= LARGE {
        let (tenant, target) = (&decision.caller.tenant, &decision.target);
        decision.request = Some(parse(gateway, tenant, target, body).await?);
    }
    Ok(())
}

/// The request as it was read, or read now where the decision was remembered.
pub(crate) fn taken<P: Platform>(
    gateway: &Gateway<P>,
    decision: &mut Decision<P>,
    body: &Bytes,
) -> Result<Request, GatewayError> {
    match decision.request.take() {
        Some(request) => Ok(request),
        None => {
            let request = Request::parse(decision.target.clone(), body.clone());
            let mut request = request.map_err(|error| invalid_request(&error))?;
            hold(&**gateway.platform(), &mut request)?;
            Ok(request)
        }
    }
}

/// Tokens of an answer where the request names no lower limit: what a chat's answer usually has.
pub(super) const USUAL_ANSWER: u64 = 300;

/// What is to be done for a request, and the request itself.
pub(crate) fn errand<P: Platform>(
    gateway: &Gateway<P>,
    decision: &Decision<P>,
    request: Arc<Request>,
    head: &HeaderMap,
    ticket: &Ticket<P>,
    may_store: bool,
) -> (Errand, Outgoing) {
    let total = gateway.config().timeouts.total.0;
    let own = decision.deadline.filter(|own| *own < total);
    let deadline = Deadline {
        at: ticket.started + own.unwrap_or(total),
        own: own.is_some(),
    };
    let secret = &*decision.identity.secret;
    let tenant_hash = tenant_hash(secret);
    let mut key = DefaultHasher::new();
    decision.identity.key.id.hash(&mut key);
    let mut prefix = Prefix::new(
        &decision.plan.chain,
        tenant_hash,
        decision.facts.input_tokens,
        decision
            .facts
            .max_tokens
            .unwrap_or(USUAL_ANSWER)
            .min(USUAL_ANSWER),
    );
    for upstream in gateway.all_upstreams() {
        if let Some(session) = upstream.session(head, &decision.identity.key.id, secret) {
            prefix.belongs(&upstream.name, session);
        }
    }
    let places = Places::new(
        &decision.plan,
        &request.prompt,
        decision.facts.input_tokens,
        secret,
    );
    let outgoing = Outgoing {
        request,
        places,
        tenant: decision.caller.tenant.clone(),
        cache_salt: cache_salt(secret),
        hints: decision.plan.hints.clone(),
        headers: passed_on(secret, decision.target.wire, head, ticket),
        deadline,
        prefix,
        key: key.finish(),
        count: false,
        tenants: !gateway.is_open(),
        sent: None,
        unread: false,
        made: ticket.door.is_some(),
        trail: ticket.trail.clone(),
    };
    let errand = Errand {
        caller: decision.caller.clone(),
        facts: decision.facts.clone(),
        plan: decision.plan.clone(),
        wire: decision.target.wire,
        residency: decision.residency.clone(),
        budget_micro_usd: decision.identity.tenant.budget_micro_usd,
        deadline,
        tenant_hash,
        may_store,
        only: decision.only.clone(),
    };
    (errand, outgoing)
}

/// Separates a tenant's prefixes in what upstreams have warm.
pub(super) fn tenant_hash(secret: &[u8; 32]) -> u64 {
    first_eight(&keyed(secret, &[b"forebay warmth v1"]))
}

/// A tenant's salt for engines that take one.
pub(super) fn cache_salt(secret: &[u8; 32]) -> String {
    hex::encode(&keyed(secret, &[b"forebay cache salt v1"])[..16])
}

/// The headers that go upstream whoever answers.
pub(crate) fn passed_on<P: Platform>(
    secret: &[u8; 32],
    wire: Wire,
    head: &HeaderMap,
    ticket: &Ticket<P>,
) -> HeaderMap {
    let mut out = HeaderMap::new();
    let own = dialect_headers(wire).iter();
    // It says more of a trace, and means nothing without one.
    let tracestate = headers::TRACESTATE;
    let traced = ticket.summary.traceparent.is_some();
    for name in own.chain(Some(&tracestate).filter(|_| traced)) {
        for value in head.get_all(name) {
            if *name != tracestate || headers::is_tracestate(value.as_bytes()) {
                out.append(name.clone(), value.clone());
            }
        }
    }
    // Providers know one account, ours: two tenants who choose the same name for a request must not
    // get each other's answers.
    for value in head.get_all(&headers::IDEMPOTENCY_KEY) {
        let parts = [&b"forebay idempotency key v1"[..], value.as_bytes()];
        let name = hex::encode(&keyed(secret, &parts)[..16]);
        if let Ok(value) = HeaderValue::from_str(&name) {
            out.append(headers::IDEMPOTENCY_KEY, value);
        }
    }
    let summary = &ticket.summary;
    headers::put(&mut out, headers::REQUEST_ID, &summary.request_id);
    // Where requests are traced, the engine's span is below ours; else below the client's.
    if let Some(parent) = summary.span.as_ref().or(summary.traceparent.as_ref()) {
        headers::put(&mut out, headers::TRACEPARENT, parent);
    }
    out
}
