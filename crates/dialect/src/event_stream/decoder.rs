//! Reads frames from a stream of bytes that may be cut anywhere.

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;
use bytes::{Buf, Bytes, BytesMut};

use super::{EventStreamError, Frame, header};
use crate::json::write;

/// Takes bytes as they come and gives frames as they are complete.
///
/// A stream ends between two frames: where its end finds the decoder with
/// [`EventStreamDecoder::has_partial`], it was cut.
#[derive(Debug)]
pub struct EventStreamDecoder {
    max_frame: usize,
    buffer: BytesMut,
    failed: bool,
}

/// A frame's first field: its whole length in bytes, big-endian.
const LENGTH_BYTES: usize = 4;
/// A frame without headers and payload: prelude of 12 bytes, checksum of 4.
const SMALLEST: usize = 16;

impl EventStreamDecoder {
    /// A decoder that takes frames of up to `max_frame` bytes, prelude and checksums included.
    /// AWS's own clients take 24 MiB.
    pub fn new(max_frame: usize) -> Self {
        Self {
            max_frame,
            buffer: BytesMut::new(),
            failed: false,
        }
    }

    /// Takes bytes. After an error they are not read.
    pub fn push(&mut self, chunk: Bytes) {
        if self.failed {
            return;
        }
        if self.buffer.is_empty() {
            // Bytes that nobody else holds are taken over without a copy.
            self.buffer = chunk
                .try_into_mut()
                .unwrap_or_else(|chunk| BytesMut::from(&*chunk));
        } else {
            self.buffer.extend_from_slice(&chunk);
        }
    }

    /// Whether all bytes have been given out as frames.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Whether a frame has begun and not ended.
    pub fn has_partial(&self) -> bool {
        !self.buffer.is_empty()
    }

    fn fail(&mut self, error: EventStreamError) -> Option<Result<Frame, EventStreamError>> {
        self.failed = true;
        self.buffer = BytesMut::new();
        Some(Err(error))
    }
}

/// Gives the frames that are complete. None means "push more", not the end of the stream.
/// After an error there is nothing more.
impl Iterator for EventStreamDecoder {
    type Item = Result<Frame, EventStreamError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut length = self.buffer.get(..LENGTH_BYTES)?;
        let bytes = length.get_u32();
        let total = bytes as usize;
        if total > self.max_frame {
            let limit = self.max_frame;
            return self.fail(EventStreamError::TooLong { bytes, limit });
        }
        if total < SMALLEST {
            return self.fail(EventStreamError::Damaged {
                reason: format!(
                    "its length field is {total} bytes, which is not a valid frame length"
                ),
            });
        }
        if self.buffer.len() < total {
            return None;
        }
        let frame = self.buffer.split_to(total).freeze();
        let frame = read_message_from(frame).map_err(|error| EventStreamError::Damaged {
            reason: error.to_string(),
        });
        match frame.and_then(frame_of) {
            Ok(frame) => Some(Ok(frame)),
            Err(error) => self.fail(error),
        }
    }
}

fn frame_of(message: Message) -> Result<Frame, EventStreamError> {
    let required = |header| text(&message, header).ok_or(EventStreamError::NoHeader { header });
    let mut frame = Frame::default();
    match required(header::MESSAGE_TYPE)? {
        "event" => frame.event_type = Some(required(header::EVENT_TYPE)?.to_owned()),
        "exception" => frame.exception = Some(required(header::EXCEPTION_TYPE)?.to_owned()),
        // An error that the service's model does not have: all of it is in the headers.
        "error" => {
            frame.exception = Some(required(header::ERROR_CODE)?.to_owned());
            let said = text(&message, header::ERROR_MESSAGE).unwrap_or_default();
            let mut payload = String::new();
            write::braces(&mut payload, |out| write::text(out, "message", said));
            frame.payload = payload.into();
            return Ok(frame);
        }
        other => {
            let kind = other.chars().take(64).collect();
            return Err(EventStreamError::UnknownType { kind });
        }
    }
    frame.payload = message.payload().clone();
    Ok(frame)
}

fn text<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    let mut headers = message.headers().iter();
    let found = headers.find(|header| header.name().as_str() == name)?;
    found.value().as_string().ok().map(|value| value.as_str())
}
