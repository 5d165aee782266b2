//! One connection to an upstream: how old it is, how often it was used, and how much is on it now.
//!
//! A pool keeps connections for as long as they are used, so an upstream whose name leads elsewhere
//! by now would never be found, and HTTP/2 puts all requests on one connection, where those
//! beyond the server's limit wait for others to end. So a connection that is old or full is retired: what is
//! on it goes on, and the next request gets a new one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Extensions;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::time::Instant;

/// The most requests at once on a connection of HTTP/2: what a server should take at least (RFC 9113,
/// section 6.5.2), and what most take.
const MOST_AT_ONCE: u32 = 100;

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
        }))
    }
}

/// A request's place on a connection.
#[derive(Debug)]
pub(super) struct Place {
    line: Line,
    /// It was not the first request there.
    pub(super) kept: bool,
    /// It came when the connection was full, and may wait for others to end.
    pub(super) crowded: bool,
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
        let full = shared && others + 1 >= MOST_AT_ONCE;
        if full || Instant::now() >= line.0.until {
            connected.poison();
        }
        Some(Self {
            line,
            kept,
            crowded: shared && others >= MOST_AT_ONCE,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.line.0.at_once.fetch_sub(1, Relaxed);
    }
}

/// A connection that carries its state to those who use it.
pub(super) struct Wire<T> {
    pub(super) io: T,
    pub(super) line: Line,
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
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for Wire<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
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
        let line = Line::new(Duration::from_secs(60));
        let take = || Place::take(&connected(&line), true).unwrap();
        let mut places: Vec<_> = (0..MOST_AT_ONCE).map(|_| take()).collect();
        assert!(!places[0].kept && places[1].kept);
        assert!(places.iter().all(|place| !place.crowded));
        assert!(take().crowded);
        places.pop();
        assert!(!take().crowded);
        // HTTP/1.1 has one request at a time anyway.
        let plain = Place::take(&connected(&line), false).unwrap();
        assert!(!plain.crowded);
    }
}
