//! The way of a request, in order: decide, look in the store, join or lead a flight, reply.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_dialect::{Payload, Target, Wire};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, request};

use super::before::{compose, refer};
use super::board::{Boarded, Relay, board, read_large};
use super::count::count;
use super::door::Through;
use super::flight::{FlightReader, Head};
use super::lead::relay;
use super::stored::{Found, find, resumed};
#[cfg(not(target_family = "wasm"))]
use super::vectors::Batch;
use super::{door, kept, models};
use crate::decide::masks::{MaskTable, Restorer};
use crate::decide::{Decision, decide};
use crate::enter::form::Form;
use crate::enter::headers;
use crate::enter::ingress::{self, Endpoint, Ingress, Shelf};
use crate::enter::ticket::{Permit, Ticket};
use crate::error::{ErrorKind, ErrorSource, GatewayError};
use crate::gateway::Gateway;
use crate::observe::CacheResult;
use crate::platform::Platform;
use crate::recording::Recording;
use crate::reply::body::{Events, Feed};
use crate::reply::describe::describe;
use crate::reply::frame::EventFrame;
use crate::reply::{Content, Ready, ReplyBody, error_reply, reply, resume};
use crate::store::Entry;
use crate::through::{self, objects, raw};
use crate::time::timeout;

/// Handles one request.
pub(crate) async fn handle<P: Platform>(
    permit: Permit<P>,
    request: http::Request<Bytes>,
) -> Response<ReplyBody<P>> {
    let gateway = permit.gateway.clone();
    let (mut head, body) = request.into_parts();
    let id = headers::request_id(&**gateway.platform(), Some(&head.headers));
    let mut ticket = Ticket::new(permit, head.uri.path(), id);
    ticket.wire = ingress::wire_of(&head);
    ticket.explain = headers::flag(&head.headers, &headers::EXPLAIN);
    ticket.passed("enter");
    ticket.door = ingress::door_of(&head);
    headers::trace(&**gateway.platform(), &head.headers, &mut ticket.summary);
    if let Err(error) = gateway
        .keys()
        .prove(&mut head, &body, &**gateway.platform())
        .await
    {
        return error_reply(ticket, error);
    }
    if !body.is_empty()
        && let Err(error) = headers::require_plain(&head.headers)
    {
        return error_reply(ticket, error);
    }
    let ready = match ingress::read(&head) {
        Ok(asked) => serve(&gateway, asked, &mut head, body, &mut ticket).await,
        Err(error) => match raw::find(&gateway.config().raw, &head) {
            Some(listed) => raw::serve_raw(&gateway, listed, &head, body, &mut ticket).await,
            None => Err(error),
        },
    };
    let response = match ready {
        Ok(ready) => reply(ready, ticket),
        Err(error) => error_reply(ticket, error),
    };
    match head.method {
        Method::HEAD => response.map(ReplyBody::head_alone),
        _ => response,
    }
}

async fn serve<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    asked: Ingress,
    head: &mut request::Parts,
    body: Bytes,
    ticket: &mut Ticket<P>,
) -> Result<Ready<P>, GatewayError> {
    let (target, counts) = match asked.endpoint {
        Endpoint::Models(shelf) => {
            return list_models(gateway, head, &shelf, &body, ticket).await;
        }
        Endpoint::Object(thing, verb, name) => {
            let asked = objects::Request {
                thing,
                verb,
                name,
                head,
                body,
            };
            return objects::serve_object(gateway, asked, ticket).await;
        }
        Endpoint::Through(passage, model) => {
            return through::serve(gateway, passage, model, head, body, ticket).await;
        }
        Endpoint::Kept(id, wanted) => {
            return kept::fetch(gateway, head, &id, &wanted, ticket).await;
        }
        Endpoint::Realtime => return Err(through::realtime::needs_upgrade(gateway)),
        Endpoint::Count(target) => (target, true),
        Endpoint::Generate(target) => (target, false),
    };
    let mut exit = None;
    let body = match &asked.form {
        Form::Door { door, model } => {
            let (door, model) = (*door, model.as_deref());
            match door::enter(gateway, door, model, head, body, ticket).await? {
                Through::Request(body, way) => {
                    exit = Some(way);
                    body
                }
                Through::Answer(ready) => return Ok(ready),
            }
        }
        form => compose(gateway, form, head, body).await?,
    };
    let (mut body, only) = refer(gateway, head, body).await?;
    let mut keeper = None;
    if target.wire == Wire::Responses {
        let prepared = kept::prepare(gateway, head, body, ticket).await?;
        (body, keeper) = (prepared.body, prepared.keeper);
    }
    // What a provider makes for a tenant is the tenant's: its answer has to be read.
    let makes = !gateway.is_open()
        && matches!(target.wire, Wire::Responses | Wire::Messages)
        && objects::makes_containers(&body);
    let asked = Asked {
        frame: match asked.chunks {
            true => EventFrame::Chunks,
            false => EventFrame::of(target.wire, asked.array),
        },
        target,
        route: asked.route,
        form: asked.form,
        reads: keeper.is_some() || makes,
        head,
        only,
    };
    if counts {
        return count(gateway, &asked, body, ticket).await;
    }
    let ready = generate(gateway, &asked, body, ticket).await?;
    let ready = match keeper {
        Some(keeper) => keeper.attach(ready).await,
        None => ready,
    };
    let ready = match makes {
        true => owned(gateway, head, ready, ticket)?,
        false => ready,
    };
    match exit {
        Some(exit) => exit.leave(ready),
        None => Ok(ready),
    }
}

/// An answer with its tenant's own names of the containers that were made for it.
fn owned<P: Platform>(
    gateway: &Gateway<P>,
    head: &request::Parts,
    mut ready: Ready<P>,
    ticket: &Ticket<P>,
) -> Result<Ready<P>, GatewayError> {
    let now = gateway.platform().wall();
    let secret = gateway.keys().identify_head(head, now)?.secret;
    match &mut ready.content {
        Content::Events(events) => events.owner = Some(secret),
        Content::Whole(body) => {
            let upstream = ticket.summary.upstream.as_deref().unwrap_or_default();
            if let Some(told) = objects::own_containers(&secret, upstream, body) {
                *body = told;
            }
        }
        Content::Typed(..) | Content::Unread(..) => {}
    }
    Ok(ready)
}

/// A request for tokens or vectors, before its body is read.
pub(crate) struct Asked<'a> {
    pub(crate) target: Target,
    pub(crate) route: &'static str,
    pub(crate) form: Form,
    pub(crate) frame: EventFrame,
    /// The answer is read on its way to the client, whatever else there is to do with it.
    pub(crate) reads: bool,
    pub(crate) head: &'a request::Parts,
    /// The only upstream that may be asked.
    pub(crate) only: Option<String>,
}

async fn list_models<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    head: &request::Parts,
    shelf: &Shelf,
    body: &Bytes,
    ticket: &mut Ticket<P>,
) -> Result<Ready<P>, GatewayError> {
    let platform = gateway.platform();
    let identity = gateway.keys().identify_head(head, platform.wall())?;
    ticket.charge.begin(gateway.account(&identity))?;
    let body = models::answer(gateway, &identity, head, shelf, body).await?;
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
    let decided = decide(
        gateway,
        &asked.target,
        asked.route,
        asked.head,
        &body,
        ticket,
    )
    .await;
    ticket.passed("decide");
    let mut decision = decided?;
    decision.only.clone_from(&asked.only);
    ticket.summary.cache_why.clone_from(&decision.plan.why);
    let out = Out {
        gateway,
        asked,
        decided: ticket.elapsed(),
    };
    if let Some(id) = asked.head.headers.get(headers::LAST_EVENT_ID) {
        let feed = resumed(gateway, &decision, id).await?;
        ticket.summary.overhead = ticket.elapsed();
        ticket.summary.cache = CacheResult::Joined;
        return Ok(out.stream(decision, feed, ticket, true));
    }
    #[cfg(not(target_family = "wasm"))]
    if let Some(batch) = Batch::of(gateway, &decision, &body).await {
        return out.vectors(decision, &batch, &body, ticket).await;
    }
    let mut stale = None;
    if decision.plan.lookup {
        let found = find(gateway, &decision).await;
        ticket.passed("store");
        match found {
            Found::Fresh(entry, tier) => {
                ticket.summary.overhead = ticket.elapsed();
                ticket.summary.cache = CacheResult::Hit;
                ticket.summary.cache_tier = tier;
                return out.entry(decision, &entry, ticket);
            }
            Found::Stale(entry, tier) => stale = Some((entry, tier)),
            Found::Nothing => {}
        }
    }
    if decision.directives.only_if_cached {
        return Err(GatewayError::new(
            ErrorKind::NotCached,
            "no stored answer matches this request (only-if-cached)",
        ));
    }
    read_large(gateway, &mut decision, &body).await?;
    let boarded = board(gateway, &mut decision, &body, asked, ticket)?;
    ticket.summary.overhead = ticket.elapsed();
    let (reader, joined) = match boarded {
        Boarded::Flight(reader, joined) => (reader, joined),
        Boarded::Relay(relay) => return out.relayed(decision, *relay, ticket).await,
    };
    note_cache(&decision, &reader, joined, ticket);
    if !joined {
        ticket.asked();
    }
    match out.flight(&decision, reader, joined, ticket).await {
        Ok(Landed::Stream(feed)) => Ok(out.stream(decision, feed, ticket, joined)),
        Ok(Landed::Whole(recording)) => out.whole(&decision, &recording, ticket, joined),
        Err(error) => {
            // Nothing was computed that could be charged.
            ticket.nothing();
            if error.kind.source() == ErrorSource::Upstream
                && error.kind.retryable()
                && let Some((entry, tier)) = stale
            {
                ticket.summary.cache = CacheResult::Stale;
                ticket.summary.cache_tier = tier;
                return out.entry(decision, &entry, ticket);
            }
            Err(error)
        }
    }
}

/// What the cache had to do with a request that boarded a flight.
pub(super) fn note_cache<P: Platform>(
    decision: &Decision<P>,
    reader: &FlightReader,
    joined: bool,
    ticket: &mut Ticket<P>,
) {
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
}

/// What a flight has for a client.
pub(super) enum Landed {
    /// Its events, from the first on.
    Stream(Feed),
    /// All of it.
    Whole(Arc<Recording>),
}

/// What every way out needs.
pub(super) struct Out<'a, P: Platform> {
    pub(super) gateway: &'a Arc<Gateway<P>>,
    pub(super) asked: &'a Asked<'a>,
    /// How long the decision took.
    pub(super) decided: Duration,
}

impl<P: Platform> Out<'_, P> {
    /// Waits for what the client needs of a flight: its beginning for a stream, else all of it.
    /// A stream whose upstream is silent for long begins all the same, so that no proxy between
    /// here and the client gives up; what fails then is told in the stream.
    pub(super) async fn flight(
        &self,
        decision: &Decision<P>,
        mut reader: FlightReader,
        joined: bool,
        ticket: &mut Ticket<P>,
    ) -> Result<Landed, GatewayError> {
        let streams = decision.facts.stream;
        let quiet = self.asked.frame.sign_of_life(self.asked.target.wire);
        let head: Option<Head> = if streams && quiet.is_some() {
            let patience = self.gateway.config().streams.early_head();
            let platform = &**self.gateway.platform();
            let begun = timeout(platform, patience, reader.head()).await;
            begun.transpose()?
        } else {
            Some(reader.head().await?)
        };
        if let Some(head) = head {
            ticket.answered_by(&head);
            ticket.head = Some(head);
        }
        if streams {
            return Ok(Landed::Stream(Feed::Live(reader)));
        }
        let recording = reader.whole().await?;
        match recording.usage {
            Some(usage) => ticket.counted(usage, joined),
            None => ticket.estimated(reader.text_bytes(), joined),
        }
        Ok(Landed::Whole(recording))
    }

    /// An answer that nobody here reads: its head checked, its body passed on.
    async fn relayed(
        &self,
        mut decision: Decision<P>,
        request: Relay,
        ticket: &mut Ticket<P>,
    ) -> Result<Ready<P>, GatewayError> {
        let session = decision.session.take();
        let Relay { errand, outgoing } = request;
        let (head, answer) = relay(self.gateway, &errand, outgoing, session).await?;
        // Nobody counts what nobody reads: what was reserved stays spent.
        ticket.charge.keep();
        ticket.answered_by(&head);
        ticket.head = Some(head);
        let json = HeaderValue::from_static("application/json");
        let media = answer.head.headers.get(CONTENT_TYPE).cloned();
        let mut headers = describe(&decision, ticket, self.decided);
        if let Some(length) = answer.head.headers.get(CONTENT_LENGTH) {
            headers.insert(CONTENT_LENGTH, length.clone());
        }
        Ok(Ready {
            headers,
            content: Content::Unread(answer.body, media.unwrap_or(json)),
        })
    }

    fn entry(
        &self,
        decision: Decision<P>,
        entry: &Arc<Entry>,
        ticket: &mut Ticket<P>,
    ) -> Result<Ready<P>, GatewayError> {
        let recording = &entry.recording;
        ticket.summary.upstream = Some(recording.upstream.clone());
        ticket.summary.usage = recording.usage;
        ticket.summary.response_model.clone_from(&recording.model);
        let mut ready = if decision.facts.stream {
            let feed = Feed::stored(recording.clone(), 0).ok_or_else(unreadable)?;
            ticket.charge.settle();
            self.stream(decision, feed, ticket, true)
        } else {
            self.whole(&decision, recording, ticket, true)?
        };
        let now = self.gateway.platform().wall();
        headers::describe_entry(&mut ready.headers, entry, entry.age(now));
        Ok(ready)
    }

    pub(super) fn whole(
        &self,
        decision: &Decision<P>,
        recording: &Arc<Recording>,
        ticket: &mut Ticket<P>,
        free: bool,
    ) -> Result<Ready<P>, GatewayError> {
        let body = recording.whole().ok_or_else(unreadable)?.clone();
        if let (true, Some(usage)) = (free, recording.usage) {
            ticket.counted(usage, true);
        }
        ticket.summary.response_model.clone_from(&recording.model);
        ticket.charge.settle();
        let body = if decision.masks.is_empty() {
            body
        } else {
            restore(&decision.masks, self.asked.target.wire, body)
        };
        Ok(Ready {
            headers: describe(decision, ticket, self.decided),
            content: Content::Whole(body),
        })
    }

    fn stream(
        &self,
        decision: Decision<P>,
        feed: Feed,
        ticket: &mut Ticket<P>,
        free: bool,
    ) -> Ready<P> {
        let head = &self.asked.head.headers;
        let wants_ids =
            headers::flag(head, &headers::EVENT_IDS) || head.contains_key(headers::LAST_EVENT_ID);
        let stream = match &feed {
            Feed::Live(reader) => reader.flight().id,
            Feed::Stored { recording, .. } => recording.id,
            Feed::Spent => 0,
        };
        if let (Feed::Live(reader), true) = (&feed, wants_ids) {
            let flights = &self.gateway.shared().flights;
            flights.make_resumable(reader.flight());
        }
        let headers = describe(&decision, ticket, self.decided);
        let mut events = Events::new(feed, self.asked.target.wire, self.asked.frame);
        events.restorer = (!decision.masks.is_empty()).then(|| Restorer::new(decision.masks));
        events.include_usage = decision.facts.include_usage;
        events.ids = wants_ids.then(|| resume::prefix(stream));
        events.free = free;
        Ready {
            headers,
            content: Content::Events(Box::new(events)),
        }
    }
}

fn unreadable() -> GatewayError {
    GatewayError::new(
        ErrorKind::UpstreamInvalid,
        "the answer can't be converted to the format that this request asks for",
    )
}

fn restore(masks: &MaskTable, wire: Wire, body: Bytes) -> Bytes {
    let Ok(payload) = Payload::parse(wire, body.clone()) else {
        return body;
    };
    let payload = masks.relabelled(&payload).unwrap_or(payload);
    let texts: Vec<Option<String>> = payload
        .texts()
        .iter()
        .map(|t| Some(masks.restore(t.channel, &t.text)))
        .collect();
    payload.rewrite(&texts, false)
}
