//! An upstream's streamed body, cut into events, whatever frames them.

use bytes::Bytes;
use forebay_dialect::sse::Decoder;

use super::Framing;

/// One event: its name, where it has one, and its data.
pub(crate) struct Event {
    pub(crate) name: Option<String>,
    pub(crate) data: Bytes,
}

/// Takes a body's bytes as they come and gives events as they are complete.
pub(crate) struct Events {
    sse: Decoder,
}

impl Events {
    /// A reader of a stream that is framed so. No event may be larger than `limit` bytes.
    pub(crate) fn new(framing: Framing, limit: usize) -> Self {
        let _ = framing;
        Self {
            sse: Decoder::new(limit),
        }
    }

    /// Takes bytes.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.sse.push(bytes);
    }

    /// The next event; an error is final.
    pub(crate) fn next(&mut self) -> Option<Result<Event, String>> {
        let event = self.sse.next()?;
        Some(
            event
                .map(|event| Event {
                    name: event.event,
                    data: event.data,
                })
                .map_err(|error| error.to_string()),
        )
    }

    /// Why the body can't end here; none where it can.
    pub(crate) fn unfinished(&self) -> Option<String> {
        None
    }
}
