//! What is mended in a body that passes in its own format. Servers and clients write some members
//! otherwise than their format has them, and it is plain what they say: then these members are
//! replaced, and every other byte stays.

use bytes::Bytes;

use crate::contract::context::AnswerContext;
use crate::json::{Splice, Value};

/// Mends of a client's request that can't be read.
pub(crate) type MendRequest = fn(Value<'_>) -> Vec<Splice<'static>>;
/// A whole answer, mended. None where nothing is wrong with it.
pub(crate) type MendAnswer = fn(&Bytes, &AnswerContext) -> Option<Bytes>;

/// Makes what mends a stream.
pub(crate) type StreamMender = fn(&AnswerContext) -> Box<dyn MendStream>;

/// Mends a stream.
pub(crate) trait MendStream: Send + Sync {
    /// An event's data, mended. None where nothing is wrong with it.
    fn event(&mut self, data: &Bytes) -> Option<Bytes>;
}
