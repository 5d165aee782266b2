//! An upstream's body as the pipeline reads it. Dropping it ends the exchange.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use forebay_gateway::platform::{TransportError, UpstreamBody};
use futures_util::Stream;
use http_body::Body as _;
use hyper::body::Incoming;

use super::failure;

pub(super) fn upstream_body(body: Incoming) -> UpstreamBody {
    UpstreamBody::new(Box::pin(Pieces(body)))
}

/// The data of a body; trailers are dropped, since no dialect of ours has any.
struct Pieces(Incoming);

impl Stream for Pieces {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(failure::of_body(&error)))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}
