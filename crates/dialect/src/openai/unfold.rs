//! Makes a stream's chunks of one completion.

use std::borrow::Cow;

use bytes::Bytes;

use crate::canonical::Operation;
use crate::contract::failure::ConvertError;
use crate::json::{Document, Kind, Value, json_string};
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
        let index = choice.get("index").filter(|index| !index.is_null());
        let index = index.map_or_else(|| position.to_string(), |index| index.raw().to_owned());
        match operation {
            Operation::Chat => stream.chat_choice(&index, choice)?,
            _ => stream.completion_choice(&index, choice),
        }
    }
    if stream.chunks.is_empty() {
        return Err(ConvertError::Empty);
    }
    if let Some(usage) = root.get("usage").filter(|usage| !usage.is_null()) {
        let usage = format!(",\"usage\":{}", usage.raw());
        stream.chunk("", &usage);
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
/// A message's texts, each of which becomes a chunk of its own.
const TEXTS: [&str; 4] = ["reasoning_content", "reasoning", "content", "refusal"];

struct Stream {
    /// The members that every chunk begins with.
    head: String,
    /// The members that the first chunk ends with, each with a comma ahead.
    once: String,
    chunks: Vec<Bytes>,
}

impl Stream {
    fn new(operation: Operation, root: Value<'_>) -> Self {
        let mut head = match operation {
            Operation::Chat => "\"object\":\"chat.completion.chunk\"".to_owned(),
            _ => "\"object\":\"text_completion\"".to_owned(),
        };
        let mut once = String::new();
        for (name, value) in named(root) {
            match name.as_ref() {
                "object" | "choices" | "usage" => {}
                name if REPEATED.contains(&name) => head.push_str(&member(name, value)),
                name => once.push_str(&member(name, value)),
            }
        }
        Self {
            head,
            once,
            chunks: Vec::new(),
        }
    }

    fn chunk(&mut self, choices: &str, rest: &str) {
        let once = std::mem::take(&mut self.once);
        let chunk = format!("{{{},\"choices\":[{choices}]{rest}{once}}}", self.head);
        self.chunks.push(chunk.into());
    }

    fn delta(&mut self, index: &str, delta: &str, logprobs: &str) {
        let choice = format!(
            "{{\"index\":{index},\"delta\":{{{delta}}},\"logprobs\":{logprobs},\"finish_reason\":null}}"
        );
        self.chunk(&choice, "");
    }

    fn chat_choice(&mut self, index: &str, choice: Value<'_>) -> Result<(), PayloadError> {
        let Some(message) = choice.get("message").filter(|m| m.kind() == Kind::Object) else {
            return Err(wrong_type("choices[].message", "an object", choice));
        };
        let mut logprobs = choice.get("logprobs").map_or("null", Value::raw);
        self.delta(index, &opening(message), "null");
        for (name, value) in named(message) {
            if !TEXTS.contains(&name.as_ref()) || value.is_null() || value.is_str("") {
                continue;
            }
            let with = if name == "content" {
                std::mem::replace(&mut logprobs, "null")
            } else {
                "null"
            };
            self.delta(index, &first_member(&name, value), with);
        }
        let calls = message.get("tool_calls").into_iter().flat_map(Value::items);
        for (position, call) in calls.enumerate() {
            let mut members = format!("\"index\":{position}");
            for (name, value) in named(call).filter(|(name, _)| name != "index") {
                members.push_str(&member(&name, value));
            }
            self.delta(index, &format!("\"tool_calls\":[{{{members}}}]"), "null");
        }
        if let Some(call) = message.get("function_call").filter(|call| !call.is_null()) {
            self.delta(index, &first_member("function_call", call), "null");
        }
        self.end(
            format!("{{\"index\":{index},\"delta\":{{}},\"logprobs\":{logprobs}"),
            choice,
            &["index", "message", "delta", "logprobs"],
        );
        Ok(())
    }

    fn completion_choice(&mut self, index: &str, choice: Value<'_>) {
        let text = choice.get("text").map_or("\"\"", Value::raw);
        let logprobs = choice.get("logprobs").map_or("null", Value::raw);
        let chunk = format!(
            "{{\"index\":{index},\"text\":{text},\"logprobs\":{logprobs},\"finish_reason\":null}}"
        );
        self.chunk(&chunk, "");
        self.end(
            format!("{{\"index\":{index},\"text\":\"\",\"logprobs\":null"),
            choice,
            &["index", "text", "logprobs"],
        );
    }

    /// The chunk that ends a choice, with all of the choice that has not been said.
    fn end(&mut self, beginning: String, choice: Value<'_>, said: &[&str]) {
        let mut end = beginning;
        for (name, value) in named(choice).filter(|(name, _)| !said.contains(&name.as_ref())) {
            end.push_str(&member(&name, value));
        }
        end.push('}');
        self.chunk(&end, "");
    }
}

/// The members of a message's first delta: all but what follows in chunks of its own.
fn opening(message: Value<'_>) -> String {
    let mut opening = String::new();
    for (name, value) in named(message) {
        let member = match name.as_ref() {
            "content" if !value.is_null() => ",\"content\":\"\"".to_owned(),
            "tool_calls" if value.items().next().is_some() => continue,
            "function_call" if !value.is_null() => continue,
            text if TEXTS.contains(&text) && !value.is_null() && !value.is_str("") => continue,
            name => member(name, value),
        };
        opening.push_str(&member);
    }
    opening.trim_start_matches(',').to_owned()
}

fn named<'d>(object: Value<'d>) -> impl Iterator<Item = (Cow<'d, str>, Value<'d>)> {
    object
        .members()
        .map(|(key, value)| (key.as_str().unwrap_or_default(), value))
}

fn first_member(name: &str, value: Value<'_>) -> String {
    format!("{}:{}", json_string(name), value.raw())
}

/// A member with a comma ahead.
fn member(name: &str, value: Value<'_>) -> String {
    format!(",{}:{}", json_string(name), value.raw())
}
