//! Reads `systemInstruction` and `contents` into messages: who speaks, which result answers
//! which call, where signatures go.

use std::borrow::Cow;

use super::names::{each, get, named, text};
use super::view::View;
use crate::exchange::{Content, Message, Part, Role, Thought, ToolCall, ToolResult};
use crate::fields::{field, given, invalid, missing, object, string};
use crate::json::{Kind, Value};
use crate::request::RequestError;

/// A call that has been read: its id, its name, whether the client gave the id, whether a
/// result has come.
struct Called<'d> {
    id: Cow<'d, str>,
    name: Cow<'d, str>,
    given: bool,
    answered: bool,
}

/// Messages as they are read.
#[derive(Default)]
pub(super) struct Contents<'d> {
    messages: Vec<Message<'d>>,
    calls: Vec<Called<'d>>,
    /// The first call of the model's last turn.
    turn: usize,
}

/// How many calls back a result's call is looked for. Google wants results right after their
/// calls; without a bound a long list of either would cost its square.
pub(super) const RECENT_CALLS: usize = 1024;

impl<'d> Contents<'d> {
    pub(super) fn instruction(&mut self, value: Value<'d>) -> Result<(), RequestError> {
        object(value, "systemInstruction")?;
        let mut message = Message::new(Role::System, Vec::new());
        let parts = get(value, "parts").into_iter().flat_map(each);
        for (number, part) in parts.enumerate() {
            let path = |rest: &str| format!("systemInstruction.parts[{number}]{rest}");
            self.part(part, &path, &mut message.parts)?;
        }
        self.messages.insert(0, message);
        Ok(())
    }

    pub(super) fn read(&mut self, contents: Value<'d>) -> Result<(), RequestError> {
        if !matches!(contents.kind(), Kind::Array | Kind::Object) {
            return Err(RequestError::wrong_type("contents", "an array", contents));
        }
        for (position, content) in each(contents).enumerate() {
            self.content(position, content)?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Vec<Message<'d>>, RequestError> {
        if self
            .messages
            .iter()
            .all(|message| message.role == Role::System)
        {
            return Err(missing("contents"));
        }
        Ok(self.messages)
    }

    fn content(&mut self, position: usize, content: Value<'d>) -> Result<(), RequestError> {
        object(content, || format!("contents[{position}]"))?;
        let path = |rest: &str| format!("contents[{position}]{rest}");
        let role = match get(content, "role") {
            Some(role) => string(role, || path(".role"))?,
            None => Cow::Borrowed("user"),
        };
        let role = match role.as_ref() {
            "model" => Role::Assistant,
            "user" | "function" => Role::User,
            _ => return Err(invalid(&path(".role"), "must be user or model")),
        };
        let goes_on = self
            .messages
            .last()
            .is_some_and(|m| m.role == Role::Assistant);
        if role == Role::Assistant && !goes_on {
            self.turn = self.calls.len();
        }
        let mut spoken = Message::new(role, Vec::new());
        let mut results = Message::new(Role::Tool, Vec::new());
        for (name, value) in named(content) {
            if !matches!(name.as_ref(), "role" | "parts") {
                spoken.extra.push(field(&name, value));
            }
        }
        let parts = get(content, "parts").into_iter().flat_map(each);
        for (number, part) in parts.enumerate() {
            let path = |rest: &str| format!("contents[{position}].parts[{number}]{rest}");
            match get(part, "functionResponse") {
                Some(response) => results.parts.push(self.result(response, &path)?),
                None => self.part(part, &path, &mut spoken.parts)?,
            }
        }
        let only_results = !results.parts.is_empty() && spoken.parts.is_empty();
        if !results.parts.is_empty() {
            self.messages.push(results);
        }
        if !only_results {
            self.messages.push(spoken);
        }
        Ok(())
    }

    fn part(
        &mut self,
        part: Value<'d>,
        path: &dyn Fn(&str) -> String,
        parts: &mut Vec<Part<'d>>,
    ) -> Result<(), RequestError> {
        object(part, || path(""))?;
        let mut view = View::of(part);
        let signature = view.signature.take();
        if let Some(said) = view.text {
            let said = string(said, || path(".text"))?;
            if view.thought {
                parts.push(with_extra(Thought::signed(said, signature), view));
                return Ok(());
            }
            sign(parts, signature.clone());
            // An empty text beside a signature is nothing but its carrier.
            if !said.is_empty() || signature.is_none() {
                parts.push(with_extra(Content::text(said), view));
            }
            return Ok(());
        }
        sign(parts, signature.clone());
        if let Some(call) = view.call {
            let call = self.call(call, path)?;
            parts.push(with_extra(Content::ToolCall(call), view));
        } else if view.inline.is_some() || view.file.is_some() {
            let found = view.media();
            parts.push(with_extra(
                found.ok_or_else(|| no_media(&view, path))?,
                view,
            ));
        } else if let Some((kind, _)) = view.other.take() {
            let json = Cow::Borrowed(part.raw());
            parts.push(Part::new(Content::Opaque { kind, json }));
        } else if signature.is_none() {
            return Err(invalid(&path(""), "holds nothing that is known"));
        }
        Ok(())
    }

    fn call(
        &mut self,
        call: Value<'d>,
        path: &dyn Fn(&str) -> String,
    ) -> Result<ToolCall<'d>, RequestError> {
        object(call, || path(".functionCall"))?;
        if let Some(args) = get(call, "args") {
            object(args, || path(".functionCall.args"))?;
        }
        let name = text(call, "name");
        if name.is_empty() {
            return Err(missing(|| path(".functionCall.name")));
        }
        let id = text(call, "id");
        let told = !id.is_empty();
        let id = match told {
            true => id,
            false => Cow::Owned(format!("call_{}", self.calls.len())),
        };
        self.calls.push(Called {
            id: id.clone(),
            name: name.clone(),
            given: told,
            answered: false,
        });
        Ok(ToolCall::function(id, name, given(get(call, "args"))))
    }

    /// The call that a result belongs to: that of its id, or else the last turn's first of its
    /// name that has no result yet.
    fn answered(&mut self, id: &str, name: &str) -> Option<&mut Called<'d>> {
        let mut recent = self.calls.iter().rev().take(RECENT_CALLS);
        let by_id = recent.position(|call| call.given && call.id == id);
        let at = match by_id {
            Some(back) => self.calls.len() - 1 - back,
            None => {
                let open = self.calls.iter().enumerate().skip(self.turn);
                let mut open = open.take(RECENT_CALLS);
                open.find(|(_, call)| !call.answered && call.name == name)?
                    .0
            }
        };
        self.calls.get_mut(at)
    }

    fn result(
        &mut self,
        response: Value<'d>,
        path: &dyn Fn(&str) -> String,
    ) -> Result<Part<'d>, RequestError> {
        object(response, || path(".functionResponse"))?;
        let (id, name) = (text(response, "id"), text(response, "name"));
        let call = self.answered(&id, &name).ok_or_else(|| {
            let reason = "is the result of a call that no content before it makes";
            invalid(&path(".functionResponse"), reason)
        })?;
        call.answered = true;
        let (call_id, called) = (call.id.clone(), call.name.clone());
        let mut extra = Vec::new();
        for (name, value) in named(response) {
            if !matches!(name.as_ref(), "id" | "name" | "response" | "parts") {
                extra.push(field(&format!("functionResponse.{name}"), value));
            }
        }
        let (mut parts, is_error) = match get(response, "response") {
            Some(said) => said_by_tool(said),
            None => (Vec::new(), false),
        };
        let media = get(response, "parts").into_iter().flat_map(each);
        for (number, part) in media.enumerate() {
            let path = |rest: &str| path(&format!(".functionResponse.parts[{number}]{rest}"));
            let view = View::of(part);
            let found = view.media();
            parts.push(with_extra(
                found.ok_or_else(|| no_media(&view, &path))?,
                view,
            ));
        }
        let result = Content::ToolResult(ToolResult {
            call_id,
            name: Some(called),
            parts,
            is_error,
        });
        Ok(Part {
            content: result,
            cache: None,
            extra,
        })
    }
}

fn with_extra<'d>(content: Content<'d>, view: View<'d>) -> Part<'d> {
    Part {
        content,
        cache: None,
        extra: view.extra,
    }
}

fn no_media(view: &View<'_>, path: &dyn Fn(&str) -> String) -> RequestError {
    let param = match view.inline {
        Some(_) => path(".inlineData.data"),
        None => path(".fileData.fileUri"),
    };
    missing(&param)
}

/// A signature belongs to the thoughts before the part that carries it; without any they are
/// hidden. Google's SDKs and other gateways read it so too.
pub(super) fn sign<'d>(parts: &mut Vec<Part<'d>>, given: Option<Cow<'d, str>>) {
    let Some(given) = given else {
        return;
    };
    match parts.last_mut().map(|part| &mut part.content) {
        Some(Content::Reasoning(of)) if of.signature.is_none() => of.signature = Some(given),
        _ => parts.push(Part::new(Thought::signed(Cow::Borrowed(""), Some(given)))),
    }
}

/// What a tool said, and whether it failed. Google's words for it are `output` and `error`;
/// anything else is taken as a whole.
fn said_by_tool<'d>(said: Value<'d>) -> (Vec<Part<'d>>, bool) {
    let mut members = said.members();
    let (only, is_error) = match (members.next(), members.next()) {
        (Some((key, value)), None) if key.is_str("output") || key.is_str("result") => {
            (value, false)
        }
        (Some((key, value)), None) if key.is_str("error") => (value, true),
        _ => (said, false),
    };
    let told = only.as_str().unwrap_or(Cow::Borrowed(only.raw()));
    match told.is_empty() {
        true => (Vec::new(), is_error),
        false => (vec![Part::text(told)], is_error),
    }
}
