//! The body of an answer: one piece, a stored stream, or a stream that is still flying. Masks are put back here.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use forebay_dialect::error::error_event;
use forebay_dialect::{Payload, Wire};
use futures_core::Stream as _;
use http_body::{Body, Frame, SizeHint};

use super::error::parts_of;
use super::frame::EventFrame;
use crate::answer::door::Leaving;
use crate::answer::flight::{FlightReader, Item, Landing};
use crate::answer::kept::Keeping;
use crate::decide::masks::Restorer;
use crate::enter::ticket::Ticket;
use crate::error::GatewayError;
use crate::platform::{Platform, UpstreamBody};
use crate::recording::{Form, Recording};
use crate::through::objects::own_containers;
use crate::time::Timer;

/// Why a body ended before its end.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the answer was cut: {0}")]
pub struct Cut(String);

/// The body of an answer.
pub struct ReplyBody<P: Platform> {
    ticket: Option<Ticket<P>>,
    source: Source<P>,
}

enum Source<P: Platform> {
    Whole(Option<Bytes>),
    Events(Box<Events<P>>),
    /// An upstream's body as it comes. Its end is its upstream's word.
    Unread(Option<UpstreamBody>),
}

/// A stream of server-sent events on its way to one client.
pub(crate) struct Events<P: Platform> {
    pub(crate) feed: Feed,
    pub(crate) restorer: Option<Restorer>,
    /// The client asked for usage.
    pub(crate) include_usage: bool,
    /// Prefix of event ids, where the client asked for them.
    pub(crate) ids: Option<String>,
    pub(crate) wire: Wire,
    /// How events leave.
    pub(crate) frame: EventFrame,
    /// Nothing is computed for this client: an entry of the store, or another's flight.
    pub(crate) free: bool,
    /// Gives the answer ids of its own, and keeps it.
    pub(crate) keeping: Option<Keeping<P>>,
    /// The secret of the tenant that the containers belong to which a provider makes for it.
    pub(crate) owner: Option<Arc<[u8; 32]>>,
    /// Gives events the form of a client whose format is none of an upstream.
    pub(crate) leaving: Option<Leaving>,
    /// Events that have gone out.
    events: u64,
    state: State,
    keep_alive: Timer,
    /// Since when nothing has gone out; set when there was nothing to send.
    quiet: Option<Instant>,
    _platform: std::marker::PhantomData<fn() -> P>,
}

/// Where events come from.
pub(crate) enum Feed {
    /// A stored answer, from this event on.
    Stored {
        /// The answer.
        recording: Arc<Recording>,
        /// The next event.
        at: usize,
        /// The event that carries nothing but usage.
        usage_at: Option<usize>,
    },
    /// A flight.
    Live(FlightReader),
    /// Nothing more.
    Spent,
}

#[derive(PartialEq)]
enum State {
    Flowing,
    Ended,
}

/// The most that is put into one frame: enough to spare system calls on a replay, little enough to stay fair.
const FRAME: usize = 64 << 10;

impl Feed {
    /// A stored answer, from event `at` on. None where it can't be told in events.
    pub(crate) fn stored(recording: Arc<Recording>, at: usize) -> Option<Self> {
        recording.events()?;
        let usage_at = recording.usage_event();
        Some(Self::Stored {
            recording,
            at,
            usage_at,
        })
    }
}

impl<P: Platform> ReplyBody<P> {
    pub(crate) fn whole(body: Bytes, mut ticket: Ticket<P>) -> Self {
        ticket.summary.bytes_out = body.len() as u64;
        Self {
            ticket: Some(ticket),
            source: Source::Whole(Some(body)),
        }
    }

    /// No body: what follows is no HTTP.
    pub(crate) fn nothing() -> Self {
        Self {
            ticket: None,
            source: Source::Whole(None),
        }
    }

    /// Nobody asks for more than its size: the answer is given with its head.
    pub(crate) fn head_alone(mut self) -> Self {
        if let Some(ticket) = &mut self.ticket {
            ticket.complete();
        }
        self
    }

    pub(crate) fn unread(body: UpstreamBody, ticket: Ticket<P>) -> Self {
        Self {
            ticket: Some(ticket),
            source: Source::Unread(Some(body)),
        }
    }

    /// The platform's own body, where this answer is one that nobody has read. The answer counts
    /// as given then.
    pub fn take_native(&mut self) -> Option<Box<dyn Any>> {
        let Source::Unread(body) = &mut self.source else {
            return None;
        };
        match body.take()?.into_native() {
            Ok(native) => {
                if let Some(mut ticket) = self.ticket.take() {
                    ticket.complete();
                }
                Some(native)
            }
            Err(read) => {
                *body = Some(read);
                None
            }
        }
    }

    pub(crate) fn events(events: Box<Events<P>>, ticket: Ticket<P>) -> Self {
        Self {
            ticket: Some(ticket),
            source: Source::Events(events),
        }
    }
}

impl<P: Platform> Events<P> {
    pub(crate) fn new(feed: Feed, wire: Wire, frame: EventFrame) -> Self {
        Self {
            feed,
            restorer: None,
            include_usage: false,
            ids: None,
            wire,
            frame,
            events: 0,
            free: true,
            keeping: None,
            owner: None,
            leaving: None,
            state: State::Flowing,
            keep_alive: Timer::default(),
            quiet: None,
            _platform: std::marker::PhantomData,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Item, GatewayError>> {
        match &mut self.feed {
            Feed::Live(reader) => reader.poll_item(cx),
            Feed::Stored {
                recording,
                at,
                usage_at,
            } => {
                let end = Item::End(Landing {
                    recording: None,
                    usage: recording.usage,
                    model: recording.model.clone(),
                });
                let Some(event) = recording.events().and_then(|events| events.get(*at)) else {
                    return Poll::Ready(Ok(end));
                };
                let item = Item::Event {
                    index: *at,
                    data: event.clone(),
                    usage_only: *usage_at == Some(*at),
                };
                *at += 1;
                Poll::Ready(Ok(item))
            }
            Feed::Spent => Poll::Pending,
        }
    }

    /// The next bytes: what has come by now, or after a while of silence a sign of life.
    fn poll_frame(&mut self, ticket: &mut Ticket<P>, cx: &mut Context<'_>) -> Poll<Bytes> {
        let mut out = BytesMut::new();
        while out.len() < FRAME && self.state == State::Flowing {
            if let Some(keeping) = &mut self.keeping
                && keeping.poll(&mut out, cx).is_pending()
            {
                break;
            }
            match self.poll_next(cx) {
                Poll::Ready(Ok(Item::Event {
                    index,
                    data,
                    usage_only,
                })) => {
                    if !usage_only || self.include_usage {
                        self.put(ticket, index, &data, &mut out);
                    }
                }
                Poll::Ready(Ok(Item::End(landing))) => self.end(ticket, landing, &mut out),
                Poll::Ready(Err(error)) => self.fail(ticket, &error, &mut out),
                Poll::Pending => break,
            }
        }
        if !out.is_empty() {
            self.quiet = None;
            ticket.summary.bytes_out += out.len() as u64;
            return Poll::Ready(out.freeze());
        }
        let Some(sign) = self.frame.sign_of_life(self.wire) else {
            return Poll::Pending;
        };
        let gateway = &ticket.gateway;
        let platform = &**gateway.platform();
        let since = *self.quiet.get_or_insert_with(|| platform.now());
        let due = since + gateway.config().streams.keep_alive.0;
        ready!(self.keep_alive.poll(platform, due, cx));
        self.quiet = None;
        Poll::Ready(Bytes::from_static(sign))
    }

    /// The answer has ended well.
    fn end(&mut self, ticket: &mut Ticket<P>, landing: Landing, out: &mut BytesMut) {
        // An answer that came whole has no events in the flight: they are made from it.
        if self.events == 0
            && let Some(recording) = &landing.recording
            && matches!(recording.form, Form::Whole(_))
            && let Some(feed) = Feed::stored(recording.clone(), 0)
        {
            self.account(ticket, &landing);
            self.feed = feed;
            return;
        }
        if matches!(self.feed, Feed::Live(_)) {
            self.account(ticket, &landing);
        }
        for data in self
            .leaving
            .as_mut()
            .map(Leaving::end)
            .into_iter()
            .flatten()
        {
            self.frame.put(&data, None, false, out);
        }
        self.frame.end(self.wire, self.events == 0, out);
        self.feed = Feed::Spent;
        self.state = State::Ended;
    }

    /// Who answered, and what it cost.
    fn account(&self, ticket: &mut Ticket<P>, landing: &Landing) {
        ticket.summary.response_model.clone_from(&landing.model);
        let Feed::Live(reader) = &self.feed else {
            return;
        };
        if ticket.summary.upstream.is_none()
            && let Some(head) = reader.flight().head()
        {
            ticket.answered_by(&head);
        }
        match landing.usage {
            Some(usage) => ticket.counted(usage, self.free),
            None => ticket.estimated(reader.text_bytes(), self.free),
        }
    }

    fn put(&mut self, ticket: &mut Ticket<P>, index: usize, data: &Bytes, out: &mut BytesMut) {
        ticket.token_out();
        let id = self.ids.as_ref().map(|prefix| format!("{prefix}{index}"));
        let Some(restorer) = &mut self.restorer else {
            return self.write(data, id.as_deref(), out);
        };
        match Payload::parse(self.wire, data.clone()) {
            Ok(payload) => {
                for body in restore(restorer, &payload) {
                    self.write(&body, id.as_deref(), out);
                }
            }
            // What was recorded was parsed before; if it can't be parsed again it has no masks to put back.
            Err(_) => self.write(data, id.as_deref(), out),
        }
    }

    /// The answer ends before its end, for this client: it pays for what it got.
    fn broke_off(&self, ticket: &mut Ticket<P>) {
        let Feed::Live(reader) = &self.feed else {
            return;
        };
        let head = reader.flight().head();
        let Some(head) = head else {
            // Nobody began an answer.
            if reader.flight().has_failed() {
                ticket.nothing();
            }
            return;
        };
        ticket.answered_by(&head);
        ticket.estimated(reader.text_bytes(), self.free);
    }

    fn write(&mut self, data: &Bytes, id: Option<&str>, out: &mut BytesMut) {
        if let Some(leaving) = &mut self.leaving {
            for data in leaving.event(data) {
                self.frame.put(&data, id, false, out);
            }
            self.events += 1;
            return;
        }
        let first = self.events == 0;
        let kept = self.keeping.as_mut().map(|keeping| keeping.event(data));
        let data = kept.as_ref().unwrap_or(data);
        let owned = self.owned(data);
        let data = owned.as_ref().unwrap_or(data);
        match &mut self.keeping {
            Some(keeping) => self.frame.put(data, id, first, keeping.place(out)),
            None => self.frame.put(data, id, first, out),
        }
        self.events += 1;
    }

    /// An event with the tenant's own names of its containers, where it names any.
    fn owned(&self, data: &Bytes) -> Option<Bytes> {
        let secret = self.owner.as_ref()?;
        let upstream = match &self.feed {
            Feed::Live(reader) => reader.flight().head()?.upstream,
            Feed::Stored { recording, .. } => recording.upstream.clone(),
            Feed::Spent => return None,
        };
        own_containers(secret, &upstream, data)
    }

    fn fail(&mut self, ticket: &mut Ticket<P>, error: &GatewayError, out: &mut BytesMut) {
        ticket.failed(error.kind);
        self.broke_off(ticket);
        let mut parts = parts_of(error);
        parts.sequence = self.events;
        let (frame, wire) = self.frame.of_error(self.wire);
        let event = match &self.leaving {
            Some(leaving) => leaving.error(&parts),
            None => error_event(wire, &parts),
        };
        frame.put(&event, None, self.events == 0, out);
        self.events += 1;
        if self.frame == EventFrame::Array {
            self.frame.end(self.wire, false, out);
        }
        self.feed = Feed::Spent;
        self.state = State::Ended;
    }
}

/// Puts values back into a payload: text that may be the beginning of a mask waits for the next one.
fn restore(restorer: &mut Restorer, payload: &Payload) -> Vec<Bytes> {
    let relabelled = restorer.relabelled(payload);
    let payload = relabelled.as_ref().unwrap_or(payload);
    let mut freed: Vec<crate::policy::Delta> = payload
        .texts()
        .iter()
        .map(|t| crate::policy::Delta {
            choice: t.choice,
            channel: t.channel,
            text: restorer.push(t.choice, t.channel, &t.text),
        })
        .collect();
    for choice in payload.closed() {
        let rest = restorer.finish(Some(*choice)).into_iter();
        freed.extend(rest.map(|(choice, channel, text)| crate::policy::Delta {
            choice,
            channel,
            text,
        }));
    }
    crate::receive::guard::place(payload, freed, false)
}

impl<P: Platform> Body for ReplyBody<P> {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        let Some(ticket) = &mut this.ticket else {
            return Poll::Ready(None);
        };
        match &mut this.source {
            Source::Whole(body) => {
                let body = body.take().filter(|body| !body.is_empty());
                ticket.complete();
                this.ticket = None;
                Poll::Ready(body.map(|body| Ok(Frame::data(body))))
            }
            Source::Unread(body) => {
                let Some(pieces) = body else {
                    return Poll::Ready(None);
                };
                match ready!(Pin::new(pieces).poll_next(cx)) {
                    Some(Ok(piece)) => {
                        ticket.token_out();
                        ticket.summary.bytes_out += piece.len() as u64;
                        Poll::Ready(Some(Ok(Frame::data(piece))))
                    }
                    Some(Err(error)) => {
                        *body = None;
                        Poll::Ready(Some(Err(Cut(error.detail))))
                    }
                    None => {
                        ticket.complete();
                        this.ticket = None;
                        Poll::Ready(None)
                    }
                }
            }
            Source::Events(events) => {
                if events.state == State::Ended {
                    ticket.complete();
                    this.ticket = None;
                    return Poll::Ready(None);
                }
                events
                    .poll_frame(ticket, cx)
                    .map(|out| Some(Ok(Frame::data(out))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ticket.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(Some(body)) => SizeHint::with_exact(body.len() as u64),
            Source::Whole(None) => SizeHint::with_exact(0),
            Source::Events(_) | Source::Unread(_) => SizeHint::default(),
        }
    }
}

impl<P: Platform> Drop for ReplyBody<P> {
    fn drop(&mut self) {
        let Some(ticket) = &mut self.ticket else {
            return;
        };
        let Source::Events(events) = &mut self.source else {
            return;
        };
        if events.state == State::Flowing {
            events.broke_off(ticket);
        }
        if events.ids.is_none() || events.state == State::Ended {
            return;
        }
        // The client asked for ids: it may come back. The flight goes on that long without it.
        if let Feed::Live(reader) = std::mem::replace(&mut events.feed, Feed::Spent) {
            let gateway = ticket.gateway.clone();
            let flight = reader.flight().clone();
            let linger = reader.linger();
            let platform = gateway.platform().clone();
            platform.spawn(async move {
                gateway
                    .platform()
                    .sleep(gateway.config().streams.resume_grace.0)
                    .await;
                drop(linger);
                gateway.shared().flights.forget(&flight);
            });
        }
    }
}
