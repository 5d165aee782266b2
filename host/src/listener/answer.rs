//! The body of an answer on its way out. When it has gone, its connection waits for the next request.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};

use super::client_io::Busy;
use super::peers::Holding;

/// An answer's body, and what its request holds until it is gone.
pub(super) struct Answer<B> {
    body: B,
    _busy: Busy,
    _request: Option<Holding>,
}

impl<B> Answer<B> {
    pub(super) fn new(body: B, busy: Busy, request: Option<Holding>) -> Self {
        Self {
            body,
            _busy: busy,
            _request: request,
        }
    }
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
