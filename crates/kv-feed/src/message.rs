//! A message as it comes from the socket: topic, sequence number, batch.

use bytes::Bytes;
use forebay_prefix_index::{Batch, EventError};

/// Why a message can't be used.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Other frames than topic, sequence number and batch.
    #[error("a message has {0} frames, not 3")]
    Frames(usize),
    /// The sequence number is not eight bytes.
    #[error("a sequence number has {0} bytes, not 8")]
    Number(usize),
    /// The batch does not decode.
    #[error(transparent)]
    Batch(#[from] EventError),
}

/// One batch and its place in the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Counts from 0.
    pub number: u64,
    /// What changed.
    pub batch: Batch,
}

impl Message {
    /// Decodes a message's three frames.
    ///
    /// # Errors
    /// [`MessageError`] if they are others.
    pub fn decode(frames: &[Bytes]) -> Result<Self, MessageError> {
        let [_topic, number, batch] = frames else {
            return Err(MessageError::Frames(frames.len()));
        };
        let number: [u8; 8] = number[..]
            .try_into()
            .map_err(|_| MessageError::Number(number.len()))?;
        Ok(Self {
            number: u64::from_be_bytes(number),
            batch: Batch::decode(batch)?,
        })
    }
}
