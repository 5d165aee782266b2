//! Reads a payload of an answer: which strings are output, which values can't be read as text.

use bytes::Bytes;

use crate::canonical::Channel;
use crate::json::Value;
use crate::payload::{Payload, PayloadError, wrong_type};

pub(crate) fn read(_payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
    Err(wrong_type("payload", "a format that is spoken here", root))
}

pub(crate) fn synthesise(_payload: &Payload, _texts: &[(u32, Channel, String)]) -> Vec<Bytes> {
    Vec::new()
}
