//! Reads a request's body whole, within its limits, and without a copy where it came in one piece.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_gateway::error::{ErrorKind, GatewayError};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::config::Size;

/// The limits of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimits {
    /// Bytes.
    pub(super) size: Size,
    /// From the head to the last byte.
    pub(super) time: Duration,
    /// Bytes of all bodies together.
    pub(super) together: Size,
}

/// Bytes of request bodies that are held at this moment.
#[derive(Debug, Default)]
pub struct Held(AtomicUsize);

/// A share of what is held; dropping it gives it back.
pub(super) struct Share<'a>(&'a Held, usize);

impl Held {
    fn share(&self) -> Share<'_> {
        Share(self, 0)
    }

    /// Bytes at this moment.
    pub fn bytes(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl Share<'_> {
    fn grow(&mut self, bytes: usize, limit: Size) -> Result<(), GatewayError> {
        self.1 += bytes;
        if self.0.0.fetch_add(bytes, Relaxed) + bytes > limit.bytes() {
            let message = format!(
                "the bodies of requests in progress hold {limit} (limits.memory); try again shortly"
            );
            return Err(GatewayError::new(ErrorKind::Overloaded, message)
                .with_retry_after(Duration::from_secs(1)));
        }
        Ok(())
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(self.1, Relaxed);
    }
}

/// The body, and the share of memory it holds as long as it is in use.
pub(super) async fn read(
    body: Incoming,
    expects: bool,
    limits: BodyLimits,
    held: &Held,
) -> Result<(Bytes, Share<'_>), GatewayError> {
    let came = Came::default();
    let mut reading = pin!(collect(body, expects, limits, held, &came));
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
                "the request's body did not come within {} (timeouts.request), nor at {SLOWEST} bytes a second",
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

async fn collect<'a>(
    mut body: Incoming,
    expects: bool,
    limits: BodyLimits,
    held: &'a Held,
    came: &Came,
) -> Result<(Bytes, Share<'a>), GatewayError> {
    let mut share = held.share();
    let announced = body.size_hint().exact();
    if let Some(size) = announced.filter(|size| *size > limits.size.0) {
        let message = format!(
            "request body is {}, over the limit of {} (limits.body)",
            Size(size),
            limits.size
        );
        // A client that waits for our word has sent nothing yet, so nothing needs to be discarded.
        return Err(too_large(if expects { None } else { Some(body) }, limits, message).await);
    }
    // Announced bytes are booked before they come, so that many slow uploads can't creep past the limit.
    let booked = usize::try_from(announced.unwrap_or(0)).unwrap_or(usize::MAX);
    share.grow(booked, limits.together)?;

    let Some(first) = next(&mut body).await? else {
        return Ok((Bytes::new(), share));
    };
    if booked < first.len() {
        share.grow(first.len(), limits.together)?;
    }
    if body.is_end_stream() {
        return check_size(first, limits).map(|whole| (whole, share));
    }
    let mut whole = BytesMut::with_capacity(booked.max(first.len()));
    whole.extend_from_slice(&first);
    drop(first);
    while let Some(piece) = next(&mut body).await? {
        came.add(piece.len());
        if (whole.len() + piece.len()) as u64 > limits.size.0 {
            let message = format!(
                "request body is over the limit of {} (limits.body)",
                limits.size
            );
            return Err(too_large(Some(body), limits, message).await);
        }
        if whole.len() + piece.len() > booked {
            share.grow(piece.len(), limits.together)?;
        }
        whole.extend_from_slice(&piece);
    }
    Ok((whole.freeze(), share))
}

fn check_size(whole: Bytes, limits: BodyLimits) -> Result<Bytes, GatewayError> {
    if whole.len() as u64 > limits.size.0 {
        let message = format!(
            "request body is {}, over the limit of {} (limits.body)",
            Size(whole.len() as u64),
            limits.size
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
                    format!("the request's body broke off: {error}"),
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
