//! An upstream's streamed body, cut into events, whatever frames them.

use bytes::Bytes;
use forebay_dialect::error::{ErrorParts, error_event, read_error};
use forebay_dialect::event_stream::{
    EventStreamDecoder, Frame, chunk_bytes, payload_part, union_json,
};
use forebay_dialect::json::mend_surrogates;
use forebay_dialect::sse::Decoder;
use forebay_dialect::{UpstreamErrorBody, Wire};

use crate::route::Envelope;

/// One event: its name, where it has one, and its data.
pub(crate) struct Event {
    pub(crate) name: Option<String>,
    pub(crate) data: Bytes,
}

/// Takes a body's bytes as they come and gives events as they are complete.
pub(crate) struct Events {
    framing: Envelope,
    wire: Wire,
    /// Server-sent events, or those within SageMaker's pieces.
    sse: Decoder,
    frames: EventStreamDecoder,
}

impl Events {
    /// A reader of a stream of this format that is framed so. No event may be larger than
    /// `limit` bytes.
    pub(crate) fn new(framing: Envelope, wire: Wire, limit: usize) -> Self {
        Self {
            framing,
            wire,
            sse: Decoder::new(limit),
            frames: EventStreamDecoder::new(limit),
        }
    }

    /// Takes bytes.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        match self.framing {
            Envelope::Sse => self.sse.push(bytes),
            Envelope::Frames | Envelope::Chunks | Envelope::Pieces => self.frames.push(bytes),
        }
    }

    /// The next event; an error is final.
    pub(crate) fn next(&mut self) -> Option<Result<Event, String>> {
        let event = self.framed()?;
        Some(event.map(|event| Event {
            data: mend_surrogates(event.data),
            ..event
        }))
    }

    fn framed(&mut self) -> Option<Result<Event, String>> {
        match self.framing {
            Envelope::Sse => self.next_sse(),
            Envelope::Frames => {
                let frame = self.next_frame()?;
                Some(frame.map(|frame| Event::plain(union_json(&frame))))
            }
            Envelope::Chunks => loop {
                match self.next_frame()? {
                    Err(error) => return Some(Err(error)),
                    Ok(frame) if frame.exception.is_some() => {
                        return Some(Ok(self.exception(&frame)));
                    }
                    Ok(frame) => match chunk_bytes(&frame) {
                        Ok(Some(data)) => return Some(Ok(Event::plain(data))),
                        Ok(None) => {}
                        Err(error) => return Some(Err(error.to_string())),
                    },
                }
            },
            Envelope::Pieces => loop {
                if let Some(event) = self.next_sse() {
                    return Some(event);
                }
                match self.next_frame()? {
                    Err(error) => return Some(Err(error)),
                    Ok(frame) if frame.exception.is_some() => {
                        return Some(Ok(self.exception(&frame)));
                    }
                    Ok(frame) => {
                        if let Some(piece) = payload_part(&frame) {
                            self.sse.push(piece);
                        }
                    }
                }
            },
        }
    }

    /// The event that the body ended within, where it is whole but for its blank line.
    pub(crate) fn finish(&mut self) -> Option<Result<Event, String>> {
        match self.framing {
            Envelope::Sse | Envelope::Pieces => {
                self.sse.push(Bytes::from_static(b"\n\n"));
                let event = self.next_sse()?;
                // Half an event is no JSON: the body was cut, and is told as that.
                let whole = |event: &Event| {
                    let data = event.data.as_ref();
                    data == b"[DONE]"
                        || serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok()
                };
                Some(event).filter(|event| event.as_ref().is_ok_and(whole))
            }
            Envelope::Frames | Envelope::Chunks => None,
        }
    }

    /// Why the body can't end here; none where it can.
    pub(crate) fn unfinished(&self) -> Option<String> {
        self.frames
            .has_partial()
            .then(|| "ended its stream in the middle of an event".to_owned())
    }

    fn next_sse(&mut self) -> Option<Result<Event, String>> {
        let event = self.sse.next()?;
        let event = event.map(|event| Event {
            name: event.event,
            data: event.data,
        });
        Some(event.map_err(|error| error.to_string()))
    }

    fn next_frame(&mut self) -> Option<Result<Frame, String>> {
        let frame = self.frames.next()?;
        Some(frame.map_err(|error| error.to_string()))
    }

    /// AWS's own exception around a model's stream, as the error event of the model's format.
    fn exception(&self, frame: &Frame) -> Event {
        let told = read_error(Wire::Converse, &union_json(frame));
        let code = frame.exception.as_deref().unwrap_or_default();
        Event::plain(error_event(
            self.wire,
            &ErrorParts {
                status: told.as_ref().map_or(500, UpstreamErrorBody::status),
                message: told.as_ref().map_or(code, |told| &told.message),
                kind: "",
                param: None,
                code: Some(code),
                sequence: 0,
            },
        ))
    }
}

impl Event {
    fn plain(data: Bytes) -> Self {
        Self { name: None, data }
    }
}
