//! Reads a request's body whole, within its limits, and without a copy where it came in one piece.

use std::future::poll_fn;
use std::io::Cursor;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_gateway::error::{ErrorKind, GatewayError};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use super::peers::Holding;
use crate::coding::{self, Coding};
use crate::config::Size;

/// The limits of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimits {
    /// Bytes.
    pub(super) size: Size,
    /// What sets it.
    pub(super) setting: &'static str,
    /// From the head to the last byte.
    pub(super) time: Duration,
    /// Bytes of all bodies together.
    pub(super) together: Size,
    /// Bytes of the bodies of one address.
    pub(super) address: usize,
}

/// Bytes of bodies that are held at this moment: of requests, and of answers that are gathered whole.
#[derive(Debug)]
pub struct Held {
    bytes: AtomicUsize,
    /// The most that answers may make of it: `limits.memory` as it was last read.
    most: AtomicUsize,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            bytes: AtomicUsize::new(0),
            most: AtomicUsize::new(usize::MAX),
        }
    }
}

/// A share of what is held; dropping it gives it back.
struct Share {
    held: Arc<Held>,
    bytes: usize,
    of_address: Holding,
}

impl Held {
    /// Bytes at this moment.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Sets the most that bodies may hold together.
    pub fn limit(&self, most: usize) {
        self.most.store(most, Relaxed);
    }

    /// Takes so many bytes more, and says whether there was room.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        self.bytes.fetch_add(bytes, Relaxed) + bytes <= self.most.load(Relaxed)
    }

    /// Whether at most half of the most is taken.
    pub(crate) fn is_spare(&self) -> bool {
        self.bytes() <= self.most.load(Relaxed) / 2
    }

    /// Gives bytes back.
    pub(crate) fn give(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Relaxed);
    }
}

impl Share {
    fn grow(&mut self, bytes: usize, limits: BodyLimits) -> Result<(), GatewayError> {
        let full = |message: String| {
            Err(GatewayError::new(ErrorKind::Overloaded, message)
                .with_retry_after(Duration::from_secs(1)))
        };
        self.bytes += bytes;
        if self.held.bytes.fetch_add(bytes, Relaxed) + bytes > limits.together.bytes() {
            let limit = limits.together;
            return full(format!(
                "the bodies of requests in progress hold {limit} (limits.memory); try again shortly"
            ));
        }
        if !self.of_address.grow(bytes, limits.address) {
            let limit = Size(limits.address as u64);
            return full(format!(
                "the bodies of this address's requests hold {limit} (limits.memory_per_address); try again shortly"
            ));
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.give(self.bytes);
    }
}

/// A body with the share of memory that it holds: the share is given back with its last copy.
struct Booked {
    body: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Booked {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// The body. Its memory counts as held until the last copy of it is dropped.
pub(super) async fn read(
    body: Incoming,
    expects: bool,
    limits: BodyLimits,
    held: &Arc<Held>,
    of_address: Holding,
) -> Result<Bytes, GatewayError> {
    let share = Share {
        held: held.clone(),
        bytes: 0,
        of_address,
    };
    let came = Came::default();
    let mut reading = pin!(collect(body, expects, limits, share, &came));
    // Most bodies came with their heads: a timer is made only for those that did not.
    if let Poll::Ready(result) = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
        return result;
    }
    let began = Instant::now();
    let mut due = limits.time;
    loop {
        if let Ok(result) = tokio::time::timeout_at(began + due, reading.as_mut()).await {
            return result;
        }
        // What comes fast enough may go on coming: the limit grows with it.
        let earned = limits.time + came.time();
        if earned <= due {
            let message = format!(
                "the request body did not arrive within {} (timeouts.request) and was slower than {SLOWEST} bytes per second",
                humantime::format_duration(limits.time)
            );
            return Err(GatewayError::new(ErrorKind::RequestTimeout, message));
        }
        due = earned;
    }
}

/// Slower than this, in bytes a second, a body is cut once `timeouts.request` is over: a phone at
/// the edge of its cell is faster.
const SLOWEST: u64 = 16 << 10;

/// How much of a body has come.
#[derive(Default)]
struct Came(AtomicU64);

impl Came {
    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Relaxed);
    }

    /// The time that so much may take.
    fn time(&self) -> Duration {
        Duration::from_millis(self.0.load(Relaxed).saturating_mul(1000) / SLOWEST)
    }
}

/// Lets the body of a refused request come and go, so that its client reads the refusal instead of
/// a connection that is reset. Nothing is kept.
pub(super) fn discard(mut body: Incoming, expects: bool) {
    // A client that waits for our word has sent nothing yet.
    if expects || body.is_end_stream() {
        return;
    }
    tokio::spawn(async move {
        // 1 MiB and two seconds: a client that still sends then does not listen.
        let mut left = 1usize << 20;
        let discarding = async {
            while let Ok(Some(piece)) = next(&mut body).await {
                left = left.saturating_sub(piece.len());
                if left == 0 {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), discarding).await;
    });
}

async fn collect(
    mut body: Incoming,
    expects: bool,
    limits: BodyLimits,
    mut share: Share,
    came: &Came,
) -> Result<Bytes, GatewayError> {
    let announced = body.size_hint().exact();
    if let Some(size) = announced.filter(|size| *size > limits.size.0) {
        let message = format!(
            "request body is {}, over the limit of {} ({})",
            Size(size),
            limits.size,
            limits.setting
        );
        // A client that waits for our word has sent nothing yet, so nothing needs to be discarded.
        return Err(too_large(if expects { None } else { Some(body) }, limits, message).await);
    }
    let Some(first) = next(&mut body).await? else {
        return Ok(Bytes::new());
    };
    // Booked as it comes: an announcement costs nothing, neither us nor its sender.
    came.add(first.len());
    share.grow(first.len(), limits)?;
    let booked = |body, share| {
        Bytes::from_owner(Booked {
            body,
            _share: share,
        })
    };
    if body.is_end_stream() {
        return check_size(first, limits).map(|whole| booked(whole, share));
    }
    let announced = announced.map_or(usize::MAX, |size| {
        usize::try_from(size).unwrap_or(usize::MAX)
    });
    let mut whole = BytesMut::with_capacity(announced.min(first.len().max(FIRST)));
    whole.extend_from_slice(&first);
    drop(first);
    while let Some(piece) = next(&mut body).await? {
        let len = whole.len() + piece.len();
        if len as u64 > limits.size.0 {
            let message = format!(
                "request body is over the limit of {} ({})",
                limits.size, limits.setting
            );
            return Err(too_large(Some(body), limits, message).await);
        }
        came.add(piece.len());
        share.grow(piece.len(), limits)?;
        if len > whole.capacity() {
            // Doubled, but never beyond what was announced.
            let room = len.saturating_mul(2).min(announced.max(len));
            whole.reserve(room - whole.len());
        }
        whole.extend_from_slice(&piece);
    }
    Ok(booked(whole.freeze(), share))
}

/// What is in a body that its client has coded. The limits hold for that too.
pub(super) async fn decoded(
    coded: Bytes,
    codings: &[Coding],
    limits: BodyLimits,
    held: &Arc<Held>,
    of_address: Holding,
) -> Result<Bytes, GatewayError> {
    let mut share = Share {
        held: held.clone(),
        bytes: 0,
        of_address,
    };
    let mut reader = coding::reader(Box::pin(Cursor::new(coded)), codings);
    let mut whole = BytesMut::new();
    loop {
        whole.reserve(coding::PIECE);
        let read = reader.read_buf(&mut whole).await.map_err(|error| {
            let message = format!("the request body is not what content-encoding says: {error}");
            GatewayError::new(ErrorKind::InvalidRequest, message)
        })?;
        if read == 0 {
            return Ok(Bytes::from_owner(Booked {
                body: whole.freeze(),
                _share: share,
            }));
        }
        if whole.len() as u64 > limits.size.0 {
            let message = format!(
                "the decoded request body is over the limit of {} ({})",
                limits.size, limits.setting
            );
            return Err(GatewayError::new(ErrorKind::BodyTooLarge, message));
        }
        share.grow(read, limits)?;
        // All of it is here, so that nothing else gives others their turn.
        tokio::task::yield_now().await;
    }
}

/// The room that a body of several pieces gets at first.
const FIRST: usize = 64 << 10;

fn check_size(whole: Bytes, limits: BodyLimits) -> Result<Bytes, GatewayError> {
    if whole.len() as u64 > limits.size.0 {
        let message = format!(
            "request body is {}, over the limit of {} ({})",
            Size(whole.len() as u64),
            limits.size,
            limits.setting
        );
        return Err(GatewayError::new(ErrorKind::BodyTooLarge, message));
    }
    Ok(whole)
}

async fn next(body: &mut Incoming) -> Result<Option<Bytes>, GatewayError> {
    loop {
        match poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(error)) => {
                return Err(GatewayError::new(
                    ErrorKind::InvalidRequest,
                    format!("the request body ended early: {error}"),
                ));
            }
        }
    }
}

/// Discards what a client still sends, within bounds, since closing over unread bytes would reset
/// the connection before the client has read why.
async fn too_large(body: Option<Incoming>, limits: BodyLimits, message: String) -> GatewayError {
    if let Some(mut body) = body {
        // Four times the limit and two seconds: a client that still sends then does not listen.
        let mut left = limits.size.bytes().saturating_mul(4);
        let discard = async {
            while let Ok(Some(piece)) = next(&mut body).await {
                left = left.saturating_sub(piece.len());
                if left == 0 {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(2).min(limits.time), discard).await;
    }
    GatewayError::new(ErrorKind::BodyTooLarge, message)
}
