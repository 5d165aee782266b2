//! A response's body on its way to the component: cut when it stalls, and when nobody waits for it.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use wasmtime_wasi_http::Error;

use super::errors;

pin_project! {
    /// A body with limits. Once it has failed or ended it holds no connection.
    pub(super) struct TimedBody {
        body: Option<Incoming>,
        between: Duration,
        #[pin]
        stalled: Sleep,
        waiting: bool,
        #[pin]
        abandoned: WaitForCancellationFutureOwned,
        permit: Option<OwnedSemaphorePermit>,
    }
}

impl TimedBody {
    pub(super) fn new(
        body: Incoming,
        between: Duration,
        abandoned: CancellationToken,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            body: Some(body),
            between,
            stalled: tokio::time::sleep(between),
            waiting: false,
            abandoned: abandoned.cancelled_owned(),
            permit,
        }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut this = self.project();
        let Some(body) = this.body.as_mut() else {
            return Poll::Ready(None);
        };
        let ended = match Pin::new(body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                *this.waiting = false;
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(Some(Err(error))) => Some(Err(errors::of_body(&error))),
            Poll::Ready(None) => None,
            Poll::Pending => {
                // The time counts from when somebody wants the next piece.
                if !std::mem::replace(this.waiting, true) {
                    let deadline = Instant::now() + *this.between;
                    this.stalled.as_mut().reset(deadline);
                }
                if this.abandoned.poll(cx).is_ready() {
                    Some(Err(Error::ConnectionTerminated))
                } else if this.stalled.poll(cx).is_ready() {
                    Some(Err(Error::ConnectionReadTimeout))
                } else {
                    return Poll::Pending;
                }
            }
        };
        *this.body = None;
        *this.permit = None;
        Poll::Ready(ended)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}
