//! A client that sends nothing more: it has left, or it has closed its half of the connection only and
//! waits for its answer.
//!
//! TCP tells both alike, but what is sent to one that has left comes back as a reset. So something is
//! sent: an interim response, which every client of HTTP/1.1 has to skip (RFC 9110, section 15.2), or
//! what the answer has to say anyway. An answer to HTTP/1.0 begins with the same bytes whatever it says.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;

/// What is sent to see whether somebody is there.
pub(super) const PROBE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// The same for a client of HTTP/1.0, which knows no interim responses: what every answer begins with.
pub(super) const BEGINNING: &[u8] = b"HTTP/1.";

/// How long a reset may take to come back: a way around the world and back.
const RETURN: Duration = Duration::from_millis(500);
/// How long it is waited for something to send. An answer that says nothing for longer is given up: most
/// clients that send nothing more have left.
const SILENCE: Duration = Duration::from_millis(300);
/// The first look for a reset, and how much later each next one is.
const FIRST_LOOK: Duration = Duration::from_millis(20);

/// A socket that knows whether its peer has refused what was sent.
pub(super) trait Peer {
    /// Whether the connection was reset.
    fn is_reset(&self) -> bool;
}

impl Peer for TcpStream {
    fn is_reset(&self) -> bool {
        !matches!(self.take_error(), Ok(None))
    }
}

impl Peer for TlsStream<TcpStream> {
    fn is_reset(&self) -> bool {
        self.get_ref().0.is_reset()
    }
}

/// The doubt whether a client is still there.
#[derive(Debug)]
pub(super) struct Doubt {
    /// The request that it waits for, by its number.
    request: u64,
    began: Instant,
    /// When something was sent first.
    sent: Option<Instant>,
    look: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Doubt {
    /// A client sends nothing more while its request of this number is answered.
    pub(super) fn new(request: u64) -> Self {
        let began = Instant::now();
        Self {
            request,
            began,
            sent: None,
            look: FIRST_LOOK,
            timer: Box::pin(tokio::time::sleep_until(began + FIRST_LOOK)),
        }
    }

    /// Whether it is about the request of this number.
    pub(super) fn is_about(&self, request: u64) -> bool {
        self.request == request
    }

    /// Something was sent.
    pub(super) fn sent(&mut self) {
        self.sent.get_or_insert_with(Instant::now);
    }

    /// Resolves once the client is known to have left. It never does where the client is there: then
    /// writing tells when it leaves.
    pub(super) fn poll_left(&mut self, peer: &impl Peer, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            let waits = match self.sent {
                Some(at) if now >= at + RETURN => return Poll::Pending,
                Some(_) => true,
                None => now < self.began + SILENCE,
            };
            if peer.is_reset() || !waits {
                return Poll::Ready(());
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.look = (self.look * 2).min(RETURN / 4);
            let next = now + self.look;
            self.timer.as_mut().reset(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::FutureExt as _;

    use super::*;

    #[derive(Default)]
    struct Scripted(Cell<bool>);

    impl Peer for Scripted {
        fn is_reset(&self) -> bool {
            self.0.get()
        }
    }

    /// How long it takes until the client is known to have left; none where it never is.
    async fn left(doubt: &mut Doubt, peer: &Scripted) -> Option<Duration> {
        let began = Instant::now();
        let left = std::future::poll_fn(|cx| doubt.poll_left(peer, cx));
        let known = tokio::time::timeout(Duration::from_secs(60), left).await;
        known.is_ok().then(|| began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_what_is_sent_is_there() {
        let mut doubt = Doubt::new(1);
        doubt.sent();
        assert_eq!(left(&mut doubt, &Scripted::default()).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_resets_the_connection_has_left() {
        let (mut doubt, peer) = (Doubt::new(1), Scripted::default());
        doubt.sent();
        let first = std::future::poll_fn(|cx| doubt.poll_left(&peer, cx)).now_or_never();
        assert!(first.is_none());
        peer.0.set(true);
        assert!(left(&mut doubt, &peer).await.unwrap() <= RETURN);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_nothing_for_a_while_is_taken_to_have_left() {
        let mut doubt = Doubt::new(1);
        let took = left(&mut doubt, &Scripted::default()).await.unwrap();
        assert!(took >= SILENCE && took < SILENCE * 2, "{took:?}");
    }
}
