//! Reads content blocks of answers, whole and in pieces, for guards.

use super::payload::text;
use crate::canonical::Channel;
use crate::json::{Kind, Value};
use crate::payload::{Payload, PayloadError, TextDelta, wrong_type};

/// What begins: a call, with its id and name.
pub(super) fn start(payload: &mut Payload, start: Value<'_>) {
    for (key, value) in start.members().filter(|(_, value)| !value.is_null()) {
        match key.as_str().unwrap_or_default().as_ref() {
            "toolUse" => {
                payload.has_tool_calls = true;
                names(payload, value);
            }
            "toolResult" => names(payload, value),
            _ => payload.unreadable.push(value.span()),
        }
    }
}

/// Short strings that shape the answer.
fn names(payload: &mut Payload, of: Value<'_>) {
    for (key, value) in of.members().filter(|(_, value)| !value.is_null()) {
        let known = ["toolUseId", "name", "type", "status"];
        if value.kind() != Kind::String || !known.iter().any(|name| key.is_str(name)) {
            payload.unreadable.push(value.span());
        }
    }
}

/// A piece of a block.
pub(super) fn delta(
    payload: &mut Payload,
    block: u32,
    delta: Value<'_>,
) -> Result<(), PayloadError> {
    for (key, value) in delta.members().filter(|(_, value)| !value.is_null()) {
        match key.as_str().unwrap_or_default().as_ref() {
            "text" => text(payload, block, Channel::Content, value, "delta.text")?,
            "toolUse" => {
                payload.has_tool_calls = true;
                let channel = Channel::ToolArguments(block);
                for (key, value) in value.members().filter(|(_, value)| !value.is_null()) {
                    if key.is_str("input") {
                        text(payload, block, channel, value, "delta.toolUse.input")?;
                    } else {
                        payload.unreadable.push(value.span());
                    }
                }
            }
            "reasoningContent" => reasoning(payload, block, value)?,
            // A citation quotes what it cites.
            _ => payload.unreadable.push(value.span()),
        }
    }
    Ok(())
}

/// A whole block.
pub(super) fn whole(
    payload: &mut Payload,
    block: u32,
    value: Value<'_>,
) -> Result<(), PayloadError> {
    if value.kind() != Kind::Object {
        let path = format!("output.message.content[{block}]");
        return Err(wrong_type(path, "an object", value));
    }
    for (key, value) in value.members().filter(|(_, value)| !value.is_null()) {
        match key.as_str().unwrap_or_default().as_ref() {
            "text" => text(payload, block, Channel::Content, value, "content[].text")?,
            "toolUse" => call(payload, block, value),
            "reasoningContent" => {
                for (key, value) in value.members().filter(|(_, value)| !value.is_null()) {
                    if key.is_str("reasoningText") {
                        reasoning(payload, block, value)?;
                    } else {
                        payload.unreadable.push(value.span());
                    }
                }
            }
            "citationsContent" => cited(payload, block, value)?,
            _ => payload.unreadable.push(value.span()),
        }
    }
    Ok(())
}

/// `text` and `signature`, of a whole block and of a piece alike. Hidden reasoning is unreadable.
fn reasoning(payload: &mut Payload, block: u32, value: Value<'_>) -> Result<(), PayloadError> {
    for (key, value) in value.members().filter(|(_, value)| !value.is_null()) {
        match key.as_str().unwrap_or_default().as_ref() {
            "text" => text(payload, block, Channel::Reasoning, value, "reasoning.text")?,
            // Without it the provider takes the reasoning back no more.
            "signature" if value.kind() == Kind::String => payload.has_structure = true,
            _ => payload.unreadable.push(value.span()),
        }
    }
    Ok(())
}

/// A call's input is JSON; its text is as it stands. A string is what was none.
fn call(payload: &mut Payload, block: u32, value: Value<'_>) {
    payload.has_tool_calls = true;
    let Some(input) = value.get("input").filter(|input| !input.is_null()) else {
        return names(payload, value);
    };
    let told = input.as_str();
    payload.texts.push(TextDelta {
        choice: block,
        channel: Channel::ToolArguments(block),
        raw: told.is_none(),
        text: told.map_or_else(|| input.raw().to_owned(), Into::into),
        span: input.span(),
        twin: None,
    });
    for (key, value) in value.members().filter(|(_, value)| !value.is_null()) {
        let known = ["toolUseId", "name", "type", "input"];
        let is_plain = value.kind() == Kind::String || key.is_str("input");
        if !is_plain || !known.iter().any(|name| key.is_str(name)) {
            payload.unreadable.push(value.span());
        }
    }
}

/// The texts of a block with sources are one stretch; the sources quote what they cite.
fn cited(payload: &mut Payload, block: u32, value: Value<'_>) -> Result<(), PayloadError> {
    for (key, value) in value.members().filter(|(_, value)| !value.is_null()) {
        if !key.is_str("content") || value.kind() != Kind::Array {
            payload.unreadable.push(value.span());
            continue;
        }
        for (key, value) in value.items().flat_map(Value::members) {
            if key.is_str("text") {
                let path = "citationsContent.content[].text";
                text(payload, block, Channel::Content, value, path)?;
            } else if !value.is_null() {
                payload.unreadable.push(value.span());
            }
        }
    }
    Ok(())
}
