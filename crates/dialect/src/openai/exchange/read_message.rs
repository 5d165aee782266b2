//! Reads the messages of a chat request.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use super::media::{DRAWN, drawn};
use super::read_part::{marker, part};
use super::reasoning;
use crate::exchange::{Content, Message, Part, Role, Thought, ToolCall, ToolResult};
use crate::fields::{array, field, invalid, list_into, named, need, need_text, said, string};
use crate::json::{Kind, Value};
use crate::request::RequestError;
use crate::signed::{MARK, marked};

/// The messages, and what calls they have made so far.
#[derive(Default)]
pub(super) struct Messages<'d> {
    /// The tool's name of each call, by the call's id.
    names: HashMap<Cow<'d, str>, Cow<'d, str>>,
    /// Calls whose servers gave them no id: those made here that have no result yet, and how many
    /// were made.
    open: VecDeque<Cow<'d, str>>,
    made: usize,
    /// The id made for the last call in the older form, and its name.
    last_function: Option<(Cow<'d, str>, Cow<'d, str>)>,
}

impl<'d> Messages<'d> {
    pub(super) fn read(mut self, value: Value<'d>) -> Result<Vec<Message<'d>>, RequestError> {
        array(value, "messages")?;
        let mut messages = Vec::with_capacity(value.items().count());
        for (position, message) in value.items().enumerate() {
            messages.push(self.message(position, message)?);
        }
        if messages.is_empty() {
            return Err(invalid("messages", "must have at least one message"));
        }
        Ok(messages)
    }

    fn message(&mut self, position: usize, value: Value<'d>) -> Result<Message<'d>, RequestError> {
        let path = || format!("messages[{position}]");
        let found = Found::of(value);
        let role = match found.role {
            Some(role) => role,
            None => need(value, "role", path)?,
        };
        let (role, is_function) = match string(role, || path() + ".role")?.as_ref() {
            "system" => (Role::System, false),
            "developer" => (Role::Developer, false),
            "user" => (Role::User, false),
            "assistant" => (Role::Assistant, false),
            "tool" => (Role::Tool, false),
            "function" => (Role::Tool, true),
            _ => {
                return Err(invalid(
                    &(path() + ".role"),
                    "must be 'system', 'developer', 'user', 'assistant' or 'tool'",
                ));
            }
        };
        let mut message = Message::new(role, Vec::with_capacity(found.parts));
        if role == Role::Assistant && found.has_more {
            reasoning::read(value, &mut message.parts);
        }
        if let Some(content) = found.content {
            content_parts(content, &|| path() + ".content", &mut message.parts)?;
        }
        if role == Role::Assistant {
            told_elsewhere(&mut message.parts, value);
        }
        if found.has_more {
            for (name, value) in named(value) {
                self.member(position, &mut message, &name, value)?;
            }
        }
        if let Some(value) = found.cache
            && let Some(last) = message.parts.last_mut()
        {
            last.cache = Some(marker(value));
        }
        if role == Role::Tool {
            self.result(position, value, is_function, &mut message)?;
        }
        Ok(message)
    }

    fn member(
        &mut self,
        position: usize,
        message: &mut Message<'d>,
        name: &str,
        value: Value<'d>,
    ) -> Result<(), RequestError> {
        let at = || format!("messages[{position}].{name}");
        match (name, message.role) {
            ("role" | "content" | "cache_control", _) | ("tool_call_id", Role::Tool) => {}
            ("name", _) => message.name = Some(string(value, at)?),
            (name, Role::Assistant) if reasoning::MEMBERS.contains(&name) => {}
            ("refusal", Role::Assistant) => {
                let said = string(value, at)?;
                message.parts.push(Part::new(Content::Refusal(said)));
            }
            // OpenAI keeps the sound; what was said in it is there if the client kept the answer.
            ("audio", Role::Assistant) => {
                let spoken = said(value, "transcript").filter(|_| message.parts.is_empty());
                message.parts.extend(spoken.map(Part::text));
                message.extra.push(field(name, value));
            }
            (DRAWN, Role::Assistant) if value.kind() == Kind::Array => {
                let images = drawn(value).map(|media| Part::new(Content::Image(media)));
                message.parts.extend(images);
            }
            ("tool_calls", Role::Assistant) => self.calls(value, &at, message)?,
            ("function_call", Role::Assistant) => {
                let id = format!("call_{position}").into();
                let (call, _) = function(value, id, &at)?;
                self.last_function = Some((call.id.clone(), call.name.clone()));
                message.parts.push(Part::new(Content::ToolCall(call)));
            }
            // Mistral's client says that this is no prefix; OpenAI's adds what it made of the text.
            ("prefix", _) if value.as_bool() == Some(false) => {}
            ("parsed", Role::Assistant) => {}
            // Clients hand back answers with their empty lists.
            _ if value.kind() == Kind::Array && value.items().next().is_none() => {}
            _ => message.extra.push(field(name, value)),
        }
        Ok(())
    }

    fn calls(
        &mut self,
        value: Value<'d>,
        path: &dyn Fn() -> String,
        message: &mut Message<'d>,
    ) -> Result<(), RequestError> {
        array(value, path)?;
        let signed = |part: &Part<'_>| matches!(&part.content, Content::Reasoning(thought) if thought.signature.is_some());
        let told = message.parts.iter().any(signed);
        for (position, call) in value.items().enumerate() {
            if let Some(signature) = signature(call).filter(|_| !told) {
                let thought = Thought::signed(Cow::Borrowed(""), Some(signature));
                message.parts.push(Part::new(thought));
            }
            let id = match said(call, "id").filter(|id| !id.is_empty()) {
                Some(id) => id,
                None => {
                    let id: Cow<'d, str> = format!("call_{}", self.made).into();
                    self.made += 1;
                    self.open.push_back(id.clone());
                    id
                }
            };
            let part = tool_call(call, id, &|| format!("{}[{position}]", path()))?;
            if let Content::ToolCall(call) = &part.content {
                self.names.insert(call.id.clone(), call.name.clone());
            }
            message.parts.push(part);
        }
        Ok(())
    }

    /// Wraps what was read of a tool's message into the result that it is.
    fn result(
        &mut self,
        position: usize,
        value: Value<'d>,
        is_function: bool,
        message: &mut Message<'d>,
    ) -> Result<(), RequestError> {
        let path = || format!("messages[{position}]");
        let told = message.name.take();
        let (call_id, name) = if is_function {
            let last = self.last_function.clone();
            let last = last.filter(|(_, name)| told.as_ref().is_none_or(|told| told == name));
            match last {
                Some((id, name)) => (id, Some(name)),
                None => (format!("call_{position}").into(), told),
            }
        } else {
            let mut id = need_text(value, "tool_call_id", path)?;
            // Where calls have no id, results come in their order.
            if id.is_empty()
                && let Some(open) = self.open.pop_front()
            {
                id = open;
            }
            let name = told.or_else(|| self.names.get(&id).cloned());
            (id, name)
        };
        let parts = std::mem::take(&mut message.parts);
        message.parts = vec![Part::new(Content::ToolResult(ToolResult {
            call_id,
            name,
            parts,
            is_error: false,
        }))];
        Ok(())
    }
}

/// The signature of a call: as Google's own endpoint of this format has it, and as LiteLLM does.
fn signature<'d>(call: Value<'d>) -> Option<Cow<'d, str>> {
    let google = || call.get("extra_content")?.get("google");
    let litellm = |of: Value<'d>| of.get("provider_specific_fields");
    let holders = [
        google(),
        litellm(call),
        call.get("function").and_then(litellm),
    ];
    let held = |holder: Value<'d>| said(holder, "thought_signature");
    let signature = holders.into_iter().flatten().find_map(held);
    let signature = signature.filter(|signature| !signature.is_empty())?;
    Some(match signature.starts_with(MARK) {
        true => signature,
        false => Cow::Owned(marked("google", None, &signature)),
    })
}

/// Leaves out of an assistant's content what stands elsewhere too: LangChain hands back other
/// vendors' calls among the parts of a message that lists them; and Mistral's references to what
/// was cited, which nobody reads back.
fn told_elsewhere(parts: &mut Vec<Part<'_>>, message: Value<'_>) {
    let lists = message.each("tool_calls").next().is_some();
    parts.retain(|part| match &part.content {
        Content::Opaque { kind, .. } => match kind.as_ref() {
            "tool_use" | "function_call" | "tool_call" | "functionCall" => !lists,
            "reference" => false,
            _ => true,
        },
        _ => true,
    });
}

/// The members that nearly every message is made of, found in one pass.
#[derive(Default)]
struct Found<'d> {
    role: Option<Value<'d>>,
    content: Option<Value<'d>>,
    cache: Option<Value<'d>>,
    /// There are others.
    has_more: bool,
    /// How many parts the message may have.
    parts: usize,
}

impl<'d> Found<'d> {
    fn of(message: Value<'d>) -> Self {
        let mut found = Self::default();
        for (name, value) in named(message) {
            match name.as_ref() {
                "role" => found.role = Some(value),
                "content" => found.content = Some(value),
                "cache_control" => found.cache = Some(value),
                "tool_call_id" => {
                    found.has_more |= found.role.is_none_or(|role| !role.is_str("tool"));
                    continue;
                }
                _ => found.has_more = true,
            }
            found.parts += match (name.as_ref(), value.kind()) {
                ("role" | "name" | "cache_control", _) => 0,
                ("content" | "tool_calls" | "thinking_blocks", Kind::Array) => {
                    value.items().count()
                }
                _ => 1,
            };
        }
        found
    }
}

fn content_parts<'d>(
    value: Value<'d>,
    path: &dyn Fn() -> String,
    parts: &mut Vec<Part<'d>>,
) -> Result<(), RequestError> {
    match value.kind() {
        // An empty text is no part of what is said.
        Kind::String => parts.extend(
            value
                .as_str()
                .filter(|text| !text.is_empty())
                .map(Part::text),
        ),
        Kind::Array => list_into(parts, value, path, part)?,
        _ => {
            let expected = "a string or an array of parts";
            return Err(RequestError::wrong_type(path(), expected, value));
        }
    }
    Ok(())
}

fn tool_call<'d>(
    value: Value<'d>,
    id: Cow<'d, str>,
    path: &dyn Fn() -> String,
) -> Result<Part<'d>, RequestError> {
    let kind = match value.some("type") {
        Some(kind) => string(kind, || path() + ".type")?,
        None => Cow::Borrowed("function"),
    };
    let called = need(value, &kind, path)?;
    let at = || format!("{}.{kind}", path());
    let (call, rest) = match kind.as_ref() {
        "function" => function(called, id, &at)?,
        "custom" => (custom(called, id, &at)?, Vec::new()),
        _ => {
            let reason = "must be 'function' or 'custom'";
            return Err(invalid(&(path() + ".type"), reason));
        }
    };
    let mut part = Part::new(Content::ToolCall(call));
    part.extra = rest;
    for (name, value) in named(value) {
        match name.as_ref() {
            "id" | "type" | "index" | "extra_content" => {}
            "cache_control" => part.cache = Some(marker(value)),
            name if name == kind => {}
            name => part.extra.push(field(name, value)),
        }
    }
    Ok(part)
}

/// `{"name", "arguments"}`, and what else there is.
fn function<'d>(
    value: Value<'d>,
    id: Cow<'d, str>,
    path: &dyn Fn() -> String,
) -> Result<(ToolCall<'d>, Vec<crate::canonical::Field>), RequestError> {
    let name = need_text(value, "name", path)?;
    let arguments = match value.some("arguments") {
        // Mistral takes them as an object too.
        Some(object) if object.kind() == Kind::Object => Cow::Borrowed(object.raw()),
        Some(text) => string(text, || path() + ".arguments")?,
        None => Cow::Borrowed(""),
    };
    let arguments = match arguments.trim().is_empty() {
        true => Cow::Borrowed("{}"),
        false => arguments,
    };
    let rest = named(value)
        // OpenAI's client adds what it made of the arguments.
        .filter(|(name, _)| !["name", "arguments", "parsed_arguments"].contains(&name.as_ref()))
        .map(|(name, value)| field(&name, value))
        .collect();
    Ok((ToolCall::function(id, name, arguments), rest))
}

/// `{"name", "input"}`.
fn custom<'d>(
    value: Value<'d>,
    id: Cow<'d, str>,
    path: &dyn Fn() -> String,
) -> Result<ToolCall<'d>, RequestError> {
    Ok(ToolCall {
        id,
        name: need_text(value, "name", path)?,
        arguments: need_text(value, "input", path)?,
        custom: true,
    })
}
