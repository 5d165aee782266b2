//! Reads a payload of an answer by the format's table, and writes the deltas that a guard lets
//! go later.
//!
//! A stretch is a content block, under the block's number.

use bytes::Bytes;

use super::error;
use super::grammar::ANSWER;
use super::stream_write::{INPUT, TEXT, THOUGHT, text_delta};
use crate::canonical::Channel;
use crate::fields::name_of;
use crate::grammar::payload::read as read_by;
use crate::json::Value;
use crate::payload::{Payload, PayloadError, by_stretch, wrong_type};

pub(crate) fn read(payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
    payload.error = error::read_error(root);
    if payload.error.is_some() {
        return Ok(());
    }
    let output = root.some("output");
    match output {
        Some(output) if output.get("message").is_none_or(Value::is_null) => {
            Err(wrong_type("output.message", "an object", output))
        }
        _ => read_by(payload, &ANSWER, name_of, 0, root).map(|_| ()),
    }
}

/// Deltas of the blocks that the texts belong to. Converse has no refusals: theirs is text.
pub(crate) fn synthesise(_payload: &Payload, texts: &[(u32, Channel, String)]) -> Vec<Bytes> {
    let told = texts.iter().filter(|(_, channel, _)| !channel.is_label());
    let mut out = Vec::new();
    for (block, texts) in by_stretch(told) {
        out.extend(texts.iter().map(|(channel, said)| {
            let path = match channel {
                Channel::Reasoning => THOUGHT,
                Channel::ToolArguments(_) => INPUT,
                _ => TEXT,
            };
            text_delta(block, path, said)
        }));
    }
    out
}
