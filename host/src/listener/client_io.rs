//! A client's connection with the limits that HTTP libraries leave out: a head must come in time,
//! an idle connection ends, a client that does not read is cut, HTTP/1 has one reading, and a client
//! that has closed its half gets its answer.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_util::task::AtomicWaker;
use http::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::leaving::{BEGINNING, Doubt, PROBE, Peer};
use super::lines::{Lines, Taken};

/// What a connection waits for. Shared by the socket and the service; only ever touched by the
/// connection's own task.
#[derive(Debug)]
pub(super) struct Phase {
    stage: AtomicU8,
    /// The length of the body that belongs to the last head.
    body: AtomicU64,
    /// The client of the last head skips interim responses.
    skips_interim: AtomicBool,
    /// Requests that have begun, and that have ended: HTTP/2 has many at once.
    begun: AtomicU64,
    ended: AtomicU64,
    /// Who waits to read the next request.
    next: AtomicWaker,
    /// What goes on over the connection once it is no longer HTTP.
    takeover: Mutex<Option<Takeover>>,
}

/// What goes on over a connection that is no longer HTTP.
pub(super) struct Takeover(pub(super) Box<dyn FnOnce(Box<dyn Duplex>) -> Going + Send>);

type Going = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection, whatever it is made of.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl std::fmt::Debug for Takeover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Takeover")
    }
}

/// The requests of a connection so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Streams {
    /// All of them.
    pub(super) begun: u64,
    /// Those that have not ended.
    pub(super) open: u64,
}

const IDLE: u8 = 0;
const HEAD: u8 = 1;
const BUSY: u8 = 2;

/// A body of chunks. No body is as long.
const CHUNKS: u64 = u64::MAX;
/// No head has come yet.
const NONE: u64 = u64::MAX - 1;

/// A request under way. Dropped when its answer has gone out, or its client has left.
#[derive(Debug)]
pub(super) struct Busy(Arc<Phase>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.stage.store(IDLE, Relaxed);
        self.0.ended.fetch_add(1, Relaxed);
        self.0.next.wake();
    }
}

impl Default for Phase {
    fn default() -> Self {
        Self {
            stage: AtomicU8::new(IDLE),
            body: AtomicU64::new(NONE),
            skips_interim: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            next: AtomicWaker::new(),
            takeover: Mutex::default(),
        }
    }
}

impl Phase {
    /// A whole head of this version has come, and a body of this length follows; none: of chunks. The
    /// request is under way until the guard is dropped.
    pub(super) fn busy(self: &Arc<Self>, version: Version, body: Option<u64>) -> Busy {
        let skips_interim = version == Version::HTTP_11;
        self.skips_interim.store(skips_interim, Relaxed);
        self.body.store(body.unwrap_or(CHUNKS), Relaxed);
        self.stage.store(BUSY, Relaxed);
        self.begun.fetch_add(1, Relaxed);
        Busy(self.clone())
    }

    /// The connection goes on as this, once the answer that says so has gone out.
    pub(super) fn hand_over(&self, takeover: Takeover) {
        *self.takeover.lock().unwrap_or_else(PoisonError::into_inner) = Some(takeover);
    }

    /// As what the connection goes on, where it has been handed over.
    pub(super) fn handed_over(&self) -> Option<Takeover> {
        let mut takeover = self.takeover.lock().unwrap_or_else(PoisonError::into_inner);
        takeover.take()
    }

    /// The requests so far.
    pub(super) fn streams(&self) -> Streams {
        let ended = self.ended.load(Relaxed);
        let begun = self.begun.load(Relaxed);
        Streams {
            begun,
            open: begun.saturating_sub(ended),
        }
    }

    /// Whether a head has begun and not ended.
    pub(super) fn in_head(&self) -> bool {
        self.stage.load(Relaxed) == HEAD
    }

    /// Whether a request is being answered.
    pub(super) fn is_busy(&self) -> bool {
        self.stage.load(Relaxed) == BUSY
    }

    /// The length of the body that follows the head; the inner none: of chunks. None before any head.
    pub(super) fn body(&self) -> Option<Option<u64>> {
        match self.body.load(Relaxed) {
            NONE => None,
            CHUNKS => Some(None),
            length => Some(Some(length)),
        }
    }
}

/// The limits of one connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// From the first byte of a head to its last.
    pub(super) head: Duration,
    /// Between two requests. None: the protocol sees to it.
    pub(super) idle: Option<Duration>,
    /// How long a write may make no progress.
    pub(super) write: Duration,
}

/// A socket with limits, and with bytes before it that were read to tell protocols apart.
pub(super) struct ClientIo<T> {
    socket: T,
    before: Bytes,
    /// Follows the bytes of HTTP/1. None: HTTP/2 frames them itself.
    lines: Option<Lines>,
    patience: Patience,
    phase: Arc<Phase>,
    /// When reading must have got somewhere. Moved often, so the timer only looks at it when it fires.
    /// Holds for the phase beside it.
    deadline: Option<(u8, Instant)>,
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
    /// The last request of whose answer something was written, by its number.
    answered: u64,
    /// The client sends nothing more.
    doubt: Option<Doubt>,
    /// The bytes of the next answer that have been sent before it was there.
    ahead: usize,
}

impl<T> ClientIo<T> {
    pub(super) fn new(socket: T, before: Bytes, patience: Patience, phase: Arc<Phase>) -> Self {
        if !before.is_empty() && patience.idle.is_some() {
            phase.stage.store(HEAD, Relaxed);
        }
        Self {
            socket,
            before,
            lines: patience.idle.is_some().then(Lines::default),
            patience,
            phase,
            deadline: None,
            reading: None,
            writing: None,
            answered: 0,
            doubt: None,
            ahead: 0,
        }
    }

    /// The connection is no longer HTTP: what comes is handed on as it is, after what was read
    /// before. Only a client that does not read is cut.
    pub(super) fn raw(mut self, read: &[u8]) -> Self {
        self.before = [read, &self.before].concat().into();
        self.lines = None;
        self.patience.idle = None;
        self
    }

    /// How much of what came may be handed on.
    fn follow(&mut self, bytes: &[u8]) -> Taken {
        let Some(lines) = &mut self.lines else {
            return Taken::Bytes(bytes.len());
        };
        if lines.between(&self.phase) && self.phase.stage.load(Relaxed) == IDLE {
            self.phase.stage.store(HEAD, Relaxed);
            self.deadline = None;
        }
        lines.take(bytes, &self.phase)
    }

    /// Nothing came: may it go on so? `Ready` ends the connection.
    fn waited(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(idle) = self.patience.idle else {
            return Poll::Pending;
        };
        let phase = self.phase.stage.load(Relaxed);
        if phase == BUSY {
            return Poll::Pending;
        }
        let limit = if phase == HEAD {
            self.patience.head
        } else {
            idle
        };
        let deadline = match self.deadline {
            Some((of, deadline)) if of == phase => deadline,
            _ => Instant::now() + limit,
        };
        self.deadline = Some((phase, deadline));
        let timer = self
            .reading
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        // At most twice: a timer of an earlier deadline fires, is moved, and then waits.
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                // An idle connection ends as if the client had closed it; a head that does not come is an error.
                return Poll::Ready(if phase == HEAD {
                    Err(io::ErrorKind::TimedOut.into())
                } else {
                    Ok(())
                });
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// Something was written.
    fn wrote(&mut self) {
        self.writing = None;
        self.answered = self.phase.begun.load(Relaxed);
        if let Some(doubt) = &mut self.doubt {
            doubt.sent();
        }
    }

    fn stuck(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let limit = self.patience.write;
        let timer = self
            .writing
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client does not read",
        ))
    }
}

impl<T: AsyncWrite + Peer + Unpin> ClientIo<T> {
    /// The client sends nothing more. `Ready` ends the connection: always but where the client has sent its
    /// request and may be waiting for the answer.
    fn ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let lines = self.lines.as_ref();
        let waits = lines.is_some_and(|lines| lines.between(&self.phase)) && self.phase.is_busy();
        if !waits {
            return Poll::Ready(());
        }
        let request = self.phase.begun.load(Relaxed);
        if !self.doubt.as_ref().is_some_and(|it| it.is_about(request)) {
            let mut doubt = Doubt::new(request);
            // Between two parts of an answer nothing fits.
            if self.answered != request {
                let skips = self.phase.skips_interim.load(Relaxed);
                let probe = if skips { PROBE } else { BEGINNING };
                match Pin::new(&mut self.socket).poll_write(cx, probe) {
                    Poll::Ready(Ok(n)) if n == probe.len() => doubt.sent(),
                    _ => return Poll::Ready(()),
                }
                self.ahead = if skips { 0 } else { BEGINNING.len() };
                if Pin::new(&mut self.socket).poll_flush(cx).is_pending() {
                    return Poll::Ready(());
                }
            }
            self.doubt = Some(doubt);
        }
        match &mut self.doubt {
            Some(doubt) => doubt.poll_left(&self.socket, cx),
            None => Poll::Ready(()),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Peer + Unpin> AsyncRead for ClientIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let start = buf.filled().len();
        let waiting = !this.before.is_empty();
        if waiting {
            let n = this.before.len().min(buf.remaining());
            buf.put_slice(&this.before[..n]);
        } else {
            match Pin::new(&mut this.socket).poll_read(cx, buf) {
                Poll::Pending => return this.waited(cx),
                Poll::Ready(Ok(())) if buf.filled().len() > start => {}
                Poll::Ready(Ok(())) => return this.ended(cx).map(Ok),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
        let came = buf.filled().len() - start;
        let taken = this.follow(&buf.filled()[start..]);
        let n = match taken {
            Taken::Bytes(n) => n,
            Taken::BadHead(n) => {
                // A byte that no head may have makes hyper answer 400 and close, once the head ends.
                buf.filled_mut()[start + n] = 0;
                buf.set_filled(start + n + 1);
                this.before = Bytes::from_static(b"\r\n\r\n");
                return Poll::Ready(Ok(()));
            }
            Taken::BadBody => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
        };
        if waiting {
            this.before.advance(n);
        } else if n < came {
            this.before = Bytes::copy_from_slice(&buf.filled()[start + n..]);
        }
        buf.set_filled(start + n);
        if n == 0 {
            // The next request waits for the answer to this one.
            this.phase.next.register(cx.waker());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for ClientIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let ahead = self.ahead.min(buf.len());
        if ahead > 0 && ahead == buf.len() {
            self.ahead -= ahead;
            return Poll::Ready(Ok(ahead));
        }
        match Pin::new(&mut self.socket).poll_write(cx, &buf[ahead..]) {
            Poll::Pending => self.stuck(cx).map(Err),
            Poll::Ready(written) => {
                self.wrote();
                self.ahead -= ahead;
                Poll::Ready(written.map(|n| n + ahead))
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.ahead > 0 {
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return self.poll_write(cx, first.map_or(&[], |buf| buf));
        }
        match Pin::new(&mut self.socket).poll_write_vectored(cx, bufs) {
            Poll::Pending => self.stuck(cx).map(Err),
            ready => {
                self.wrote();
                ready
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.socket).poll_flush(cx) {
            Poll::Pending => self.stuck(cx).map(Err),
            ready => {
                self.writing = None;
                ready
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.socket).poll_shutdown(cx) {
            Poll::Pending => self.stuck(cx).map(Err),
            ready => ready,
        }
    }
}
