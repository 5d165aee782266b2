//! Reads a payload of an answer: which strings are output, which values can't be read as text.
//!
//! A stretch is a content block, under the block's number. What is neither named here nor null
//! counts as unreadable: an upstream's new field must not carry output past a guard.

use bytes::Bytes;

use super::payload_blocks as blocks;
use super::stream_write::{end_block_event, write_member};
use super::{error, names, usage};
use crate::canonical::Channel;
use crate::json::{Kind, Value};
use crate::payload::{Payload, PayloadError, TextDelta, wrong_type};

pub(crate) fn read(payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
    payload.error = error::read_error(root);
    if payload.error.is_some() {
        return Ok(());
    }
    for (key, value) in root.members().filter(|(_, value)| !value.is_null()) {
        let name = key.as_str().unwrap_or_default();
        match name.as_ref() {
            "messageStart" | "contentBlockStart" | "contentBlockDelta" | "contentBlockStop"
            | "messageStop" | "metadata" => event(payload, &name, value)?,
            "output" => output(payload, value)?,
            name => closing(payload, name, value)?,
        }
    }
    Ok(())
}

/// One event of a stream.
fn event(payload: &mut Payload, name: &str, event: Value<'_>) -> Result<(), PayloadError> {
    if event.kind() != Kind::Object {
        return Err(wrong_type(name, "an object", event));
    }
    let index = block_index(event)?;
    // A block's boundary, the role, the end.
    payload.has_structure |= !matches!(name, "contentBlockDelta" | "metadata");
    if name == "contentBlockStop" {
        payload.closed.push(index);
    }
    for (key, value) in event.members().filter(|(_, value)| !value.is_null()) {
        let member = key.as_str().unwrap_or_default();
        match (name, member.as_ref()) {
            (_, "contentBlockIndex") => {}
            ("messageStart", "role") if value.kind() == Kind::String => {}
            ("contentBlockStart", "start") => blocks::start(payload, value),
            ("contentBlockDelta", "delta") => blocks::delta(payload, index, value)?,
            (_, "p") if is_padding(value) => {}
            (_, member) => closing(payload, member, value)?,
        }
    }
    Ok(())
}

/// What stands beside the output, at the end of a stream or in a whole answer.
fn closing(payload: &mut Payload, name: &str, value: Value<'_>) -> Result<(), PayloadError> {
    match name {
        "stopReason" => {
            let Some(reason) = value.as_str() else {
                return Err(wrong_type("stopReason", "a string", value));
            };
            payload.finished.push((0, names::finish_kind(&reason)));
        }
        "usage" => payload.usage = Some(usage::read(value)?),
        "metrics" | "performanceConfig" | "serviceTier" if value.kind() == Kind::Object => {}
        "additionalModelResponseFields" if is_stop_sequence(value) => {}
        // A guardrail's trace repeats the output, and nobody knows what a model's own fields say.
        _ => payload.unreadable.push(value.span()),
    }
    Ok(())
}

/// `{"message":{"role":…,"content":[…]}}`.
fn output(payload: &mut Payload, output: Value<'_>) -> Result<(), PayloadError> {
    payload.has_structure = true;
    let Some(message) = output.get("message").filter(|m| m.kind() == Kind::Object) else {
        return Err(wrong_type("output.message", "an object", output));
    };
    for (key, value) in output.members() {
        if !key.is_str("message") && !value.is_null() {
            payload.unreadable.push(value.span());
        }
    }
    for (key, value) in message.members().filter(|(_, value)| !value.is_null()) {
        match key.as_str().unwrap_or_default().as_ref() {
            "role" if value.kind() == Kind::String => {}
            "content" => {
                if value.kind() != Kind::Array {
                    return Err(wrong_type("output.message.content", "an array", value));
                }
                for (index, block) in (0_u32..).zip(value.items()) {
                    blocks::whole(payload, index, block)?;
                    payload.closed.push(index);
                }
            }
            _ => payload.unreadable.push(value.span()),
        }
    }
    Ok(())
}

fn block_index(event: Value<'_>) -> Result<u32, PayloadError> {
    match event.get("contentBlockIndex").filter(|i| !i.is_null()) {
        None => Ok(0),
        Some(index) => index
            .as_integer()
            .and_then(|index| u32::try_from(index).ok())
            .ok_or_else(|| wrong_type("contentBlockIndex", "an index", index)),
    }
}

/// AWS pads its events with the beginning of one fixed text, so that their lengths tell nothing.
/// Only that text is let pass.
fn is_padding(value: Value<'_>) -> bool {
    const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    value
        .as_str()
        .is_some_and(|text| PADDING.starts_with(text.as_ref()))
}

/// Nothing but the client's own stop sequence.
fn is_stop_sequence(value: Value<'_>) -> bool {
    let known = |(key, value): (Value<'_>, Value<'_>)| {
        key.is_str("stop_sequence") && matches!(value.kind(), Kind::String | Kind::Null)
    };
    value.kind() == Kind::Object && value.members().all(known)
}

/// A text of a block.
pub(super) fn text(
    payload: &mut Payload,
    stretch: u32,
    channel: Channel,
    value: Value<'_>,
    path: &str,
) -> Result<(), PayloadError> {
    let Some(text) = value.as_str() else {
        return Err(wrong_type(path, "a string", value));
    };
    payload.texts.push(TextDelta {
        choice: stretch,
        channel,
        text: text.into_owned(),
        span: value.span(),
        twin: None,
        raw: false,
    });
    Ok(())
}

/// Deltas of the blocks that the texts belong to. Converse has no refusals: theirs is text.
pub(crate) fn synthesise(_payload: &Payload, texts: &[(u32, Channel, String)]) -> Vec<Bytes> {
    let mut joined: Vec<(u32, Channel, String)> = Vec::new();
    for (block, channel, text) in texts.iter().filter(|(_, channel, _)| !channel.is_label()) {
        let known = joined
            .iter_mut()
            .find(|(of, on, _)| (*of, *on) == (*block, *channel));
        match known {
            Some((.., before)) => before.push_str(text),
            None => joined.push((*block, *channel, text.clone())),
        }
    }
    let mut out = Vec::with_capacity(joined.len());
    for (block, channel, said) in joined {
        let path: &[&str] = match channel {
            Channel::Reasoning => &["reasoningContent", "text"],
            Channel::ToolArguments(_) => &["toolUse", "input"],
            _ => &["text"],
        };
        let mut text = String::from("{\"contentBlockDelta\":{\"delta\":");
        write_member(path, &said, &mut text);
        end_block_event(text, block, &mut out);
    }
    out
}
