//! AWS event-stream frames: how Bedrock and SageMaker cut a stream into events, and how such a
//! frame and an event's JSON stand for one another.
//!
//! A frame is a prelude, headers, a payload and two checksums; `aws-smithy-eventstream` reads
//! and writes it. Here an event is known by its *union* form, `{"contentBlockDelta":{…}}`: the
//! event's type and, as it came, its payload.

mod carried;
mod decoder;
mod encoder;

use bytes::Bytes;

pub use carried::{chunk_bytes, payload_part};
pub use decoder::EventStreamDecoder;
pub use encoder::{encode_chunk, encode_event, union_json};

/// The headers that say what a frame is (AWS's event-stream specification, as smithy-rs and
/// botocore read them).
pub(crate) mod header {
    pub(crate) const MESSAGE_TYPE: &str = ":message-type";
    pub(crate) const EVENT_TYPE: &str = ":event-type";
    pub(crate) const EXCEPTION_TYPE: &str = ":exception-type";
    pub(crate) const CONTENT_TYPE: &str = ":content-type";
    pub(crate) const ERROR_CODE: &str = ":error-code";
    pub(crate) const ERROR_MESSAGE: &str = ":error-message";
}

/// One frame: an event or an exception.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// The event's type, such as `contentBlockDelta`; none for an exception.
    pub event_type: Option<String>,
    /// The exception's type, such as `throttlingException`, or an error's code; none for an event.
    pub exception: Option<String>,
    /// What it carries, as it came. Of an error without a model it is `{"message":…}`.
    pub payload: Bytes,
}

/// Says how long the payload is, never what it says.
impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame")
            .field("event_type", &self.event_type)
            .field("exception", &self.exception)
            .field("payload_bytes", &self.payload.len())
            .finish()
    }
}

/// Why frames can't be read or written. Never contains a payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventStreamError {
    /// A frame says that it is longer than is taken.
    #[error("a frame of the event stream is {bytes} bytes long, over the limit of {limit} bytes")]
    TooLong {
        /// What it says.
        bytes: u32,
        /// The limit that the decoder was made with.
        limit: usize,
    },
    /// A checksum, a length or a header is wrong.
    #[error("a frame of the event stream is damaged: {reason}")]
    Damaged {
        /// What is wrong, with figures.
        reason: String,
    },
    /// A header that every frame of its type has is absent or no string.
    #[error("a frame of the event stream has no '{header}' header that is a string")]
    NoHeader {
        /// The header.
        header: &'static str,
    },
    /// A frame is neither an event nor an exception nor an error.
    #[error("a frame of the event stream has the unknown message type '{kind}'")]
    UnknownType {
        /// Its `:message-type`, at most 64 characters of it.
        kind: String,
    },
    /// What is to be framed is not an object with one member that is an object.
    #[error("an event does not have the form {{\"type\": {{…}}}}")]
    NotAUnion,
    /// A `chunk` does not carry base64.
    #[error("a 'chunk' frame of the event stream has no 'bytes' that is base64")]
    NotAChunk,
    /// A frame can't be written.
    #[error("an event can't be framed: {reason}")]
    Unwritable {
        /// What is over which limit.
        reason: String,
    },
}
