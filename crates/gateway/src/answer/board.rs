//! From a miss to a flight: join the one that is under way, or start one and its leader.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_dialect::Request;
use http::HeaderMap;

use crate::decide::{Decision, invalid_request};
use crate::error::{ErrorKind, GatewayError};
use crate::flight::{Boarding, End, Flight, FlightReader};
use crate::gateway::Gateway;
use crate::headers;
use crate::identity::keyed;
use crate::leader::Leader;
use crate::platform::Platform;
use crate::ticket::Ticket;
use crate::time::Timer;
use crate::upstream::{Attempts, dialect_headers};

/// What becomes of a miss.
pub(crate) enum Boarded<P: Platform> {
    /// A flight, and whether another request leads it.
    Flight(FlightReader, bool),
    /// Nobody here reads the answer: it is relayed.
    Relay(Box<Leader<P>>),
}

/// Joins the flight of this request, or starts one and its leader; or gives the leader of an
/// answer that is only passed on.
pub(crate) fn board<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    decision: &mut Decision<P>,
    body: &Bytes,
    head: &HeaderMap,
    ticket: &Ticket<P>,
) -> Result<Boarded<P>, GatewayError> {
    let directives = decision.directives;
    let id = u64::from_le_bytes(first_eight(gateway.platform().random()));
    let may_store = decision.plan.store && !directives.no_store;
    // Who narrows residency by header flies alone: a flight's upstream is not known before it has begun.
    let narrowed = head.contains_key(headers::RESIDENCY);
    let shares = decision.plan.lookup
        && may_store
        && directives.max_age != Some(0)
        && !narrowed
        && decision.deadline.is_none();
    let bounds = gateway.flight_bounds();
    let resumable = headers::flag(head, &headers::EVENT_IDS);
    let reader = if shares {
        match gateway.shared().flights.board(decision.key, id, bounds) {
            Some(Boarding::Joined(reader)) => return Ok(Boarded::Flight(reader, true)),
            Some(Boarding::Leads(reader)) => reader,
            None => {
                return Err(GatewayError::new(
                    ErrorKind::Internal,
                    "a new flight could not be boarded",
                ));
            }
        }
    } else {
        let keep = may_store || resumable || !decision.facts.stream;
        let flight = Flight::new(id, decision.key, keep, bounds);
        flight.join(0).ok_or_else(|| {
            GatewayError::new(ErrorKind::Internal, "a new flight could not be boarded")
        })?
    };
    let flight = reader.flight().clone();
    // From here to the spawn there is no await: a client that leaves can't strand those who join.
    let request = match decision.request.take() {
        Some(request) => request,
        None => match Request::parse(decision.target.clone(), body.clone()) {
            Ok(request) => request,
            Err(error) => {
                let error = invalid_request(&error);
                flight.finish(End::Failed(error.clone()));
                gateway.shared().flights.land(&flight);
                return Err(error);
            }
        },
    };
    if resumable {
        gateway.shared().flights.make_resumable(&flight);
    }
    let mut leader = lead(gateway, decision, request, flight, head, ticket);
    leader.may_store = may_store;
    let unread = gateway.platform().passes_bodies()
        && !shares
        && !may_store
        && !resumable
        && !decision.facts.guard_output
        && decision.masks.is_empty()
        && gateway.all_upstreams().iter().all(|u| u.config.relay);
    if unread {
        return Ok(Boarded::Relay(Box::new(leader)));
    }
    gateway
        .platform()
        .spawn(leader.run(decision.session.take()));
    Ok(Boarded::Flight(reader, false))
}

/// A leader for this request, which has asked nobody yet.
pub(crate) fn lead<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    decision: &Decision<P>,
    request: Request,
    flight: Arc<Flight>,
    head: &HeaderMap,
    ticket: &Ticket<P>,
) -> Leader<P> {
    let mut passed_on = HeaderMap::new();
    let own = dialect_headers(decision.target.wire).iter();
    for name in own.chain([&headers::IDEMPOTENCY_KEY]) {
        for value in head.get_all(name) {
            passed_on.append(name.clone(), value.clone());
        }
    }
    headers::put(
        &mut passed_on,
        headers::REQUEST_ID,
        &ticket.summary.request_id,
    );
    if let Some(parent) = &ticket.summary.traceparent {
        headers::put(&mut passed_on, headers::TRACEPARENT, parent);
    }
    let total = gateway.config().timeouts.total.0;
    let deadline = ticket.started + decision.deadline.map_or(total, |own| own.min(total));
    let secret = &*decision.identity.secret;
    let mut attempts = Attempts::new(
        gateway.clone(),
        Arc::new(request),
        Vec::new(),
        passed_on,
        deadline,
    );
    attempts.cache_salt = hex::encode(&keyed(secret, &[b"forebay cache salt v1"])[..16]);
    attempts.hints.clone_from(&decision.plan.hints);
    Leader {
        gateway: gateway.clone(),
        flight,
        attempts,
        caller: decision.caller.clone(),
        facts: decision.facts.clone(),
        plan: decision.plan.clone(),
        residency: decision.residency.clone(),
        budget_micro_usd: decision.identity.tenant.budget_micro_usd,
        has_deadline: decision.deadline.is_some(),
        tenant_hash: u64::from_le_bytes(first_eight_of(&keyed(secret, &[b"forebay warmth v1"]))),
        may_store: false,
        route: "".into(),
        rank_time: Duration::ZERO,
        silence: Timer::default(),
    }
}

fn first_eight(random: [u8; 16]) -> [u8; 8] {
    first_eight_of(&random)
}

fn first_eight_of(bytes: &[u8]) -> [u8; 8] {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[..8]);
    eight
}
