//! Reads the choices of a payload: which strings are output text, and which values may hold
//! output that can't be read as text.
//!
//! What is neither on these lists nor null counts as unreadable: an upstream's new field must
//! not carry output past a guard.

use crate::canonical::{Channel, FinishKind};
use crate::json::{Kind, Value};
use crate::payload::{Payload, PayloadError, TextDelta, wrong_type};
use crate::wire::Wire;

/// Reads the choices, and gives how many there are.
pub(super) fn read(payload: &mut Payload, choices: Value<'_>) -> Result<usize, PayloadError> {
    let mut count = 0;
    if choices.kind() != Kind::Array {
        return Err(wrong_type("choices", "an array", choices));
    }
    for (position, choice) in choices.items().enumerate() {
        let path = || format!("choices[{position}]");
        if choice.kind() != Kind::Object {
            return Err(wrong_type(path(), "an object", choice));
        }
        let index = index_of(choice, position, &path)?;
        Reader {
            payload,
            choice: index,
            path: &path,
        }
        .choice(choice)?;
        count += 1;
    }
    Ok(count)
}

/// The `index` of a choice or call, or else its position.
fn index_of(
    of: Value<'_>,
    position: usize,
    path: &dyn Fn() -> String,
) -> Result<u32, PayloadError> {
    match of.get("index").filter(|index| !index.is_null()) {
        None => Ok(position as u32),
        Some(index) => index
            .as_integer()
            .and_then(|index| u32::try_from(index).ok())
            .ok_or_else(|| wrong_type(path() + ".index", "an index", index)),
    }
}

struct Reader<'p> {
    payload: &'p mut Payload,
    choice: u32,
    path: &'p dyn Fn() -> String,
}

impl Reader<'_> {
    fn choice(&mut self, choice: Value<'_>) -> Result<(), PayloadError> {
        for (key, value) in choice.members().filter(|(_, value)| !value.is_null()) {
            let name = key.as_str().unwrap_or_default();
            match (name.as_ref(), self.payload.wire) {
                ("delta" | "message", Wire::Chat) => self.message(&name, value)?,
                ("text", Wire::Completions) => {
                    self.text(Channel::Content, value, || ".text".to_owned())?;
                }
                ("finish_reason", _) => {
                    let Some(reason) = value.as_str() else {
                        return Err(self.wrong_type(".finish_reason", "a string", value));
                    };
                    self.payload
                        .finished
                        .push((self.choice, finish_kind(&reason)));
                }
                // vLLM's `stop_reason` is the stop sequence or token id that the client named.
                ("index", _) => {}
                ("stop_reason", _) if matches!(value.kind(), Kind::String | Kind::Number) => {}
                _ => self.unreadable(value),
            }
        }
        Ok(())
    }

    fn message(&mut self, form: &str, message: Value<'_>) -> Result<(), PayloadError> {
        if message.kind() != Kind::Object {
            return Err(self.wrong_type(&format!(".{form}"), "an object", message));
        }
        for (key, value) in message.members() {
            let name = key.as_str().unwrap_or_default();
            let at = |rest: &str| format!(".{form}.{rest}");
            if let Some(name) = REASONING.into_iter().find(|reasoning| *reasoning == name) {
                self.payload.reasoning_name.get_or_insert(name);
            }
            if value.is_null() {
                continue;
            }
            match name.as_ref() {
                "role" => self.structure(value),
                "content" => self.text(Channel::Content, value, || at("content"))?,
                "reasoning" | "reasoning_content" => {
                    self.text(Channel::Reasoning, value, || at(&name))?;
                }
                "refusal" => self.text(Channel::Refusal, value, || at("refusal"))?,
                "tool_calls" => {
                    if value.kind() != Kind::Array {
                        return Err(self.wrong_type(&at("tool_calls"), "an array", value));
                    }
                    for (position, call) in value.items().enumerate() {
                        self.call(position, call, &|| at(&format!("tool_calls[{position}]")))?;
                    }
                }
                "function_call" => {
                    self.payload.has_tool_calls = true;
                    self.function(Channel::ToolArguments(0), value, &|| at("function_call"))?;
                }
                _ => self.unreadable(value),
            }
        }
        Ok(())
    }

    fn call(
        &mut self,
        position: usize,
        call: Value<'_>,
        path: &dyn Fn() -> String,
    ) -> Result<(), PayloadError> {
        if call.kind() != Kind::Object {
            return Err(self.wrong_type(&path(), "an object", call));
        }
        self.payload.has_tool_calls = true;
        let index = index_of(call, position, &|| (self.path)() + &path())?;
        let channel = Channel::ToolArguments(index);
        for (key, value) in call.members().filter(|(_, value)| !value.is_null()) {
            let name = key.as_str().unwrap_or_default();
            match name.as_ref() {
                "index" => {}
                "id" | "type" => self.structure(value),
                "function" | "custom" => {
                    self.function(channel, value, &|| format!("{}.{name}", path()))?;
                }
                _ => self.unreadable(value),
            }
        }
        Ok(())
    }

    /// What is called: `arguments` of a function, `input` of a custom tool.
    fn function(
        &mut self,
        channel: Channel,
        function: Value<'_>,
        path: &dyn Fn() -> String,
    ) -> Result<(), PayloadError> {
        if function.kind() != Kind::Object {
            return Err(self.wrong_type(&path(), "an object", function));
        }
        for (key, value) in function.members().filter(|(_, value)| !value.is_null()) {
            let name = key.as_str().unwrap_or_default();
            match name.as_ref() {
                "name" => self.structure(value),
                "arguments" | "input" => {
                    self.text(channel, value, || format!("{}.{name}", path()))?;
                }
                _ => self.unreadable(value),
            }
        }
        Ok(())
    }

    fn text(
        &mut self,
        channel: Channel,
        value: Value<'_>,
        path: impl Fn() -> String,
    ) -> Result<(), PayloadError> {
        let Some(text) = value.as_str() else {
            // Some servers send lists of parts; nothing here reads those.
            if matches!(value.kind(), Kind::Array | Kind::Object) {
                self.unreadable(value);
                return Ok(());
            }
            return Err(self.wrong_type(&path(), "a string", value));
        };
        let choice = self.choice;
        let twin = self.payload.texts.iter_mut().find(|earlier| {
            channel == Channel::Reasoning
                && (earlier.choice, earlier.channel) == (choice, channel)
                && earlier.text == text
                && earlier.twin.is_none()
        });
        match twin {
            Some(earlier) => earlier.twin = Some(value.span()),
            None => self.payload.texts.push(TextDelta {
                choice,
                channel,
                text: text.into_owned(),
                span: value.span(),
                twin: None,
                raw: false,
            }),
        }
        Ok(())
    }

    /// A short string that shapes the answer, such as a tool's name; else unreadable.
    fn structure(&mut self, value: Value<'_>) {
        if value.kind() == Kind::String {
            // Some servers send empty ids and names with every fragment.
            self.payload.has_structure |= !value.is_str("");
        } else {
            self.unreadable(value);
        }
    }

    fn unreadable(&mut self, value: Value<'_>) {
        self.payload.unreadable.push(value.span());
    }

    fn wrong_type(&self, rest: &str, expected: &'static str, found: Value<'_>) -> PayloadError {
        wrong_type((self.path)() + rest, expected, found)
    }
}

/// The names under which servers send reasoning, the more widely read one last.
const REASONING: [&str; 2] = ["reasoning", "reasoning_content"];

fn finish_kind(reason: &str) -> FinishKind {
    match reason {
        "stop" => FinishKind::Stop,
        "length" => FinishKind::Length,
        "tool_calls" | "function_call" => FinishKind::ToolCalls,
        "content_filter" => FinishKind::Refused,
        other => FinishKind::Other(other.to_owned()),
    }
}
