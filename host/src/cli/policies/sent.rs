//! The body of a request to a registry, sent piece by piece so that its bytes can be counted on their way.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::super::progress::Moved;

/// The bytes of one piece: small enough that a slow connection shows progress, large enough to cost nothing.
const PIECE: usize = 64 << 10;

/// Bytes to send. Each piece counts when the connection takes it.
pub(super) struct Sent {
    rest: Bytes,
    moved: Option<Moved>,
}

impl Sent {
    pub(super) fn new(all: Bytes, moved: Option<Moved>) -> Self {
        Self { rest: all, moved }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.rest.len().min(PIECE);
        if length == 0 {
            return Poll::Ready(None);
        }
        let piece = self.rest.split_to(length);
        if let Some(moved) = &self.moved {
            moved.add(length);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
