//! Writes `systemInstruction` and `contents`.

use std::borrow::Cow;

use super::base64;
use super::contents::RECENT_CALLS;
use super::emit::{SIGNATURE, call_arguments, call_part, content, text_part};
use super::view::{NO_SIGNATURE, is_about};
use super::write_generation::is_third_generation;
use super::write_media::{At, inexpressible, write_media};
use crate::canonical::Field;
use crate::exchange::{
    ChatRequest, Content, Inexpressible, Losses, Message, Part, Role, ToolResult,
};
use crate::json::write;

/// Parts that only Google has.
const OWN: [&str; 4] = [
    "codeExecutionResult",
    "executableCode",
    "toolCall",
    "toolResponse",
];

/// Why a field is lost.
const NO_FIELD: &str = "Gemini has no such field";

pub(super) struct Contents<'w> {
    lost: &'w mut Losses,
    /// The target wants a signature with each step's first call.
    wants_signatures: bool,
}

impl<'w> Contents<'w> {
    pub(super) fn new(lost: &'w mut Losses, model: &str) -> Self {
        Self {
            lost,
            wants_signatures: is_third_generation(model),
        }
    }

    /// What the operator says, wherever in the conversation it stands.
    pub(super) fn instruction(&mut self, request: &ChatRequest<'_>, out: &mut String) {
        let start = out.len();
        let said = write::object(out, "systemInstruction", |out| {
            write::list(out, "parts", |out| {
                self.instructions(request, out);
                !out.ends_with('[')
            })
        });
        if !said {
            out.truncate(start);
        }
    }

    fn instructions(&mut self, request: &ChatRequest<'_>, out: &mut String) {
        let mut leads = true;
        for (position, message) in request.messages.iter().enumerate() {
            if !is_operator(message) {
                leads = false;
                continue;
            }
            if !leads {
                let why = "Gemini's instructions stand before the conversation, so it went there";
                self.lost.push(format!("messages[{position}].role"), why);
            }
            self.about(position, message);
            for (number, part) in message.parts.iter().enumerate() {
                let at = At(position, number);
                self.cache(part, at);
                match &part.content {
                    Content::Text { text, .. } if text.is_empty() => {}
                    Content::Text { text, .. } => text_part(out, text, false, None),
                    _ => self.lose(at, "Gemini's instructions are nothing but text"),
                }
            }
        }
    }

    pub(super) fn write(
        &mut self,
        request: &ChatRequest<'_>,
        out: &mut String,
    ) -> Result<(), Inexpressible> {
        let mut calls = Vec::new();
        let mut messages: Vec<_> = request.messages.iter().enumerate().collect();
        messages.retain(|(position, message)| {
            if is_operator(message) {
                return false;
            }
            self.about(*position, message);
            !message.parts.is_empty()
        });
        // The results of one turn's calls must stand in one content.
        let joins = |(_, one): &(_, &Message<'_>), (_, other): &(_, &Message<'_>)| {
            one.role == Role::Tool && other.role == Role::Tool
        };
        write::list(out, "contents", |out| {
            for turn in messages.chunk_by(joins) {
                let start = out.len();
                let model = turn.iter().any(|(_, m)| m.role == Role::Assistant);
                let said = content(out, model, |out| {
                    for (position, message) in turn {
                        match message.role {
                            Role::Tool => self.results(*position, message, &calls, out)?,
                            _ => self.spoken(*position, message, &mut calls, out)?,
                        }
                    }
                    Ok(!out.ends_with('['))
                })?;
                if !said {
                    out.truncate(start);
                }
            }
            match out.ends_with('[') {
                true => Err(inexpressible(
                    "messages",
                    "Gemini needs a message besides the system instruction",
                )),
                false => Ok(()),
            }
        })
    }

    fn spoken<'m>(
        &mut self,
        position: usize,
        message: &'m Message<'_>,
        calls: &mut Vec<(&'m str, &'m str)>,
        out: &mut String,
    ) -> Result<(), Inexpressible> {
        let mut pending: Option<&str> = None;
        let mut called = false;
        for (number, part) in message.parts.iter().enumerate() {
            let at = At(position, number);
            self.cache(part, at);
            match &part.content {
                Content::Text { text, .. } | Content::Refusal(text) => {
                    if !text.is_empty() {
                        text_part(out, text, false, pending.take());
                    }
                }
                Content::Reasoning(of) => {
                    if let Some(unused) = pending.take() {
                        text_part(out, "", false, Some(unused));
                    }
                    if !of.text.is_empty() {
                        text_part(out, &of.text, true, None);
                    }
                    pending = self.signature(of.signature.as_deref(), at);
                    if of.redacted.is_some() {
                        let param = format!("{at}.redacted");
                        let why = "Gemini can't read another's hidden reasoning";
                        self.lost.push(param, why);
                    }
                    continue;
                }
                Content::ToolCall(call) => {
                    let arguments = call_arguments(&call.arguments).filter(|_| !call.custom);
                    let arguments = arguments.ok_or_else(|| {
                        let param = format!("{at}.arguments");
                        inexpressible(&param, "Gemini's calls have an object of arguments")
                    })?;
                    let stand_in = (self.wants_signatures && !called).then_some(NO_SIGNATURE);
                    called = true;
                    let signature = pending.take().or(stand_in);
                    call_part(out, &call.id, &call.name, arguments, signature);
                    calls.push((&call.id, &call.name));
                }
                content if let Some(media) = content.media() => {
                    write::braces(out, |out| {
                        write_media(media, at, self.lost, out)?;
                        self.extra(&part.extra, at, out);
                        write::text_if(out, SIGNATURE, pending.take());
                        Ok(())
                    })?;
                    continue;
                }
                Content::Opaque { kind, json } if OWN.contains(&kind.as_ref()) => {
                    write::value(out, json);
                }
                Content::Opaque { .. } => self.lose(at, "Gemini has no part of this type"),
                _ => {
                    return Err(inexpressible(&at.to_string(), "is not a tool message"));
                }
            }
            self.extra_lost(&part.extra, at);
        }
        if let Some(unused) = pending {
            text_part(out, "", false, Some(unused));
        }
        Ok(())
    }

    fn results(
        &mut self,
        position: usize,
        message: &Message<'_>,
        calls: &[(&str, &str)],
        out: &mut String,
    ) -> Result<(), Inexpressible> {
        for (number, part) in message.parts.iter().enumerate() {
            let at = At(position, number);
            self.cache(part, at);
            let Content::ToolResult(result) = &part.content else {
                self.lose(
                    at,
                    "it is between tool results, where only tool results are allowed",
                );
                continue;
            };
            let mut recent = calls.iter().rev().take(RECENT_CALLS);
            let call = recent.find(|(id, _)| *id == result.call_id);
            let Some((id, called)) = call else {
                return Err(inexpressible(
                    &format!("messages[{position}]"),
                    "it is a result of a call that no message before it makes",
                ));
            };
            write::union(out, "functionResponse", |out| {
                write::text(out, "id", id);
                write::text(out, "name", called);
                self.result(result, at, out)?;
                for field in &part.extra {
                    match field.name.strip_prefix("functionResponse.") {
                        Some(own) => write::raw(out, own, &field.value),
                        None => self.lose_field(&field.name, at),
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn result(
        &mut self,
        result: &ToolResult<'_>,
        at: At,
        out: &mut String,
    ) -> Result<(), Inexpressible> {
        let mut texts = result.parts.iter().filter_map(|part| match &part.content {
            Content::Text { text, .. } => Some(text.as_ref()),
            _ => None,
        });
        let first = Cow::Borrowed(texts.next().unwrap_or_default());
        let said = texts.fold(first, |said, more| said + "\n" + more);
        let outcome = if result.is_error { "error" } else { "output" };
        write::object(out, "response", |out| write::text(out, outcome, &said));
        write::some_list(out, "parts", |out| {
            for part in &result.parts {
                match &part.content {
                    Content::Text { .. } => self.extra_lost(&part.extra, at),
                    content if let Some(media) = content.media() => write::braces(out, |out| {
                        write_media(media, at, self.lost, out)?;
                        self.extra(&part.extra, at, out);
                        Ok(())
                    })?,
                    _ => self.lose(at, "tool results can contain only text and media"),
                }
            }
            Ok(())
        })
    }

    /// A signature that Google can read at all: another's that is no base64 would have the
    /// request refused.
    fn signature<'m>(&mut self, signature: Option<&'m str>, at: At) -> Option<&'m str> {
        let signature = signature?;
        if base64::decoded_len(signature).is_none() {
            let why = "it is not a signature of Gemini's";
            self.lost.push(format!("{at}.signature"), why);
            return None;
        }
        Some(signature)
    }

    fn about(&mut self, position: usize, message: &Message<'_>) {
        let why = ["Gemini's speakers have no names", NO_FIELD];
        self.lost.about(position, message, why);
    }

    fn cache(&mut self, part: &Part<'_>, at: At) {
        if part.cache.is_some() {
            let param = format!("{at}.cache_control");
            self.lost.push(param, "Gemini caches prefixes by itself");
        }
    }

    /// What else is said of a medium.
    fn extra(&mut self, extra: &[Field], at: At, out: &mut String) {
        self.lost
            .known(extra, is_about, || at.to_string(), NO_FIELD, out);
    }

    fn extra_lost(&mut self, extra: &[Field], at: At) {
        self.lost.unknown(extra, || at.to_string(), NO_FIELD);
    }

    fn lose_field(&mut self, field: &str, at: At) {
        self.lost.push(format!("{at}.{field}"), NO_FIELD);
    }

    fn lose(&mut self, at: At, why: &'static str) {
        self.lost.push(at.to_string(), why);
    }
}

fn is_operator(message: &Message<'_>) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}
