//! Makes a stream's chunks of one completion.

use std::borrow::Cow;

use bytes::Bytes;

use super::grammar::MESSAGE;
use crate::canonical::Operation;
use crate::contract::failure::ConvertError;
use crate::grammar::scatter::{self, Apart};
use crate::json::{Document, Kind, Value, write};
use crate::payload::{Payload, PayloadError, wrong_type};

/// Unfolds a completion into the data of the events that a stream of it would have, without
/// the terminal `[DONE]`: for each choice its role, its texts, its calls and its end, then the
/// usage with no choices (which a client that did not ask for it must not get, see
/// [`crate::Payload::is_usage_only`]). Fields that are not known here go into the first chunk
/// of the stream or choice, or into the one that ends it.
///
/// # Errors
///
/// When the body is no completion or an error, see [`ConvertError`].
pub fn unfold(operation: Operation, body: &Bytes) -> Result<Vec<Bytes>, ConvertError> {
    // Whatever is read from here on has the type it should have.
    let read = Payload::read_by(operation.into(), body.clone(), super::payload::read)?;
    if read.error().is_some() {
        return Err(ConvertError::Upstream);
    }
    let document = Document::parse(body).map_err(PayloadError::from)?;
    let root = document.root();
    let choices = root.get("choices").into_iter().flat_map(Value::items);
    let mut stream = Stream::new(operation, root);
    for (position, choice) in choices.enumerate() {
        let index = choice.some("index");
        let index = index.map_or_else(|| position.to_string(), |index| index.raw().to_owned());
        match operation {
            Operation::Chat => stream.chat_choice(&index, choice)?,
            _ => stream.completion_choice(&index, choice),
        }
    }
    if stream.chunks.is_empty() {
        return Err(ConvertError::Empty);
    }
    if let Some(usage) = root.some("usage") {
        stream.chunk(|_| {}, |out| write::raw(out, "usage", usage.raw()));
    }
    Ok(stream.chunks)
}

/// Top-level members that every chunk of a stream has.
const REPEATED: [&str; 5] = [
    "id",
    "created",
    "model",
    "system_fingerprint",
    "service_tier",
];

struct Stream {
    /// The members that every chunk begins with.
    head: String,
    /// The members that the first chunk ends with.
    once: String,
    chunks: Vec<Bytes>,
}

impl Stream {
    fn new(operation: Operation, root: Value<'_>) -> Self {
        let mut head = String::new();
        let object = match operation {
            Operation::Chat => "chat.completion.chunk",
            _ => "text_completion",
        };
        write::text(&mut head, "object", object);
        let mut once = String::new();
        for (name, value) in named(root) {
            match name.as_ref() {
                "object" | "choices" | "usage" => {}
                name if REPEATED.contains(&name) => write::raw(&mut head, name, value.raw()),
                name => write::raw(&mut once, name, value.raw()),
            }
        }
        Self {
            head,
            once,
            chunks: Vec::new(),
        }
    }

    /// A chunk of these choices, with members beside them.
    fn chunk(&mut self, choices: impl FnOnce(&mut String), rest: impl FnOnce(&mut String)) {
        let once = std::mem::take(&mut self.once);
        let mut chunk = String::with_capacity(self.head.len() + once.len() + 128);
        write::braces(&mut chunk, |out| {
            out.push_str(&self.head);
            write::list(out, "choices", choices);
            rest(out);
            if !once.is_empty() {
                write::value(out, &once);
            }
        });
        self.chunks.push(chunk.into());
    }

    /// A chunk of one choice: its number, and further members.
    fn choice(&mut self, index: &str, members: impl FnOnce(&mut String)) {
        let choice = |out: &mut String| {
            write::braces(out, |out| {
                write::raw(out, "index", index);
                members(out);
            });
        };
        self.chunk(choice, |_| {});
    }

    fn delta(&mut self, index: &str, logprobs: &str, delta: impl FnOnce(&mut String)) {
        self.choice(index, |out| {
            write::object(out, "delta", delta);
            write::raw(out, "logprobs", logprobs);
            write::raw(out, "finish_reason", "null");
        });
    }

    fn chat_choice(&mut self, index: &str, choice: Value<'_>) -> Result<(), PayloadError> {
        let Some(message) = choice.get("message").filter(|m| m.kind() == Kind::Object) else {
            return Err(wrong_type("choices[].message", "an object", choice));
        };
        let mut logprobs = choice.get("logprobs").map_or("null", Value::raw);
        let mut apart = scatter::apart(message, &MESSAGE, &MESSAGE);
        apart.sort_by_key(|apart| apart.value.span().start);
        self.delta(index, "null", |out| {
            let content = |apart: &Apart<'_>| (apart.name == "content").then_some("\"\"");
            scatter::begin(message, &apart, content, out);
        });
        for Apart { name, value, .. } in apart.iter().filter(|apart| apart.is_text()) {
            let with = if *name == "content" {
                std::mem::replace(&mut logprobs, "null")
            } else {
                "null"
            };
            self.delta(index, with, |out| write::raw(out, name, value.raw()));
        }
        let calls = message.get("tool_calls").into_iter().flat_map(Value::items);
        for (position, call) in (0..).zip(calls) {
            self.delta(index, "null", |out| {
                write::list(out, "tool_calls", |out| {
                    write::braces(out, |out| {
                        write::number(out, "index", position);
                        for (name, value) in named(call).filter(|(name, _)| name != "index") {
                            write::raw(out, &name, value.raw());
                        }
                    });
                });
            });
        }
        if let Some(call) = message.some("function_call") {
            let call = |out: &mut String| write::raw(out, "function_call", call.raw());
            self.delta(index, "null", call);
        }
        self.choice(index, |out| {
            write::object(out, "delta", |_| {});
            write::raw(out, "logprobs", logprobs);
            rest(choice, &["index", "message", "delta", "logprobs"], out);
        });
        Ok(())
    }

    fn completion_choice(&mut self, index: &str, choice: Value<'_>) {
        self.choice(index, |out| {
            write::raw(out, "text", choice.get("text").map_or("\"\"", Value::raw));
            write::raw(
                out,
                "logprobs",
                choice.get("logprobs").map_or("null", Value::raw),
            );
            write::raw(out, "finish_reason", "null");
        });
        self.choice(index, |out| {
            write::text(out, "text", "");
            write::raw(out, "logprobs", "null");
            rest(choice, &["index", "text", "logprobs"], out);
        });
    }
}

/// All of a choice that has not been said.
fn rest(choice: Value<'_>, said: &[&str], out: &mut String) {
    for (name, value) in named(choice).filter(|(name, _)| !said.contains(&name.as_ref())) {
        write::raw(out, &name, value.raw());
    }
}

fn named<'d>(object: Value<'d>) -> impl Iterator<Item = (Cow<'d, str>, Value<'d>)> {
    object
        .members()
        .map(|(key, value)| (key.as_str().unwrap_or_default(), value))
}
