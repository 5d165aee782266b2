//! A client's connection with the limits that HTTP libraries leave out: a head must come in time,
//! an idle connection ends, and a client that does not read is cut.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What a connection waits for. Shared by the socket and the service; only ever touched by the
/// connection's own task.
#[derive(Debug, Default)]
pub(super) struct Phase(AtomicU8);

const IDLE: u8 = 0;
const HEAD: u8 = 1;
const BUSY: u8 = 2;

impl Phase {
    /// A whole head has come.
    pub(super) fn busy(&self) {
        self.0.store(BUSY, Relaxed);
    }

    /// The answer has gone out.
    pub(super) fn idle(&self) {
        self.0.store(IDLE, Relaxed);
    }

    /// Whether a head has begun and not ended.
    pub(super) fn in_head(&self) -> bool {
        self.0.load(Relaxed) == HEAD
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
    patience: Patience,
    phase: Arc<Phase>,
    /// When reading must have got somewhere. Moved often, so the timer only looks at it when it fires.
    /// Holds for the phase beside it.
    deadline: Option<(u8, Instant)>,
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl<T> ClientIo<T> {
    pub(super) fn new(socket: T, before: Bytes, patience: Patience, phase: Arc<Phase>) -> Self {
        if !before.is_empty() && patience.idle.is_some() {
            phase.0.store(HEAD, Relaxed);
        }
        Self {
            socket,
            before,
            patience,
            phase,
            deadline: None,
            reading: None,
            writing: None,
        }
    }

    /// Nothing came: may it go on so? `Ready` ends the connection.
    fn waited(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(idle) = self.patience.idle else {
            return Poll::Pending;
        };
        let phase = self.phase.0.load(Relaxed);
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

impl<T: AsyncRead + Unpin> AsyncRead for ClientIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.before.is_empty() {
            let n = self.before.len().min(buf.remaining());
            buf.put_slice(&self.before[..n]);
            self.before.advance(n);
            return Poll::Ready(Ok(()));
        }
        let filled = buf.filled().len();
        match Pin::new(&mut self.socket).poll_read(cx, buf) {
            Poll::Pending => self.waited(cx),
            Poll::Ready(result) => {
                if buf.filled().len() > filled
                    && self.phase.0.load(Relaxed) == IDLE
                    && self.patience.idle.is_some()
                {
                    self.phase.0.store(HEAD, Relaxed);
                    self.deadline = None;
                }
                Poll::Ready(result)
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for ClientIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.socket).poll_write(cx, buf) {
            Poll::Pending => self.stuck(cx).map(Err),
            ready => {
                self.writing = None;
                ready
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.socket).poll_write_vectored(cx, bufs) {
            Poll::Pending => self.stuck(cx).map(Err),
            ready => {
                self.writing = None;
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
