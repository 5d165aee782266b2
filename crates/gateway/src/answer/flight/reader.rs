//! One client's place in a flight.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::{End, Flight, Head, Landing, too_slow};
use crate::error::{ErrorKind, GatewayError};
use crate::memory::no_memory;
use crate::recording::Recording;

/// What a reader gets.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    /// An event.
    Event {
        /// Its place in the stream.
        index: usize,
        /// Its payload.
        data: Bytes,
        /// It carries nothing but usage.
        usage_only: bool,
    },
    /// The end.
    End(Landing),
}

/// One client's place in a flight. Dropping it leaves the flight.
#[derive(Debug)]
pub(crate) struct FlightReader {
    flight: Arc<Flight>,
    id: u32,
    left: bool,
}

impl FlightReader {
    pub(super) fn new(flight: Arc<Flight>, id: u32) -> Self {
        Self {
            flight,
            id,
            left: false,
        }
    }

    /// The flight.
    pub(crate) fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// The bytes of text that this reader has got: its share of what was pushed.
    pub(crate) fn text_bytes(&self) -> u64 {
        let state = self.flight.lock();
        let consumed = state.readers.get(&self.id).map_or(0, |r| r.consumed);
        if state.pushed == 0 {
            // An answer that came whole was never pushed.
            return if state.end.is_some() {
                state.text_bytes
            } else {
                0
            };
        }
        let share = u128::from(state.text_bytes) * u128::from(consumed.min(state.pushed))
            / u128::from(state.pushed);
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    /// What the upstream's beginning told, as soon as it has begun.
    pub(crate) async fn head(&mut self) -> Result<Head, GatewayError> {
        poll_fn(|cx| {
            let mut state = self.flight.lock();
            if let Some(head) = &state.head {
                return Poll::Ready(Ok(head.clone()));
            }
            if let Some(End::Failed(error)) = &state.end {
                return Poll::Ready(Err(error.clone()));
            }
            if state.cancelled {
                return Poll::Ready(Err(abandoned()));
            }
            if let Some(reader) = state.readers.get_mut(&self.id) {
                reader.waker = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// The next event, or the end.
    pub(crate) fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Result<Item, GatewayError>> {
        let mut freed = false;
        let result = {
            let mut guard = self.flight.lock();
            let state = &mut *guard;
            let Some(reader) = state.readers.get_mut(&self.id) else {
                return Poll::Ready(Err(abandoned()));
            };
            if reader.cut {
                return Poll::Ready(Err(too_slow(self.flight.bounds.client_buffer)));
            }
            match state.events.get(reader.cursor - state.base) {
                Some(event) => {
                    let index = reader.cursor;
                    reader.cursor += 1;
                    reader.consumed += event.len() as u64;
                    freed = state.leader.is_some();
                    let item = Item::Event {
                        index,
                        data: event.clone(),
                        usage_only: state.usage_at == Some(index),
                    };
                    if !state.keep {
                        state.trim();
                    }
                    Poll::Ready(Ok(item))
                }
                None => match &state.end {
                    Some(End::Done(landing)) => Poll::Ready(Ok(Item::End(landing.clone()))),
                    Some(End::Failed(error)) => Poll::Ready(Err(error.clone())),
                    None if state.cancelled => Poll::Ready(Err(abandoned())),
                    None => {
                        reader.waker = Some(cx.waker().clone());
                        Poll::Pending
                    }
                },
            }
        };
        if freed {
            self.flight.reader_moved(|_| {});
        }
        result
    }

    /// Waits for the end and gives the whole answer.
    pub(crate) async fn whole(&mut self) -> Result<Arc<Recording>, GatewayError> {
        loop {
            match poll_fn(|cx| self.poll_item(cx)).await? {
                Item::Event { .. } => {}
                Item::End(Landing {
                    recording: Some(recording),
                    ..
                }) => return Ok(recording),
                Item::End(Landing {
                    recording: None, ..
                }) => {
                    if self.flight.lock().gave_up {
                        return Err(no_memory());
                    }
                    let limit = self.flight.bounds.max_recording;
                    return Err(GatewayError::new(
                        ErrorKind::UpstreamInvalid,
                        format!(
                            "the answer came as a stream of more than {limit} bytes (streams.max_recording) and can't be returned as a whole"
                        ),
                    ));
                }
            }
        }
    }

    /// Leaves, but keeps the flight going while the result lives: the client may come back.
    pub(crate) fn linger(mut self) -> Linger {
        self.left = true;
        let id = self.id;
        self.flight.reader_moved(|state| {
            state.lingering += 1;
            state.readers.remove(&id);
        });
        Linger(self.flight.clone())
    }
}

impl Drop for FlightReader {
    fn drop(&mut self) {
        if !self.left {
            let id = self.id;
            self.flight.reader_moved(|state| {
                state.readers.remove(&id);
            });
        }
    }
}

/// Keeps a flight going without a reader.
#[derive(Debug)]
pub(crate) struct Linger(Arc<Flight>);

impl Drop for Linger {
    fn drop(&mut self) {
        self.0
            .reader_moved(|state| state.lingering = state.lingering.saturating_sub(1));
    }
}

fn abandoned() -> GatewayError {
    GatewayError::new(
        ErrorKind::Internal,
        "the answer was abandoned before it could be joined",
    )
}
