//! One connection to an upstream: how old it is, how often it was used, and how much is on it now.
//!
//! A pool keeps connections for as long as they are used, so an upstream whose name leads elsewhere
//! by now would never be found, and HTTP/2 puts all requests on one connection, where those
//! beyond the server's limit wait for others to end. So a connection that is old or full is retired: what is
//! on it goes on, and the next request gets a new one. The server's limit is in its first frame.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Extensions;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::sync::watch;
use tokio::time::Instant;

use super::preface::{Found, Preface};

/// The most requests at once on a connection of HTTP/2, where the server does not say that it takes fewer: what
/// it should take at least (RFC 9113, section 6.5.2), and what most take.
const MOST_AT_ONCE: u32 = 100;
/// What is read at a time until a server's first frame is complete.
const PIECE: usize = 1024;

/// A connection's state, which all who use it share.
#[derive(Debug, Clone)]
pub(super) struct Line(Arc<State>);

#[derive(Debug)]
struct State {
    /// When it is old.
    until: Instant,
    /// Requests so far.
    used: AtomicU32,
    /// Requests on it now.
    at_once: AtomicU32,
    /// The most that the server takes at once; none until it has said so.
    most: watch::Sender<Option<u32>>,
}

impl Line {
    /// A connection that has just been established. Connections of one moment don't all end in one:
    /// each is given three quarters of the age at least.
    pub(super) fn new(age: Duration) -> Self {
        let share = rand::random_range(0.75..=1.0);
        let now = Instant::now();
        let until = now.checked_add(age.mul_f64(share));
        Self(Arc::new(State {
            // An age beyond all clocks is none.
            until: until.unwrap_or(now + Duration::from_secs(u32::MAX.into())),
            used: AtomicU32::new(0),
            at_once: AtomicU32::new(0),
            most: watch::Sender::new(None),
        }))
    }

    /// The server takes so many requests at once, as far as it says. One that takes none yet will take one later.
    fn takes(&self, most: u32) {
        let most = most.clamp(1, MOST_AT_ONCE);
        self.0.most.send_replace(Some(most));
    }
}

/// A request's place on a connection.
#[derive(Debug)]
pub(super) struct Place {
    line: Line,
    /// It was not the first request there.
    pub(super) kept: bool,
    /// Requests share the connection (HTTP/2).
    shared: bool,
    /// The requests that were there before it.
    others: u32,
}

impl Place {
    /// Takes a place, and retires the connection where it is the last one. `shared`: HTTP/2 is spoken, where requests
    /// share a connection.
    pub(super) fn take(connected: &Connected, shared: bool) -> Option<Self> {
        let mut extras = Extensions::new();
        connected.get_extras(&mut extras);
        let line = extras.remove::<Line>()?;
        let shared = shared || connected.is_negotiated_h2();
        let kept = line.0.used.fetch_add(1, Relaxed) > 0;
        let others = line.0.at_once.fetch_add(1, Relaxed);
        let most = line.0.most.borrow().unwrap_or(MOST_AT_ONCE);
        // A connection for one request at a time is kept for the next.
        let last = if most > 1 { most - 1 } else { most };
        if (shared && others >= last) || Instant::now() >= line.0.until {
            connected.poison();
        }
        Some(Self {
            line,
            kept,
            shared,
            others,
        })
    }

    /// Whether it came when the connection was full, and may wait for others to end. None while the server
    /// may still say that it takes fewer.
    fn is_crowded(&self) -> Option<bool> {
        let most = *self.line.0.most.borrow();
        match most {
            _ if !self.shared => Some(false),
            _ if self.others >= MOST_AT_ONCE => Some(true),
            Some(most) => Some(self.others >= most),
            None => None,
        }
    }

    /// Resolves once it is known to be crowded, and never where it is not. Dropping it keeps the place.
    pub(super) fn crowded(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (known, others) = (self.line.0.most.subscribe(), self.others);
        match self.is_crowded() {
            Some(true) => Box::pin(std::future::ready(())),
            Some(false) => Box::pin(std::future::pending()),
            None => Box::pin(fewer(known, others)),
        }
    }
}

/// Resolves once a server says that it takes so few at once.
async fn fewer(mut known: watch::Receiver<Option<u32>>, others: u32) {
    let told = known.wait_for(|most| most.is_some_and(|most| others >= most));
    if told.await.is_err() {
        std::future::pending().await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.line.0.at_once.fetch_sub(1, Relaxed);
    }
}

/// A connection that carries its state to those who use it.
pub(super) struct Wire<T> {
    io: T,
    line: Line,
    /// Until the server's first frame is complete.
    preface: Option<Preface>,
    /// The server takes nothing more. It may have answered before: reading tells.
    deaf: bool,
}

impl<T> Wire<T> {
    pub(super) fn new(io: T, line: Line) -> Self {
        let preface = Some(Preface::default());
        Self {
            io,
            line,
            preface,
            deaf: false,
        }
    }

    /// Bytes that the server does not take count as written. A server that refuses a request before it has read all
    /// of it may close the connection, and its answer would be lost to the error.
    fn wrote(&mut self, written: Poll<io::Result<usize>>, all: usize) -> Poll<io::Result<usize>> {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match written {
            Poll::Ready(Err(error))
                if matches!(
                    error.kind(),
                    BrokenPipe | ConnectionAborted | ConnectionReset
                ) =>
            {
                self.deaf = true;
                Poll::Ready(Ok(all))
            }
            written => written,
        }
    }
}

impl<T: Connection> Connection for Wire<T> {
    fn connected(&self) -> Connected {
        self.io.connected().extra(self.line.clone())
    }
}

impl<T: Read + Unpin> Read for Wire<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(preface) = &mut this.preface else {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        };
        let mut room = [0; PIECE];
        let room_len = buf.remaining().min(PIECE);
        let mut piece = ReadBuf::new(&mut room[..room_len]);
        ready!(Pin::new(&mut this.io).poll_read(cx, piece.unfilled()))?;
        let found = preface.read(piece.filled());
        match found {
            Found::More => {}
            Found::Limit(most) => this.line.takes(most),
            Found::Nothing => this.line.takes(MOST_AT_ONCE),
        }
        if found != Found::More {
            this.preface = None;
        }
        buf.put_slice(piece.filled());
        Poll::Ready(Ok(()))
    }
}

impl<T: Write + Unpin> Write for Wire<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.wrote(written, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = bufs.iter().map(|buf| buf.len()).sum();
        if self.deaf {
            return Poll::Ready(Ok(all));
        }
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.wrote(written, all)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.wrote(flushed.map_ok(|()| 0), 0).map_ok(|_| ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn connected(line: &Line) -> Connected {
        Connected::new().extra(line.clone())
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_old_after_three_quarters_of_its_age_at_the_earliest() {
        for _ in 0..32 {
            let line = Line::new(Duration::from_secs(60));
            let left = line.0.until - Instant::now();
            assert!((45..=60).contains(&left.as_secs()), "{left:?}");
        }
        // No clock goes so far.
        Line::new(Duration::MAX / 2);
    }

    #[test]
    fn a_place_is_free_once_it_is_dropped_and_one_too_many_is_crowded() {
        for (told, most) in [
            (None, MOST_AT_ONCE),
            (Some(0), 1),
            (Some(1), 1),
            (Some(4), 4),
            (Some(1000), MOST_AT_ONCE),
        ] {
            let line = Line::new(Duration::from_secs(60));
            if let Some(told) = told {
                line.takes(told);
            }
            let take = || Place::take(&connected(&line), true).unwrap();
            let crowded = |place: &Place| place.crowded().now_or_never().is_some();
            let mut places: Vec<_> = (0..most).map(|_| take()).collect();
            assert!(!places[0].kept);
            assert!(places.iter().all(|place| !crowded(place)), "{told:?}");
            assert!(crowded(&take()), "{told:?}");
            places.pop();
            assert!(!crowded(&take()), "{told:?}");
            // HTTP/1.1 has one request at a time anyway.
            let plain = Place::take(&connected(&line), false).unwrap();
            assert!(plain.kept && !crowded(&plain), "{told:?}");
        }
    }

    #[tokio::test]
    async fn what_a_server_says_late_crowds_those_who_came_before() {
        let line = Line::new(Duration::from_secs(60));
        let take = || Place::take(&connected(&line), true).unwrap();
        let places = [take(), take(), take()];
        let mut waiting = places.each_ref().map(Place::crowded);
        assert!(waiting.iter_mut().all(|it| it.now_or_never().is_none()));
        line.takes(2);
        let crowded = waiting.map(|it| it.now_or_never().is_some());
        assert_eq!(crowded, [false, false, true]);
    }
}
