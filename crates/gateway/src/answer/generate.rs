//! The way of a request, told once: decide, look in the store, join or lead a flight, reply.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use forebay_dialect::error::error_header;
use forebay_dialect::{Payload, Target, Wire};
use http::header::{AGE, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode, request};

use crate::board::{Boarded, board};
use crate::count::count;
use crate::decide::{Decision, decide};
use crate::error::{ErrorKind, ErrorSource, GatewayError};
use crate::flight::FlightReader;
use crate::frame::EventFrame;
use crate::gateway::Gateway;
use crate::ingress::{self, Endpoint, Ingress};
use crate::leader::Leader;
use crate::lookup::{Found, find, resumed};
use crate::masks::{MaskTable, Restorer};
use crate::observe::CacheResult;
use crate::platform::{Platform, UpstreamBody};
use crate::recording::Recording;
use crate::reply::{Events, Feed, ReplyBody, body_of};
use crate::store::Entry;
use crate::ticket::{Permit, Ticket};
use crate::{headers, models, resume};

/// What goes out, before its head is written.
pub(crate) struct Ready<P: Platform> {
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content<P>,
}

pub(crate) enum Content<P: Platform> {
    Whole(Bytes),
    Events(Events<P>),
    /// An upstream's body as it comes, and its media type.
    Unread(UpstreamBody, HeaderValue),
}

/// Handles one request.
pub(crate) async fn handle<P: Platform>(
    permit: Permit<P>,
    request: http::Request<Bytes>,
) -> Response<ReplyBody<P>> {
    let gateway = permit.gateway.clone();
    let (head, body) = request.into_parts();
    let id = headers::request_id(&**gateway.platform(), Some(&head.headers));
    let mut ticket = Ticket::new(permit, head.uri.path(), id);
    ticket.summary.traceparent = head
        .headers
        .get(headers::TRACEPARENT)
        .and_then(|v| v.to_str().ok())
        .map(str::to_owned);
    let ready = match ingress::read(&head) {
        Ok(Ingress {
            endpoint: Endpoint::Models(wanted),
            ..
        }) => list_models(&gateway, &head, wanted.as_deref(), &mut ticket).await,
        Ok(Ingress {
            endpoint: Endpoint::Count(target),
            route,
            ..
        }) => count(&gateway, &target, route, &head, body, &mut ticket).await,
        Ok(Ingress {
            endpoint: Endpoint::Generate(target),
            route,
            array,
        }) => {
            ticket.wire = target.wire;
            let asked = Asked {
                frame: EventFrame::of(target.wire, array),
                target,
                route,
                head: &head,
            };
            generate(&gateway, &asked, body, &mut ticket).await
        }
        Err(error) => Err(error),
    };
    match ready {
        Ok(ready) => reply(ready, ticket),
        Err(error) => error_reply(ticket, error),
    }
}

/// A request for tokens or vectors, before its body is read.
struct Asked<'a> {
    target: Target,
    route: &'static str,
    frame: EventFrame,
    head: &'a request::Parts,
}

async fn list_models<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    head: &request::Parts,
    wanted: Option<&str>,
    ticket: &mut Ticket<P>,
) -> Result<Ready<P>, GatewayError> {
    let identity = gateway
        .keys()
        .identify(headers::api_key(head).as_deref(), SystemTime::now())?;
    let body = models::answer(gateway, &identity, wanted).await?;
    let mut out = HeaderMap::new();
    headers::put(&mut out, headers::REQUEST_ID, &ticket.summary.request_id);
    Ok(Ready {
        headers: out,
        content: Content::Whole(body),
    })
}

async fn generate<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    asked: &Asked<'_>,
    body: Bytes,
    ticket: &mut Ticket<P>,
) -> Result<Ready<P>, GatewayError> {
    let head = &asked.head.headers;
    let wire = asked.target.wire;
    let mut decision = decide(
        gateway,
        &asked.target,
        asked.route,
        asked.head,
        &body,
        ticket,
    )
    .await?;
    ticket.summary.cache_why.clone_from(&decision.plan.why);
    let decided = ticket.started.elapsed();

    if let Some(id) = head.get(headers::LAST_EVENT_ID) {
        let feed = resumed(gateway, &decision, id).await?;
        ticket.summary.overhead = ticket.started.elapsed();
        ticket.summary.cache = CacheResult::Joined;
        return Ok(stream_out(
            gateway, decision, asked, feed, ticket, decided, None,
        ));
    }
    let mut stale = None;
    if decision.plan.lookup {
        match find(gateway, &decision).await {
            Found::Fresh(entry, tier) => {
                ticket.summary.overhead = ticket.started.elapsed();
                ticket.summary.cache = CacheResult::Hit;
                ticket.summary.cache_tier = tier;
                return from_entry(gateway, decision, asked, &entry, ticket, decided);
            }
            Found::Stale(entry, tier) => stale = Some((entry, tier)),
            Found::Nothing => {}
        }
    }
    if decision.directives.only_if_cached {
        ticket.settle(0);
        return Err(GatewayError::new(
            ErrorKind::NotCached,
            "nothing stored answers this request (only-if-cached)",
        ));
    }
    let (mut reader, joined) = match board(gateway, &mut decision, &body, head, ticket)? {
        Boarded::Flight(reader, joined) => (reader, joined),
        Boarded::Relay(leader) => {
            return relayed(gateway, decision, *leader, ticket, decided).await;
        }
    };
    ticket.summary.cache = match (joined, decision.plan.lookup || decision.plan.store) {
        // It has landed and is on its way into the store: nobody waits, it is a hit already.
        (true, _) if reader.flight().has_landed() => {
            ticket.summary.cache_tier = "flight";
            CacheResult::Hit
        }
        (true, _) => CacheResult::Joined,
        (false, true) => CacheResult::Miss,
        (false, false) => CacheResult::Bypass,
    };
    ticket.summary.overhead = ticket.started.elapsed();
    match from_flight(gateway, &mut reader, &decision, ticket).await {
        Ok(whole) if decision.facts.stream => {
            let _ = whole;
            Ok(stream_out(
                gateway,
                decision,
                asked,
                Feed::Live(reader),
                ticket,
                decided,
                Some(joined),
            ))
        }
        Ok(whole) => whole_out(gateway, &decision, wire, whole, ticket, decided, joined),
        Err(error) => {
            if error.kind.source() == ErrorSource::Upstream
                && error.kind.retryable()
                && let Some((entry, tier)) = stale
            {
                ticket.summary.cache = CacheResult::Stale;
                ticket.summary.cache_tier = tier;
                return from_entry(gateway, decision, asked, &entry, ticket, decided);
            }
            // Nothing was computed that could be charged.
            ticket.settle(0);
            Err(error)
        }
    }
}

/// An answer that nobody here reads: head by head checked, body passed on.
async fn relayed<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    mut decision: Decision<P>,
    leader: Leader<P>,
    ticket: &mut Ticket<P>,
    decided: Duration,
) -> Result<Ready<P>, GatewayError> {
    ticket.summary.overhead = ticket.started.elapsed();
    let (head, answer) = match leader.relay(decision.session.take()).await {
        Ok(begun) => begun,
        Err(error) => {
            ticket.settle(0);
            return Err(error);
        }
    };
    ticket.summary.upstream = Some(head.upstream.clone());
    ticket.head = Some(head);
    let json = HeaderValue::from_static("application/json");
    let media = answer.head.headers.get(CONTENT_TYPE).cloned();
    let mut headers = describe(gateway, &decision, ticket, decided);
    if let Some(length) = answer.head.headers.get(CONTENT_LENGTH) {
        headers.insert(CONTENT_LENGTH, length.clone());
    }
    Ok(Ready {
        headers,
        content: Content::Unread(answer.body, media.unwrap_or(json)),
    })
}

/// Waits for what the client needs of a flight: its beginning for a stream, else all of it.
async fn from_flight<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    reader: &mut FlightReader,
    decision: &Decision<P>,
    ticket: &mut Ticket<P>,
) -> Result<Option<Arc<Recording>>, GatewayError> {
    let _ = gateway;
    let head = reader.head().await?;
    ticket.summary.upstream = Some(head.upstream.clone());
    ticket.head = Some(head);
    if decision.facts.stream {
        return Ok(None);
    }
    Ok(Some(reader.whole().await?))
}

fn from_entry<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    decision: Decision<P>,
    asked: &Asked<'_>,
    entry: &Arc<Entry>,
    ticket: &mut Ticket<P>,
    decided: Duration,
) -> Result<Ready<P>, GatewayError> {
    ticket.settle(0);
    let recording = &entry.recording;
    ticket.summary.upstream = Some(recording.upstream.clone());
    ticket.summary.usage = recording.usage;
    ticket.summary.response_model.clone_from(&recording.model);
    let mut ready = if decision.facts.stream {
        let feed = Feed::stored(recording.clone(), 0).ok_or_else(unreadable)?;
        stream_out(gateway, decision, asked, feed, ticket, decided, None)
    } else {
        whole_out(
            gateway,
            &decision,
            asked.target.wire,
            Some(recording.clone()),
            ticket,
            decided,
            true,
        )?
    };
    headers::describe_entry(&mut ready.headers, entry, entry.age(SystemTime::now()));
    Ok(ready)
}

fn unreadable() -> GatewayError {
    GatewayError::new(
        ErrorKind::UpstreamInvalid,
        "the answer can't be told in the form this request asks for",
    )
}

fn whole_out<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    decision: &Decision<P>,
    wire: Wire,
    recording: Option<Arc<Recording>>,
    ticket: &mut Ticket<P>,
    decided: Duration,
    free: bool,
) -> Result<Ready<P>, GatewayError> {
    let recording = recording.ok_or_else(unreadable)?;
    let body = recording.whole().ok_or_else(unreadable)?.clone();
    ticket.token_out();
    ticket.summary.usage = recording.usage;
    ticket.summary.response_model.clone_from(&recording.model);
    match recording.usage {
        _ if free => ticket.settle(0),
        Some(usage) => ticket.settle(usage.input + usage.output),
        // Not counted by the upstream: what was reserved stays spent.
        None => {}
    }
    let body = if decision.masks.is_empty() {
        body
    } else {
        restore(&decision.masks, wire, body)
    };
    let headers = describe(gateway, decision, ticket, decided);
    Ok(Ready {
        headers,
        content: Content::Whole(body),
    })
}

fn stream_out<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    decision: Decision<P>,
    asked: &Asked<'_>,
    feed: Feed,
    ticket: &mut Ticket<P>,
    decided: Duration,
    joined: Option<bool>,
) -> Ready<P> {
    let head = &asked.head.headers;
    let wants_ids =
        headers::flag(head, &headers::EVENT_IDS) || head.contains_key(headers::LAST_EVENT_ID);
    let stream = match &feed {
        Feed::Live(reader) => reader.flight().id,
        Feed::Stored { recording, .. } => recording.id,
        Feed::Spent => 0,
    };
    if let (Feed::Live(reader), true) = (&feed, wants_ids) {
        gateway.shared().flights.make_resumable(reader.flight());
    }
    let out = describe(gateway, &decision, ticket, decided);
    let mut events = Events::new(feed, asked.target.wire, asked.frame);
    events.restorer = (!decision.masks.is_empty()).then(|| Restorer::new(decision.masks));
    events.include_usage = decision.facts.include_usage;
    events.ids = wants_ids.then(|| resume::prefix(stream));
    events.charged = joined == Some(false);
    Ready {
        headers: out,
        content: Content::Events(events),
    }
}

fn describe<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    decision: &Decision<P>,
    ticket: &Ticket<P>,
    decided: Duration,
) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(16);
    headers::describe(
        &mut out,
        &ticket.summary,
        &gateway.config().cache_name,
        Some(decision.key),
    );
    let policy = ticket.summary.policy_time;
    let overhead = ticket.summary.overhead;
    let (rank, waited) = ticket
        .head
        .as_ref()
        .map_or_else(Default::default, |head| (head.rank, head.waited));
    let stages = [
        ("read", decided.saturating_sub(policy)),
        ("policy", policy),
        ("store", overhead.saturating_sub(decided)),
        ("rank", rank),
        ("upstream", waited),
    ];
    if let Some(head) = ticket.head.as_ref().filter(|_| decision.explain) {
        headers::put(&mut out, headers::ROUTE, &head.route);
    }
    headers::timing(&mut out, &stages);
    if let Some(levels) = ticket.levels() {
        headers::rate_limits(&mut out, levels);
    }
    if ticket.summary.cache == CacheResult::Hit {
        out.insert(AGE, HeaderValue::from_static("0"));
    }
    if let Some(head) = &ticket.head {
        if !head.lost.is_empty() {
            headers::put(&mut out, headers::LOST, &head.lost);
        }
        if let Some(id) = &head.request_id {
            headers::put(&mut out, headers::UPSTREAM_REQUEST_ID, id);
        }
        headers::upstream_rate_limits(&mut out, &head.rate_limits);
    }
    out
}

fn restore(masks: &MaskTable, wire: Wire, body: Bytes) -> Bytes {
    let Ok(payload) = Payload::parse(wire, body.clone()) else {
        return body;
    };
    let texts: Vec<Option<String>> = payload
        .texts()
        .iter()
        .map(|t| Some(masks.restore(t.channel, &t.text)))
        .collect();
    payload.rewrite(&texts, false)
}

fn reply<P: Platform>(ready: Ready<P>, mut ticket: Ticket<P>) -> Response<ReplyBody<P>> {
    ticket.summary.status = 200;
    let (media, body) = match ready.content {
        Content::Whole(body) => (
            HeaderValue::from_static("application/json"),
            ReplyBody::whole(body, ticket),
        ),
        Content::Events(events) => (events.frame.media_type(), ReplyBody::events(events, ticket)),
        Content::Unread(body, media) => (media, ReplyBody::unread(body, ticket)),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    *headers = ready.headers;
    headers.insert(CONTENT_TYPE, media);
    // An answer belongs to its tenant: no cache between here and the client may keep it.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}

/// An error as an answer, in the client's dialect.
pub(crate) fn error_reply<P: Platform>(
    mut ticket: Ticket<P>,
    error: GatewayError,
) -> Response<ReplyBody<P>> {
    let status = error.status();
    ticket.failed(error.kind);
    ticket.summary.status = status;
    let mut out = HeaderMap::with_capacity(8);
    headers::put(&mut out, headers::REQUEST_ID, &ticket.summary.request_id);
    out.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    out.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if let Some(after) = error.retry_after {
        // Whole seconds, rounded up: earlier would be too early.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        out.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.kind == ErrorKind::MethodNotAllowed
        && let Some(method) = &error.param
    {
        headers::put(&mut out, ALLOW, method);
    }
    if let Some(levels) = ticket.levels() {
        headers::rate_limits(&mut out, levels);
    }
    let wire = ticket.wire;
    if let Some((name, value)) = error_header(wire, status) {
        out.insert(name, HeaderValue::from_static(value));
    }
    let mut response = Response::new(ReplyBody::whole(body_of(wire, &error), ticket));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = out;
    response
}
