//! Reads `input`: one text, or items. Items of one speaker that follow each other are one
//! message: here a call is an item of its own, elsewhere a part of what the assistant said.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::answer;
use super::content;
use super::tools;
use crate::contract::failure::TranslateError;
use crate::exchange::{
    ChatRequest, Content, Inexpressible, Message, Part, Role, Thought, Tool, ToolCall, ToolResult,
};
use crate::fields::{self, invalid, missing, object, rest, string};
use crate::fit::join_namespace;
use crate::json::{Kind, Value, write};
use crate::request::RequestError;

pub(super) fn read<'d>(
    input: Value<'d>,
    request: &mut ChatRequest<'d>,
) -> Result<(), TranslateError> {
    let messages = &mut request.messages;
    if let Some(text) = input.as_str() {
        push(messages, Role::User, false).push(Part::text(text));
        return Ok(());
    }
    if input.kind() != Kind::Array {
        let expected = "a string or an array of items";
        return Err(RequestError::wrong_type("input", expected, input).into());
    }
    if input.items().next().is_none() {
        return Err(invalid("input", "must have at least one item").into());
    }
    let mut names = HashMap::new();
    let mut brought = Vec::new();
    for (position, item) in input.items().enumerate() {
        let item = Item { position, item };
        if item.brings_tools() {
            brought.extend(item.tools()?);
        } else {
            item.read(messages, &mut names)?;
        }
    }
    // A search finds what was declared or found before, too.
    let mut known: HashSet<Cow<'d, str>> = request.tools.iter().map(|t| t.name.clone()).collect();
    brought.retain(|tool: &Tool<'d>| known.insert(tool.name.clone()));
    request.tools.extend(brought);
    Ok(())
}

/// The parts of the message to add to: the last one where it goes on, or a new one.
fn push<'m, 'd>(
    messages: &'m mut Vec<Message<'d>>,
    role: Role,
    joins: bool,
) -> &'m mut Vec<Part<'d>> {
    let goes_on = joins && messages.last().is_some_and(|last| last.role == role);
    if !goes_on {
        messages.push(Message::new(role, Vec::new()));
    }
    let at = messages.len() - 1;
    &mut messages[at].parts
}

struct Item<'d> {
    position: usize,
    item: Value<'d>,
}

impl<'d> Item<'d> {
    fn path(&self, rest: &str) -> String {
        format!("input[{}]{rest}", self.position)
    }

    fn text(&self, name: &str) -> Result<Cow<'d, str>, RequestError> {
        let path = || self.path(&format!(".{name}"));
        let value = self.item.some(name);
        let value = value.ok_or_else(|| missing(path))?;
        string(value, path)
    }

    /// Whether it declares tools: Codex tells some models of them there, and some are found by a
    /// search.
    fn brings_tools(&self) -> bool {
        let brings = |kind: &str| self.item.says("type", kind);
        brings("additional_tools") || brings("tool_search_output")
    }

    /// The tools that it declares.
    fn tools(&self) -> Result<Vec<Tool<'d>>, RequestError> {
        let path = || self.path(".tools");
        let list = self.item.some("tools");
        let list = list.ok_or_else(|| missing(path))?;
        fields::list(list, path, tools::read)
    }

    fn read(
        &self,
        messages: &mut Vec<Message<'d>>,
        names: &mut HashMap<Cow<'d, str>, Cow<'d, str>>,
    ) -> Result<(), TranslateError> {
        object(self.item, || self.path(""))?;
        let kind = self.item.some("type");
        let kind = match kind {
            Some(kind) => string(kind, || self.path(".type"))?,
            None if self.item.get("role").is_some() => Cow::Borrowed("message"),
            None if self.item.get("id").is_some() => Cow::Borrowed("item_reference"),
            None => {
                return Err(missing(|| self.path(".type")).into());
            }
        };
        match kind.as_ref() {
            "message" => self.message(messages)?,
            "function_call" | "custom_tool_call" => {
                let custom = kind == "custom_tool_call";
                let call = self.call(custom)?;
                names.insert(call.id.clone(), call.name.clone());
                let known = [
                    "type",
                    "id",
                    "call_id",
                    "name",
                    "namespace",
                    "status",
                    "arguments",
                    "input",
                ];
                let part = Part {
                    extra: rest(self.item, &known),
                    ..Part::new(Content::ToolCall(call))
                };
                push(messages, Role::Assistant, true).push(part);
            }
            "function_call_output" | "custom_tool_call_output" => {
                let part = self.result(names)?;
                push(messages, Role::Tool, true).push(part);
            }
            "reasoning" => {
                let part = Part::new(reasoning(self.item, &|rest| self.path(rest))?);
                push(messages, Role::Assistant, true).push(part);
            }
            "image_generation_call" if answer::drawn(self.item).is_some() => {
                let image = answer::drawn(self.item).map(Part::new);
                push(messages, Role::Assistant, true).extend(image);
            }
            kind if clients_tool(kind).is_some() => {
                self.own_tool(kind, messages, names)?;
            }
            "item_reference" => {
                return Err(Inexpressible::new(
                    self.path(""),
                    "it refers to an item that was kept, and this upstream keeps no state; \
                          send the item itself, and the whole conversation, as 'input'"
                        .to_owned(),
                )
                .into());
            }
            _ => {
                let part = Part::new(Content::Opaque {
                    kind,
                    json: Cow::Borrowed(self.item.raw()),
                });
                push(messages, Role::Assistant, true).push(part);
            }
        }
        Ok(())
    }

    /// A call of a tool that OpenAI defines and the client runs, or its result: a call and a result
    /// like others.
    fn own_tool(
        &self,
        kind: &str,
        messages: &mut Vec<Message<'d>>,
        names: &mut HashMap<Cow<'d, str>, Cow<'d, str>>,
    ) -> Result<(), RequestError> {
        let Some((name, input)) = clients_tool(kind) else {
            return Ok(());
        };
        let call_id = match self.item.some("call_id") {
            Some(_) => self.text("call_id")?,
            None => self.text("id")?,
        };
        if !kind.ends_with("_output") {
            let asked = self.item.some(input).or_else(|| self.item.some("actions"));
            let arguments = match asked {
                Some(asked) if asked.kind() == Kind::Object => Cow::Borrowed(asked.raw()),
                Some(asked) => {
                    Cow::Owned(write::document(|out| write::raw(out, input, asked.raw())))
                }
                None => Cow::Borrowed("{}"),
            };
            names.insert(call_id.clone(), Cow::Borrowed(name));
            let call = ToolCall::function(call_id, name, arguments);
            push(messages, Role::Assistant, true).push(Part::new(Content::ToolCall(call)));
            return Ok(());
        }
        let output = self.item.some("output");
        let output = output.ok_or_else(|| missing(|| self.path(".output")))?;
        let said = match (output.as_str(), output.says("type", "computer_screenshot")) {
            (Some(text), _) => Part::text(text),
            (None, true) => content::screenshot(output, &|| self.path(".output"))?,
            // What a shell printed, command by command.
            (None, false) => Part::text(output.raw()),
        };
        let result = ToolResult {
            name: names.get(&call_id).cloned(),
            call_id,
            parts: vec![said],
            is_error: self.item.says("status", "failed"),
        };
        push(messages, Role::Tool, true).push(Part::new(Content::ToolResult(result)));
        Ok(())
    }

    fn message(&self, messages: &mut Vec<Message<'d>>) -> Result<(), RequestError> {
        let role = match self.text("role")?.as_ref() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            "developer" => Role::Developer,
            _ => {
                let reason = "must be user, assistant, system or developer";
                return Err(invalid(&self.path(".role"), reason));
            }
        };
        let content = self.item.some("content");
        let content = content.ok_or_else(|| missing(|| self.path(".content")))?;
        let extra = rest(self.item, &["type", "id", "status", "role", "content"]);
        let parts = push(messages, role, role == Role::Assistant);
        content::read(content, &|| self.path(".content"), parts)?;
        if let Some(message) = messages.last_mut() {
            message.extra.extend(extra);
        }
        Ok(())
    }

    fn call(&self, custom: bool) -> Result<ToolCall<'d>, RequestError> {
        Ok(ToolCall {
            id: self.text("call_id")?,
            name: join_namespace(self.item.text("namespace").as_deref(), self.text("name")?),
            arguments: self.text(if custom { "input" } else { "arguments" })?,
            custom,
        })
    }

    fn result(
        &self,
        names: &HashMap<Cow<'d, str>, Cow<'d, str>>,
    ) -> Result<Part<'d>, RequestError> {
        let call_id = self.text("call_id")?;
        let output = self.item.some("output");
        let output = output.ok_or_else(|| missing(|| self.path(".output")))?;
        let mut parts = Vec::new();
        content::read(output, &|| self.path(".output"), &mut parts)?;
        let name = names.get(&call_id).cloned();
        let known = ["type", "id", "call_id", "name", "status", "output"];
        Ok(Part {
            extra: rest(self.item, &known),
            ..Part::new(Content::ToolResult(ToolResult {
                call_id,
                name,
                parts,
                is_error: false,
            }))
        })
    }
}

/// The tool that a kind of item calls or answers which OpenAI defines and the client runs, and the
/// member that says what is asked of it.
fn clients_tool(kind: &str) -> Option<(&'static str, &'static str)> {
    let of = kind.strip_suffix("_output").unwrap_or(kind);
    Some(match of {
        "local_shell_call" => ("local_shell", "action"),
        "shell_call" => ("shell", "action"),
        "apply_patch_call" => ("apply_patch", "operation"),
        "computer_call" => ("computer", "action"),
        _ => return None,
    })
}

/// A reasoning item: its text, which stands in `content` where a model tells it and else in
/// `summary`, and its sealed form.
fn reasoning<'d>(
    item: Value<'d>,
    path: &dyn Fn(&str) -> String,
) -> Result<Content<'d>, RequestError> {
    let sealed = match item.some("encrypted_content") {
        Some(sealed) => string(sealed, || path(".encrypted_content"))?,
        None => Cow::Borrowed(""),
    };
    Ok(thought(item, sealed))
}

/// What a reasoning item says.
pub(super) fn thought<'d>(item: Value<'d>, sealed: Cow<'d, str>) -> Content<'d> {
    let (signature, redacted) = super::unseal(sealed);
    Content::Reasoning(Thought {
        text: reasoning_text(item),
        signature,
        redacted,
    })
}

pub(super) fn reasoning_text<'d>(item: Value<'d>) -> Cow<'d, str> {
    let joined = |name: &str, between: &str| {
        let items = item.each(name);
        let texts = items.filter_map(|part| part.text("text"));
        let mut all: Option<Cow<'d, str>> = None;
        for text in texts {
            match &mut all {
                None => all = Some(text),
                Some(all) => {
                    let all = all.to_mut();
                    all.push_str(between);
                    all.push_str(&text);
                }
            }
        }
        all.filter(|text| !text.is_empty())
    };
    joined("content", "")
        .or_else(|| joined("summary", BETWEEN_SUMMARIES))
        .unwrap_or_default()
}

/// What stands between the parts of a summary where they become one text: a blank line.
pub(super) const BETWEEN_SUMMARIES: &str = "\n\n";
