//! What an exchange's futures wait on: an effect's answer, a timer, a body's next piece.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_core::Stream;

use super::{Effect, Happening, Id, REQUEST, Wires};

/// What will come of an effect.
pub struct Answer {
    pub(super) id: Id,
    pub(super) wires: Rc<Wires>,
    pub(super) over: bool,
}

impl Answer {
    /// The effect's id.
    pub fn id(&self) -> Id {
        self.id
    }
}

impl Future for Answer {
    type Output = Happening;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Happening> {
        let mut waits = self.wires.waits.borrow_mut();
        let Some(wait) = waits.get_mut(&self.id) else {
            return Poll::Pending;
        };
        match wait.happened.take() {
            Some(happening) => {
                waits.remove(&self.id);
                drop(waits);
                self.over = true;
                Poll::Ready(happening)
            }
            None => {
                wait.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.over {
            self.wires.waits.borrow_mut().remove(&self.id);
            // The client's own body is read again after a wait was given up, or by nobody.
            if self.id != REQUEST {
                self.wires.emit(Effect::Cancel(self.id));
            }
        }
    }
}

/// A timer of an exchange.
pub struct Sleep {
    pub(super) id: Id,
    pub(super) due: Instant,
    pub(super) wires: Rc<Wires>,
}

impl Future for Sleep {
    type Output = ();
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.wires.now() >= self.due {
            return Poll::Ready(());
        }
        let alarm = (self.due, cx.waker().clone());
        self.wires.alarms.borrow_mut().insert(self.id, alarm);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.wires.alarms.borrow_mut().remove(&self.id);
    }
}

/// A body, read piece by piece as it is asked for. Dropping it before its end cancels the exchange.
pub struct Body {
    pub(super) id: Id,
    pub(super) wires: Rc<Wires>,
    pub(super) reading: Option<Answer>,
    pub(super) over: bool,
}

impl Body {
    /// Gives it away unread: its id.
    pub fn into_id(mut self) -> Id {
        self.over = true;
        self.id
    }
}

impl Stream for Body {
    type Item = Result<Bytes, String>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let (id, wires) = (self.id, self.wires.clone());
        let reading = self
            .reading
            .get_or_insert_with(|| wires.wait_for(id, Effect::Read(id)));
        let happening = std::task::ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let piece = match happening {
            Happening::Piece(_, piece) => piece.transpose(),
            _ => Some(Err("the platform answered something else".to_owned())),
        };
        self.over = !matches!(piece, Some(Ok(_)));
        Poll::Ready(piece)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        // A read that is under way cancels by itself.
        if !self.over && self.reading.is_none() && self.id != REQUEST {
            self.wires.emit(Effect::Cancel(self.id));
        }
    }
}
