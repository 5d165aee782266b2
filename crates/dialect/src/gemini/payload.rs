//! Reads a payload of an answer: which strings are output, which values can't be read as text.
//!
//! What is not on these lists counts as unreadable: Google's next field must not carry output
//! past a guard.

use bytes::Bytes;

use super::candidate::{finish_kind, index, is_blocked, reason, usage, write_head};
use super::emit::text_part;
use super::error::read_error;
use super::names::{each, name_of};
use crate::canonical::{Channel, FinishKind};
use crate::json::write::{item, name};
use crate::json::{Kind, Value};
use crate::payload::{Payload, PayloadError, TextDelta, wrong_type};

/// The first stretch of those that are whole in one payload: a call's arguments, executed code
/// and its output. Google never sends these in pieces, so each is opened and closed at once.
const WHOLE: u32 = 1 << 31;

pub(crate) fn read(payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
    payload.error = read_error(root);
    payload.usage = usage(root);
    let mut reader = Reader {
        payload,
        choice: 0,
        whole: WHOLE,
        calls: 0,
    };
    let mut candidates = 0;
    for (key, value) in root.members().filter(|(_, value)| !value.is_null()) {
        match name_of(key).as_ref() {
            "candidates" => {
                for (position, candidate) in each(value).enumerate() {
                    reader.candidate(position, candidate)?;
                    candidates += 1;
                }
            }
            "modelVersion" if value.kind() == Kind::String => {
                reader.payload.model = value.as_str().map(Into::into);
            }
            "responseId" if value.kind() == Kind::String => {
                reader.payload.id = value.as_str().map(Into::into);
            }
            "createTime" if value.kind() == Kind::String => {}
            "error" | "usageMetadata" | "promptFeedback" if value.kind() == Kind::Object => {}
            _ => reader.payload.unreadable.push(value.span()),
        }
    }
    if candidates == 0 && is_blocked(root) {
        payload.finished.push((0, FinishKind::Refused));
        payload.closed.push(0);
    }
    Ok(())
}

struct Reader<'p> {
    payload: &'p mut Payload,
    choice: u32,
    /// The next stretch for what is whole.
    whole: u32,
    /// Calls of this candidate so far.
    calls: u32,
}

impl Reader<'_> {
    fn candidate(&mut self, position: usize, candidate: Value<'_>) -> Result<(), PayloadError> {
        let path = |rest: &str| format!("candidates[{position}]{rest}");
        if candidate.kind() != Kind::Object {
            return Err(wrong_type(path(""), "an object", candidate));
        }
        self.choice = index(candidate).min(WHOLE - 1);
        self.calls = 0;
        for (key, value) in candidate.members().filter(|(_, value)| !value.is_null()) {
            match name_of(key).as_ref() {
                "content" => self.content(value, &path)?,
                "finishReason" if value.kind() == Kind::String => {}
                "index" | "tokenCount" | "avgLogprobs" if value.kind() == Kind::Number => {}
                "safetyRatings" if value.kind() == Kind::Array => {}
                // Among them log probabilities, sources, and messages that quote broken calls.
                _ => self.payload.unreadable.push(value.span()),
            }
        }
        if let Some(reason) = reason(candidate) {
            let kind = finish_kind(&reason, self.calls > 0);
            self.payload.finished.push((self.choice, kind));
            self.payload.closed.push(self.choice);
        }
        Ok(())
    }

    fn content(
        &mut self,
        content: Value<'_>,
        path: &dyn Fn(&str) -> String,
    ) -> Result<(), PayloadError> {
        if content.kind() != Kind::Object {
            return Err(wrong_type(path(".content"), "an object", content));
        }
        for (key, value) in content.members().filter(|(_, value)| !value.is_null()) {
            match name_of(key).as_ref() {
                "role" if value.kind() == Kind::String => {}
                "parts" => {
                    for (position, part) in each(value).enumerate() {
                        self.part(part, &|rest| {
                            path(&format!(".content.parts[{position}]{rest}"))
                        })?;
                    }
                }
                _ => self.payload.unreadable.push(value.span()),
            }
        }
        Ok(())
    }

    fn part(&mut self, part: Value<'_>, path: &dyn Fn(&str) -> String) -> Result<(), PayloadError> {
        if part.kind() != Kind::Object {
            return Err(wrong_type(path(""), "an object", part));
        }
        let thought = part.get("thought").and_then(Value::as_bool) == Some(true);
        for (key, value) in part.members().filter(|(_, value)| !value.is_null()) {
            match name_of(key).as_ref() {
                "text" => {
                    let channel = match thought {
                        true => Channel::Reasoning,
                        false => Channel::Content,
                    };
                    let Some(text) = value.as_str() else {
                        return Err(wrong_type(path(".text"), "a string", value));
                    };
                    self.text(self.choice, channel, text.into_owned(), value, false);
                }
                "thought" if value.kind() == Kind::Bool => {}
                // Encrypted by Google, and needed in the next turn.
                "thoughtSignature" if value.kind() == Kind::String => {
                    self.payload.has_structure = true;
                }
                "functionCall" => self.call(value, path)?,
                "executableCode" => self.code(value, "code", "language"),
                "codeExecutionResult" => self.code(value, "output", "outcome"),
                _ => self.payload.unreadable.push(value.span()),
            }
        }
        Ok(())
    }

    fn call(&mut self, call: Value<'_>, path: &dyn Fn(&str) -> String) -> Result<(), PayloadError> {
        if call.kind() != Kind::Object {
            return Err(wrong_type(path(".functionCall"), "an object", call));
        }
        self.payload.has_tool_calls = true;
        self.payload.has_structure = true;
        let channel = Channel::ToolArguments(self.calls);
        self.calls += 1;
        for (key, value) in call.members().filter(|(_, value)| !value.is_null()) {
            match name_of(key).as_ref() {
                "id" | "name" if value.kind() == Kind::String => {}
                "willContinue" if value.kind() == Kind::Bool => {}
                "args" if value.kind() == Kind::Object => {
                    self.whole(channel, value.raw().to_owned(), value, true);
                }
                // Among them pieces of arguments by their paths (Vertex AI's `partialArgs`).
                _ => self.payload.unreadable.push(value.span()),
            }
        }
        Ok(())
    }

    /// Code that Google's servers ran, or what it gave: `text` is output, `word` a constant.
    fn code(&mut self, code: Value<'_>, text: &str, word: &str) {
        self.payload.has_structure = true;
        if code.kind() != Kind::Object {
            self.payload.unreadable.push(code.span());
            return;
        }
        for (key, value) in code.members().filter(|(_, value)| !value.is_null()) {
            let name = name_of(key);
            match value.as_str() {
                Some(said) if name == text => {
                    self.whole(Channel::Content, said.into_owned(), value, false);
                }
                Some(_) if name == word || name == "id" => {}
                _ => self.payload.unreadable.push(value.span()),
            }
        }
    }

    fn whole(&mut self, channel: Channel, text: String, value: Value<'_>, raw: bool) {
        let stretch = self.whole;
        self.whole += 1;
        self.text(stretch, channel, text, value, raw);
        self.payload.closed.push(stretch);
    }

    fn text(&mut self, stretch: u32, channel: Channel, text: String, value: Value<'_>, raw: bool) {
        self.payload.texts.push(TextDelta {
            choice: stretch,
            channel,
            text,
            span: value.span(),
            twin: None,
            raw,
        });
    }
}

/// An event of the same stream that carries these texts and nothing else. What is whole in its
/// own payload has nothing left to carry.
pub(crate) fn synthesise(payload: &Payload, texts: &[(u32, Channel, String)]) -> Vec<Bytes> {
    let mut choices: Vec<u32> = Vec::new();
    let carried = |choice: u32, channel: Channel| {
        choice < WHOLE && !channel.is_label() && !matches!(channel, Channel::ToolArguments(_))
    };
    for (choice, channel, _) in texts {
        if carried(*choice, *channel) && !choices.contains(choice) {
            choices.push(*choice);
        }
    }
    if choices.is_empty() {
        return Vec::new();
    }
    let mut out = String::from("{\"candidates\":[");
    for choice in choices {
        item(&mut out);
        out.push('{');
        name(&mut out, "content");
        out.push_str("{\"role\":\"model\",\"parts\":[");
        let mut written: Vec<Channel> = Vec::new();
        for (of, channel, _) in texts {
            if *of != choice || !carried(choice, *channel) || written.contains(channel) {
                continue;
            }
            written.push(*channel);
            let of_channel =
                |(of, other, _): &&(u32, Channel, String)| (*of, *other) == (choice, *channel);
            let joined: String = texts
                .iter()
                .filter(of_channel)
                .map(|(_, _, text)| text.as_str())
                .collect();
            text_part(&mut out, &joined, *channel == Channel::Reasoning, None);
        }
        out.push_str(&format!("]}},\"index\":{choice}}}"));
    }
    out.push(']');
    let (id, model) = (payload.id(), payload.model());
    write_head(
        id.unwrap_or_default(),
        model.unwrap_or_default(),
        None,
        &mut out,
    );
    out.push('}');
    vec![out.into()]
}
