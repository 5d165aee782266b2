//! Response bodies, with the faults that strike while one is sent.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;

use super::sse::{DONE, EventStream, Events};
use crate::fault::Fault;

/// The body of every response.
pub(crate) type SimBody = UnsyncBoxBody<Bytes, io::Error>;

/// How long a hanging answer hangs: beyond every timeout that a proxy under test should have.
pub(crate) const HANG: Duration = Duration::from_secs(3_600);

const MALFORMED: Bytes =
    Bytes::from_static(b"data: {\"id\":\"broken\",\"choices\":[{\"delta\"\n\n");
const GARBAGE: Bytes = Bytes::from_static(b"\xff\xfe\x00garbage\xc3\x28\n\x80\x81\n\n");

/// Lets an answer reset its connection when it is dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection(Arc<AtomicBool>);

impl Connection {
    /// Makes the connection end in RST instead of FIN.
    pub(crate) fn reset_at_end(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn ends_in_reset(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A body that is there at once.
pub(crate) fn full(bytes: Bytes) -> SimBody {
    let never = |impossible: Infallible| match impossible {};
    Full::new(bytes).map_err(never).boxed_unsync()
}

/// What a fault does once so many events, or bytes, have been sent.
enum Strike {
    Cut,
    Hang,
    Insert(Bytes),
}

/// The strikes of a fault, by the count at which each is due, one at a time.
struct Strikes {
    due: Vec<(u64, Strike)>,
    connection: Connection,
    reset: bool,
}

impl Strikes {
    fn new(fault: &Fault, connection: Connection) -> Self {
        let mut due = Vec::new();
        let mut add = |at: Option<u64>, strike| due.extend(at.map(|at| (at, strike)));
        add(fault.malformed_after, Strike::Insert(MALFORMED));
        add(fault.garbage_after, Strike::Insert(GARBAGE));
        add(fault.hang_after, Strike::Hang);
        add(fault.cut_after, Strike::Cut);
        Self {
            due,
            connection,
            reset: fault.reset,
        }
    }

    /// What to send instead of the next event, if a strike is due.
    async fn strike(&mut self, sent: u64) -> Option<io::Result<Bytes>> {
        let place = self.due.iter().position(|(at, _)| *at <= sent)?;
        match self.due.remove(place).1 {
            Strike::Insert(bytes) => return Some(Ok(bytes)),
            Strike::Hang => tokio::time::sleep(HANG).await,
            Strike::Cut => {}
        }
        if self.reset {
            self.connection.reset_at_end();
        }
        // The server flushes what was sent before only when the body makes it wait.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        Some(Err(io::Error::other("cut by x-forebay-sim-fault")))
    }
}

/// An answer's events as a body, one frame an event.
pub(crate) fn events<E>(
    events: EventStream<E>,
    fault: Option<Fault>,
    connection: Connection,
) -> SimBody
where
    E: Events + Send + Sync + 'static,
{
    let fault = fault.unwrap_or_default();
    let strikes = Strikes::new(&fault, connection);
    let state = (events, strikes, fault, 0);
    let frames = stream::unfold(state, |(mut events, mut strikes, fault, sent)| async move {
        if sent == 0 {
            pause(fault.first_byte_delay_ms).await;
        }
        if let Some(strike) = strikes.strike(sent).await {
            // An inserted event does not count as sent.
            return Some((strike.map(Frame::data), (events, strikes, fault, sent)));
        }
        let event = events.next().await?;
        if fault.no_done && event == DONE {
            return None;
        }
        Some((Ok(Frame::data(event)), (events, strikes, fault, sent + 1)))
    });
    BodyExt::boxed_unsync(StreamBody::new(frames))
}

/// A whole answer as a body; the fault counts bytes.
pub(crate) fn whole(bytes: Bytes, fault: &Fault, connection: Connection) -> SimBody {
    let strikes = Strikes::new(fault, connection);
    let delay = fault.first_byte_delay_ms;
    let state = (bytes, strikes, 0);
    let frames = stream::unfold(state, move |(mut rest, mut strikes, sent)| async move {
        if sent == 0 {
            pause(delay).await;
        }
        if let Some(strike) = strikes.strike(sent).await {
            return Some((strike.map(Frame::data), (rest, strikes, sent)));
        }
        if rest.is_empty() {
            return None;
        }
        let next = strikes.due.iter().map(|(at, _)| *at).min();
        let room = next.map_or(rest.len(), |at| (at - sent) as usize);
        let part = rest.split_to(room.min(rest.len()));
        let sent = sent + part.len() as u64;
        Some((Ok(Frame::data(part)), (rest, strikes, sent)))
    });
    BodyExt::boxed_unsync(StreamBody::new(frames))
}

/// Waits, unless there is nothing to wait for.
pub(crate) async fn pause(milliseconds: u64) {
    if milliseconds > 0 {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
}
