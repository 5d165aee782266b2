//! Reads a payload of an answer by the format's table, and writes the deltas that a guard lets
//! go later.
//!
//! A stretch is a content block. What is quoted in a citation is a stretch of its own.

use bytes::Bytes;

use super::error;
use super::grammar::{EVENT, MESSAGE};
use super::stream_write::{INPUT, TEXT, THINKING, text_delta};
use crate::canonical::Channel;
use crate::fields::name_of;
use crate::grammar::WHOLE;
use crate::grammar::payload::read as read_by;
use crate::json::Value;
use crate::payload::{Payload, PayloadError};

pub(crate) fn read(payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
    let kind = root.text("type");
    if matches!(kind.as_deref(), None | Some("error" | "")) {
        payload.error = error::read_error(root);
        if payload.error.is_some() {
            return Ok(());
        }
    }
    let is_message = kind.is_none() && root.get("content").is_some();
    let table = if is_message { &MESSAGE } else { &EVENT };
    read_by(payload, table, name_of, 0, root).map(|_| ())
}

/// Deltas of the same blocks that carry these texts.
pub(crate) fn synthesise(_payload: &Payload, texts: &[(u32, Channel, String)]) -> Vec<Bytes> {
    texts
        .iter()
        .filter(|(stretch, channel, _)| *stretch < WHOLE && !channel.is_label())
        .map(|(stretch, channel, text)| {
            let begin = match channel {
                Channel::Reasoning => THINKING,
                Channel::ToolArguments(_) => INPUT,
                _ => TEXT,
            };
            text_delta(*stretch, begin, text)
        })
        .collect()
}
