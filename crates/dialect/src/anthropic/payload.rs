//! Reads a payload of an answer: which strings are output, which values can't be read as text.
//!
//! A stretch is a content block. What is quoted in a citation is a stretch of its own.

use std::borrow::Cow;

use bytes::Bytes;

use super::stream_write::{INPUT, TEXT, THINKING, text_delta};
use super::usage::Counts;
use super::{error, names};
use crate::canonical::{Channel, Usage};
use crate::json::{Kind, Value};
use crate::payload::{Payload, PayloadError, TextDelta, wrong_type};

/// From here on stretches are texts that come whole, beside any block.
const WHOLE: u32 = 1 << 31;
/// What a message says of itself that can't hold output.
const ABOUT: [&str; 8] = [
    "type",
    "role",
    "stop_sequence",
    "stop_details",
    "container",
    "context_management",
    "diagnostics",
    "request_id",
];
/// Strings that name and point in blocks.
const POINTERS: [&str; 5] = ["type", "id", "name", "tool_use_id", "toolset_name"];

pub(crate) fn read(payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
    let kind = root.get("type").and_then(Value::as_str);
    let kind = match kind.as_deref() {
        Some(kind) => kind,
        None if root.get("content").is_some() => "message",
        None => "",
    };
    if matches!(kind, "error" | "") {
        payload.error = error::read_error(root);
    }
    payload.terminal = kind == "message_stop";
    let mut reader = Reader { payload, quoted: 0 };
    if kind == "message" {
        return reader.message(root);
    }
    let index = match root.get("index") {
        None => 0,
        Some(index) => index
            .as_integer()
            .and_then(|index| u32::try_from(index).ok())
            .filter(|index| *index < WHOLE)
            .ok_or_else(|| wrong_type("index", "a block's index", index))?,
    };
    for (key, value) in root.members().filter(|(_, value)| !value.is_null()) {
        match (kind, key.as_str().unwrap_or_default().as_ref()) {
            (_, "type") if value.kind() == Kind::String => {}
            (_, "index") => {}
            ("message_start", "message") => {
                reader.payload.has_structure = true;
                reader.message(value)?;
            }
            ("content_block_start", "content_block") => reader.block(index, value, true)?,
            ("content_block_delta", "delta") => reader.delta(index, value)?,
            ("message_delta", "delta") => {
                for (key, value) in object("delta", value)?.members() {
                    reader.about(&key.as_str().unwrap_or_default(), value)?;
                }
            }
            (_, "usage") => reader.about("usage", value)?,
            // The count of a prompt's tokens, and what becomes of old context.
            ("", "input_tokens") | (_, "context_management") => {}
            ("error" | "", _) if reader.payload.error.is_some() => {}
            _ => reader.unreadable(value),
        }
    }
    if kind == "content_block_stop" {
        payload.closed.push(index);
        payload.has_structure = true;
    }
    Ok(())
}

fn object<'d>(path: &str, value: Value<'d>) -> Result<Value<'d>, PayloadError> {
    if value.kind() == Kind::Object {
        Ok(value)
    } else {
        Err(wrong_type(path, "an object", value))
    }
}

fn kind_of(value: Value<'_>) -> Cow<'_, str> {
    let kind = value.get("type").and_then(Value::as_str);
    kind.unwrap_or_default()
}

struct Reader<'p> {
    payload: &'p mut Payload,
    quoted: u32,
}

impl Reader<'_> {
    fn message(&mut self, message: Value<'_>) -> Result<(), PayloadError> {
        for (key, value) in object("message", message)?.members() {
            let name = key.as_str().unwrap_or_default();
            if name != "content" || value.is_null() {
                self.about(&name, value)?;
                continue;
            }
            if value.kind() != Kind::Array {
                return Err(wrong_type("content", "an array", value));
            }
            for (index, block) in (0..WHOLE).zip(value.items()) {
                self.block(index, block, false)?;
                self.payload.closed.push(index);
            }
        }
        Ok(())
    }

    /// A field of a message that is not its content.
    fn about(&mut self, name: &str, value: Value<'_>) -> Result<(), PayloadError> {
        if value.is_null() {
            return Ok(());
        }
        let text = value.as_str();
        match (name, text) {
            ("usage", _) => {
                let mut counts = Counts::default();
                counts.take(value)?;
                // The format demands counts also of who has not counted.
                let usage = counts.usage();
                self.payload.usage = Some(usage).filter(|usage| *usage != Usage::default());
            }
            ("id", Some(id)) => self.payload.id = Some(id.into_owned()),
            ("model", Some(model)) => self.payload.model = Some(model.into_owned()),
            ("stop_reason", Some(reason)) => {
                self.payload.finished.push((0, names::finish_kind(&reason)));
            }
            ("stop_reason", None) => return Err(wrong_type("stop_reason", "a string", value)),
            _ if ABOUT.contains(&name) => {}
            _ => self.unreadable(value),
        }
        Ok(())
    }

    /// A block: whole, or as a stream begins it.
    fn block(&mut self, index: u32, block: Value<'_>, begins: bool) -> Result<(), PayloadError> {
        let kind = kind_of(object("content_block", block)?);
        let is_call = matches!(kind.as_ref(), "tool_use" | "server_tool_use");
        self.payload.has_structure = true;
        self.payload.has_tool_calls |= is_call;
        for (key, value) in block.members().filter(|(_, value)| !value.is_null()) {
            let name = key.as_str().unwrap_or_default();
            match (kind.as_ref(), name.as_ref()) {
                ("text", "text") => self.text(index, Channel::Content, value, "text")?,
                ("text", "citations") if value.kind() == Kind::Array => {
                    value.items().for_each(|citation| self.citation(citation));
                }
                ("thinking", "thinking") => {
                    self.text(index, Channel::Reasoning, value, "thinking")?;
                }
                (_, "input") if is_call && value.kind() == Kind::Object => {
                    // A stream begins with nothing here and sends the arguments in pieces.
                    if !begins || value.members().next().is_some() {
                        let text = value.raw().to_owned();
                        self.push(index, Channel::ToolArguments(index), text, value, true);
                    }
                }
                (_, "caller") if is_call => {}
                // Encrypted, and a conversation can't go on without them.
                ("thinking", "signature") | ("redacted_thinking", "data")
                    if value.kind() == Kind::String => {}
                (_, name) if POINTERS.contains(&name) && value.kind() == Kind::String => {}
                _ => self.unreadable(value),
            }
        }
        Ok(())
    }

    fn delta(&mut self, index: u32, delta: Value<'_>) -> Result<(), PayloadError> {
        let kind = kind_of(object("delta", delta)?);
        for (key, value) in delta.members().filter(|(_, value)| !value.is_null()) {
            let name = key.as_str().unwrap_or_default();
            match (kind.as_ref(), name.as_ref()) {
                (_, "type") => {}
                ("text_delta", "text") => self.text(index, Channel::Content, value, "text")?,
                ("thinking_delta", "thinking") => {
                    self.text(index, Channel::Reasoning, value, "thinking")?;
                }
                ("input_json_delta", "partial_json") => {
                    self.payload.has_tool_calls = true;
                    let channel = Channel::ToolArguments(index);
                    self.text(index, channel, value, "partial_json")?;
                }
                ("signature_delta", "signature") if value.kind() == Kind::String => {
                    self.payload.has_structure = true;
                }
                ("citations_delta", "citation") if value.kind() == Kind::Object => {
                    self.payload.has_structure = true;
                    self.citation(value);
                }
                _ => self.unreadable(value),
            }
        }
        Ok(())
    }

    /// Every text of a citation is a stretch of its own, complete at once.
    fn citation(&mut self, citation: Value<'_>) {
        for (key, value) in citation.members().filter(|(_, value)| !value.is_null()) {
            let name = key.as_str().unwrap_or_default();
            match (name.as_ref(), value.as_str()) {
                ("type" | "encrypted_index" | "file_id", Some(_)) => {}
                ("cited_text" | "document_title" | "title" | "source" | "url", Some(text)) => {
                    let stretch = WHOLE + self.quoted;
                    self.quoted += 1;
                    self.push(stretch, Channel::Content, text.into_owned(), value, false);
                    self.payload.closed.push(stretch);
                }
                (_, None) if value.kind() == Kind::Number => {}
                _ => self.unreadable(value),
            }
        }
    }

    fn text(
        &mut self,
        stretch: u32,
        channel: Channel,
        value: Value<'_>,
        name: &str,
    ) -> Result<(), PayloadError> {
        let text = value.as_str();
        let text = text.ok_or_else(|| wrong_type(name, "a string", value))?;
        self.push(stretch, channel, text.into_owned(), value, false);
        Ok(())
    }

    fn push(&mut self, choice: u32, channel: Channel, text: String, value: Value<'_>, raw: bool) {
        self.payload.texts.push(TextDelta {
            choice,
            channel,
            text,
            span: value.span(),
            twin: None,
            raw,
        });
    }

    fn unreadable(&mut self, value: Value<'_>) {
        self.payload.unreadable.push(value.span());
    }
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
