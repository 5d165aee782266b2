//! An open connection: events go both ways, each way at its own pace, until it ends.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use tokio::sync::mpsc;

use super::events::error_event;
use super::heard::Hearing;
use super::said::{Reader, Refused};
use super::tally::Tally;
use super::told::{Counts, Told};
use super::{Realtime, Rules};
use crate::enter::identity::Identity;
use crate::enter::ticket::Ticket;
use crate::error::{ErrorKind, ErrorSource, GatewayError};
use crate::gateway::Gateway;
use crate::observe::Observation;
use crate::platform::{
    BoxFuture, BoxStream, Closing, MaybeSend, MaybeSync, Message, Platform, Socket, SocketFault,
    SocketWriter,
};
use crate::policy::{Caller, Policies};
use crate::receive::guard::policy_failed;
use crate::route::Upstream;
use crate::time::timeout;

/// Messages of the gateway's own that wait for their way to the client.
const NOTES: usize = 16;
/// How long either side may take to end a connection.
const FAREWELL: Duration = Duration::from_secs(1);

type GuardOf<P> = <<P as Platform>::Policies as Policies>::Guard;
type Messages = BoxStream<'static, Result<Message, SocketFault>>;

/// Why a connection ends.
pub(super) struct End {
    /// What both sides are told; none where the one that is left said nothing either.
    closing: Option<Closing>,
    /// What went wrong, where something did.
    error: Option<GatewayError>,
    /// The client is there no more.
    client_gone: bool,
}

impl End {
    pub(super) fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        // 123: the most that a frame of control can carry beside the code.
        reason.truncate(reason.floor_char_boundary(123));
        Self {
            closing: Some(Closing { code, reason }),
            error: None,
            client_gone: false,
        }
    }

    fn failed(error: GatewayError) -> Self {
        let code = match error.kind.source() {
            ErrorSource::Upstream | ErrorSource::Internal => 1011,
            _ if error.kind == ErrorKind::PolicyFailed => 1011,
            _ => 1008,
        };
        let reason = error.code.as_deref().unwrap_or(error.kind.code());
        Self {
            error: Some(error.clone()),
            ..Self::new(code, reason)
        }
    }

    pub(super) fn gone() -> Self {
        Self {
            closing: None,
            error: None,
            client_gone: true,
        }
    }
}

/// What goes to the client besides what its upstream sends.
pub(super) enum Note {
    Event(String),
    Ping,
}

/// What both ways of a connection share.
pub(super) struct Talk<P: Platform> {
    pub(super) gateway: Arc<Gateway<P>>,
    pub(super) head: http::request::Parts,
    pub(super) identity: Identity,
    pub(super) caller: Caller,
    pub(super) model: Option<String>,
    rules: Rules,
    upstream: Arc<Upstream>,
    books: Mutex<(Ticket<P>, Tally)>,
    times: Mutex<Times>,
}

/// When something happened last.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) began: Instant,
    /// Either side has sent an event.
    pub(super) moved: Instant,
    /// The client has sent anything at all.
    pub(super) heard: Instant,
    /// The client was sent something.
    pub(super) told: Instant,
}

impl<P: Platform> Realtime<P> {
    /// Carries events between a client and its upstream until either ends the connection, its time is
    /// up, or its key is no longer valid. `current` gives the gateway that new requests come to; none
    /// while the process is shutting down.
    pub async fn run(
        self,
        client: Socket,
        current: impl Fn() -> BoxFuture<'static, Option<Arc<Gateway<P>>>> + MaybeSend + MaybeSync,
    ) {
        let now = self.gateway.platform().now();
        let answer = self.answer;
        let mut ticket = self.ticket;
        ticket.summary.status = 101;
        let talk = Talk {
            gateway: self.gateway,
            head: self.head,
            identity: self.identity,
            caller: self.caller,
            model: self.model,
            rules: self.rules,
            upstream: answer.upstream.clone(),
            books: Mutex::new((ticket, Tally::default())),
            times: Mutex::new(Times {
                began: now,
                moved: now,
                heard: now,
                told: now,
            }),
        };
        let (mut client, mut upstream) = (client, self.upstream);
        let end = talk.carry(&mut client, &mut upstream, &current).await;
        let (mut ticket, _) = talk
            .books
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = &end.error {
            ticket.failed(error.kind);
            ticket.summary.code.clone_from(&error.code);
        }
        if !end.client_gone {
            ticket.complete();
        }
        let id = ticket.summary.request_id.clone();
        drop(ticket);
        let leave = farewell(end, &mut client, &mut upstream, &id);
        timeout(&**talk.gateway.platform(), FAREWELL, leave).await;
        drop(answer);
    }
}

/// Tells both sides that it is over, and waits until they have said so too.
async fn farewell(end: End, client: &mut Socket, upstream: &mut Socket, id: &str) {
    let close = || Message::Close(end.closing.clone());
    let _ = upstream.writer.send(close()).await;
    if end.client_gone {
        return;
    }
    if let Some(error) = &end.error {
        let event = error_event(error, id, None);
        let _ = client.writer.send(Message::Text(event.into())).await;
    }
    let _ = client.writer.send(close()).await;
    // Reading sends the answer to a side that has taken leave first, and ends with its connection.
    while let Some(Ok(_)) = client.reader.next().await {}
    while let Some(Ok(_)) = upstream.reader.next().await {}
}

impl<P: Platform> Talk<P> {
    async fn carry(
        &self,
        client: &mut Socket,
        upstream: &mut Socket,
        current: &(impl Fn() -> BoxFuture<'static, Option<Arc<Gateway<P>>>> + MaybeSend + MaybeSync),
    ) -> End {
        let hearing = match self.hearing().await {
            Ok(hearing) => hearing,
            Err(error) => return End::failed(error),
        };
        let (notes, told) = mpsc::channel(NOTES);
        let up = pin!(self.up(&mut client.reader, &mut *upstream.writer, &notes));
        let down = pin!(self.down(&mut upstream.reader, &mut *client.writer, told, hearing));
        let watch = pin!(self.watch(current, &notes));
        match select(select(up, down), watch).await {
            Either::Left((Either::Left((end, _)) | Either::Right((end, _)), _))
            | Either::Right((end, _)) => end,
        }
    }

    async fn hearing(&self) -> Result<Option<Hearing<GuardOf<P>>>, GatewayError> {
        if !self.rules.output {
            return Ok(None);
        }
        let guard = self.gateway.policies().guard(&self.caller).await;
        let guard = guard.map_err(|error| policy_failed(&error))?;
        Ok(Some(Hearing::new(guard, self.rules.enforced)))
    }

    /// From the client to its upstream.
    async fn up(
        &self,
        client: &mut Messages,
        upstream: &mut dyn SocketWriter,
        notes: &mpsc::Sender<Note>,
    ) -> End {
        let mut reader = Reader {
            gateway: &self.gateway,
            identity: &self.identity,
            caller: &self.caller,
            rules: &self.rules,
            upstream: &self.upstream,
            model: self.model.as_deref(),
            before: String::new(),
        };
        while let Some(message) = client.next().await {
            let event = match message {
                Ok(Message::Text(event)) => event,
                Ok(Message::Ping | Message::Pong) => {
                    self.note(|times, now| times.heard = now);
                    continue;
                }
                Ok(Message::Binary(_)) => {
                    return End::new(1003, "Realtime events are text messages");
                }
                Ok(Message::Close(closing)) => {
                    return End {
                        closing,
                        error: None,
                        client_gone: false,
                    };
                }
                Err(fault) => return self.broken(fault),
            };
            self.note(|times, now| (times.heard, times.moved) = (now, now));
            let said = match reader.read(event).await {
                Ok(said) if said.asks => match self.books(|ticket, tally| tally.ask(ticket)) {
                    Ok(()) => Ok(said),
                    Err(error) => Err(Refused { error, id: None }),
                },
                other => other,
            };
            match said {
                Ok(said) => {
                    if let Some(end) = self.send_up(upstream, said.event).await {
                        return end;
                    }
                }
                Err(Refused { error, id }) => {
                    let number = hex::encode(&self.gateway.platform().random()[..8]);
                    let event = error_event(&error, &number, id.as_deref());
                    if notes.send(Note::Event(event)).await.is_err() {
                        return End::gone();
                    }
                }
            }
        }
        End::gone()
    }

    async fn send_up(&self, upstream: &mut dyn SocketWriter, event: Bytes) -> Option<End> {
        let limit = self.gateway.config().timeouts.slow_client.0;
        let platform = &**self.gateway.platform();
        let sent = timeout(platform, limit, upstream.send(Message::Text(event))).await;
        match sent {
            Some(Ok(())) => None,
            Some(Err(_)) => Some(self.lost()),
            None => {
                let name = &self.upstream.name;
                let error = format!("upstream \"{name}\" did not accept an event for {limit:?}");
                let error = GatewayError::new(ErrorKind::UpstreamTimeout, error);
                Some(End::failed(error))
            }
        }
    }

    /// From the upstream to its client.
    async fn down(
        &self,
        upstream: &mut Messages,
        client: &mut dyn SocketWriter,
        mut notes: mpsc::Receiver<Note>,
        mut hearing: Option<Hearing<GuardOf<P>>>,
    ) -> End {
        loop {
            let message = {
                let (came, note) = (pin!(upstream.next()), pin!(notes.recv()));
                match select(came, note).await {
                    Either::Left((came, _)) => Either::Left(came),
                    Either::Right((note, _)) => Either::Right(note),
                }
            };
            let event = match message {
                Either::Right(Some(note)) => {
                    let message = match note {
                        Note::Event(event) => Message::Text(event.into()),
                        Note::Ping => Message::Ping,
                    };
                    if self.send_down(client, message).await.is_err() {
                        return End::gone();
                    }
                    continue;
                }
                Either::Right(None) => return End::gone(),
                Either::Left(Some(Ok(Message::Text(event)))) => event,
                Either::Left(Some(Ok(Message::Ping | Message::Pong))) => continue,
                Either::Left(Some(Ok(Message::Close(closing)))) => return self.closed(closing),
                Either::Left(Some(Ok(Message::Binary(bytes)))) if hearing.is_none() => {
                    if self
                        .send_down(client, Message::Binary(bytes))
                        .await
                        .is_err()
                    {
                        return End::gone();
                    }
                    continue;
                }
                Either::Left(Some(Ok(Message::Binary(_)))) => {
                    let error = "the upstream sent binary data, which the output rules can't check";
                    let error = GatewayError::new(ErrorKind::UpstreamInvalid, error);
                    return End::failed(error);
                }
                Either::Left(Some(Err(SocketFault::Gone)) | None) => return self.lost(),
                Either::Left(Some(Err(fault))) => {
                    let error = format!("upstream \"{}\": {fault}", self.upstream.name);
                    let error = GatewayError::new(ErrorKind::UpstreamInvalid, error);
                    return End::failed(error);
                }
            };
            self.note(|times, now| times.moved = now);
            if let Err(error) = self.reckon(&event) {
                return End::failed(error);
            }
            let events = match &mut hearing {
                None => vec![event],
                Some(hearing) => match self.hear(hearing, event).await {
                    Ok(events) => events,
                    Err(error) => return End::failed(error),
                },
            };
            for event in events {
                if self.send_down(client, Message::Text(event)).await.is_err() {
                    return End::gone();
                }
            }
        }
    }

    async fn hear(
        &self,
        hearing: &mut Hearing<GuardOf<P>>,
        event: Bytes,
    ) -> Result<Vec<Bytes>, GatewayError> {
        let passed = hearing.pass(event).await;
        let hits = std::mem::take(&mut hearing.hits);
        if !hits.is_empty() {
            let caller = self.caller.clone();
            let platform = self.gateway.platform();
            platform.observe(Observation::GuardHits { caller, hits });
        }
        if hearing.is_worn() {
            let guard = self.gateway.policies().guard(&self.caller).await;
            hearing.renew(guard.map_err(|error| policy_failed(&error))?);
        }
        passed
    }

    async fn send_down(
        &self,
        client: &mut dyn SocketWriter,
        message: Message,
    ) -> Result<(), SocketFault> {
        if let Message::Text(event) | Message::Binary(event) = &message {
            let bytes = event.len() as u64;
            self.books(|ticket, _| ticket.summary.bytes_out += bytes);
        }
        client.send(message).await?;
        self.note(|times, now| times.told = now);
        Ok(())
    }

    /// Counts what an event says of responses and their tokens.
    fn reckon(&self, event: &[u8]) -> Result<(), GatewayError> {
        let Ok(told) = serde_json::from_slice::<Told>(event) else {
            return Ok(());
        };
        let counts = |usage: Option<Counts>| usage.and_then(Counts::usage);
        self.books(|ticket, tally| match told.kind.as_str() {
            "response.created" => tally.begin(ticket),
            "response.done" => {
                let usage = told.response.and_then(|response| counts(response.usage));
                tally.end(usage, ticket);
                Ok(())
            }
            "conversation.item.input_audio_transcription.completed" => {
                if let Some(usage) = counts(told.usage) {
                    tally.beside(usage, ticket);
                }
                Ok(())
            }
            kind if kind.ends_with(".delta") => {
                ticket.token_out();
                if !kind.ends_with("audio.delta") {
                    tally.text(told.delta.len());
                }
                Ok(())
            }
            _ => Ok(()),
        })
    }

    /// The upstream has ended it.
    fn closed(&self, closing: Option<Closing>) -> End {
        let closing = closing.map(|mut closing| {
            if self.rules.output {
                // Nobody has judged it.
                closing.reason.clear();
            }
            closing
        });
        End {
            closing,
            error: None,
            client_gone: false,
        }
    }

    /// The upstream's connection broke.
    fn lost(&self) -> End {
        let name = &self.upstream.name;
        let error = format!("upstream \"{name}\" closed the connection without a response");
        End::failed(GatewayError::new(ErrorKind::UpstreamReset, error))
    }

    /// What came of the client can't be read.
    fn broken(&self, fault: SocketFault) -> End {
        let limit = self.gateway.config().realtime.max_message;
        match fault {
            SocketFault::Gone => End::gone(),
            SocketFault::Protocol => End::new(1002, fault.to_string()),
            SocketFault::Text => End::new(1007, fault.to_string()),
            SocketFault::TooLarge => End::new(
                1009,
                format!("the event is over the limit of {limit} bytes (realtime.max_message)"),
            ),
            SocketFault::NoMemory => End::new(1013, fault.to_string()),
        }
    }

    fn books<T>(&self, change: impl FnOnce(&mut Ticket<P>, &mut Tally) -> T) -> T {
        let mut books = lock(&self.books);
        let (ticket, tally) = &mut *books;
        change(ticket, tally)
    }

    fn note(&self, change: impl FnOnce(&mut Times, Instant)) {
        change(&mut lock(&self.times), self.gateway.platform().now());
    }

    pub(super) fn times(&self) -> Times {
        *lock(&self.times)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panic left behind are counters: still usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
