//! Reads and writes whole answers.

use std::borrow::Cow;

use bytes::Bytes;

use super::base64;
use super::candidate::{
    finish, finish_reason, index, is_blocked, reason, usage, write_head, write_usage,
};
use super::contents::sign;
use super::emit::{
    SIGNATURE, call_arguments, call_part, content, file_data, inline_data, text_part,
};
use super::logprobs::{logprobs, write_logprobs};
use super::names::{each, get, text};
use super::sources::{citations, in_bytes, in_characters, write_citations};
use super::view::{View, arguments, made_up_id};
use crate::contract::context::AnswerContext;
use crate::exchange::{
    ChatAnswer, Choice, Citation, Content, Finish, Media, Part, Source, ToolCall, logprobs_of,
};
use crate::json::write;
use crate::json::{Document, Kind, Value};
use crate::payload::{PayloadError, wrong_type};
use crate::rfc3339;

pub(crate) fn read_answer(root: Value<'_>) -> Result<ChatAnswer<'_>, PayloadError> {
    let id = text(root, "responseId");
    let mut choices = Vec::new();
    for candidate in get(root, "candidates").into_iter().flat_map(each) {
        if candidate.kind() != Kind::Object {
            return Err(wrong_type("candidates", "an array of objects", candidate));
        }
        choices.push((index(candidate), choice(&id, candidate)));
    }
    if choices.is_empty() && is_blocked(root) {
        let refused = Choice {
            finish: Some(Finish::Refused),
            ..Choice::default()
        };
        choices.push((0, refused));
    }
    choices.sort_by_key(|(index, _)| *index);
    Ok(ChatAnswer {
        id,
        model: text(root, "modelVersion"),
        created: rfc3339::seconds(&text(root, "createTime")),
        choices: choices.into_iter().map(|(_, choice)| choice).collect(),
        usage: usage(root),
    })
}

fn choice<'d>(answer: &str, candidate: Value<'d>) -> Choice<'d> {
    let mut parts: Vec<Part<'d>> = Vec::new();
    let mut calls = 0;
    let content = get(candidate, "content");
    for part in content
        .and_then(|content| get(content, "parts"))
        .into_iter()
        .flat_map(each)
    {
        let mut view = View::of(part);
        let mut signature = view.signature.take();
        if !view.thought {
            sign(&mut parts, signature.take());
        }
        if let Some(said) = view.text.and_then(Value::as_str) {
            say(&mut parts, said, view.thought);
            sign(&mut parts, signature);
        } else if let Some(call) = view.call {
            let id = text(call, "id");
            let id = match id.is_empty() {
                true => Cow::Owned(made_up_id(answer, index(candidate), calls)),
                false => id,
            };
            calls += 1;
            let call = ToolCall::function(id, text(call, "name"), arguments(call));
            parts.push(Part::new(Content::ToolCall(call)));
        } else if let Some(media) = view.media().filter(|_| !view.thought) {
            parts.push(Part::new(media));
        } else if let Some((kind, _)) = view.other {
            let json = Cow::Borrowed(part.raw());
            parts.push(Part::new(Content::Opaque { kind, json }));
        }
    }
    cite(&mut parts, citations(candidate));
    Choice {
        parts,
        finish: reason(candidate).map(|reason| finish(&reason, calls > 0)),
        logprobs: logprobs(candidate).map(|items| Cow::Owned(logprobs_of(&items))),
    }
}

/// Text goes on where text was, as in a stream: Google cuts where it likes.
fn say<'d>(parts: &mut Vec<Part<'d>>, said: Cow<'d, str>, thought: bool) {
    if said.is_empty() {
        return;
    }
    match parts.last_mut().map(|part| &mut part.content) {
        Some(Content::Text { text, .. }) if !thought => text.to_mut().push_str(&said),
        Some(Content::Reasoning(of)) if thought && of.signature.is_none() => {
            of.text.to_mut().push_str(&said);
        }
        _ if thought => parts.push(Part::thought(said)),
        _ => parts.push(Part::text(said)),
    }
}

/// Citations go to the last text.
fn cite<'d>(parts: &mut [Part<'d>], found: Vec<Citation<'d>>) {
    let texts = parts.iter_mut().rev().map(|part| &mut part.content);
    let last = texts.into_iter().find_map(|content| match content {
        Content::Text { text, citations } => Some((text, citations)),
        _ => None,
    });
    let Some((text, citations)) = last else {
        return;
    };
    for mut citation in found {
        citation.range = citation.range.and_then(|range| in_characters(text, range));
        citations.push(citation);
    }
}

pub(crate) fn write_answer(answer: &ChatAnswer<'_>, context: &AnswerContext) -> Bytes {
    let mut out = String::with_capacity(512);
    write::braces(&mut out, |out| {
        write::list(out, "candidates", |out| {
            for (position, choice) in (0..).zip(&answer.choices) {
                write::braces(out, |out| candidate(position, choice, out));
            }
        });
        if let Some(usage) = &answer.usage {
            write_usage(usage, out);
        }
        let (id, model) = named(&answer.id, &answer.model, context);
        write_head(id, model, answer.created, out);
    });
    out.into()
}

fn candidate(position: u64, choice: &Choice<'_>, out: &mut String) {
    write::name(out, "content");
    let malformed = content(out, true, |out| write_parts(&choice.parts, out));
    let reason = match (malformed, &choice.finish) {
        (true, _) => Some("MALFORMED_FUNCTION_CALL"),
        (false, finish) => finish.as_ref().map(finish_reason),
    };
    write::text_if(out, "finishReason", reason);
    write::number(out, "index", position);
    write_about(choice, out);
}

/// An answer's id and model, or what stands for them where the upstream says nothing.
pub(super) fn named<'a>(
    id: &'a str,
    model: &'a str,
    context: &'a AnswerContext,
) -> (&'a str, &'a str) {
    let or = |told: &'a str, instead: &'a str| if told.is_empty() { instead } else { told };
    (or(id, &context.id), or(model, &context.model))
}

/// Writes parts. True where a call's arguments are no object, so that Google's clients can't
/// be given the call.
fn write_parts(parts: &[Part<'_>], out: &mut String) -> bool {
    let mut pending: Option<&str> = None;
    let mut malformed = false;
    for part in parts {
        match &part.content {
            Content::Text { text, .. } | Content::Refusal(text) if !text.is_empty() => {
                text_part(out, text, false, pending.take());
            }
            Content::Reasoning(of) => {
                if let Some(unused) = pending.take() {
                    text_part(out, "", false, Some(unused));
                }
                if !of.text.is_empty() {
                    text_part(out, &of.text, true, None);
                }
                pending = of.signature.as_deref();
            }
            Content::ToolCall(call) => match written_arguments(call) {
                Some(arguments) => {
                    call_part(out, &call.id, &call.name, &arguments, pending.take());
                }
                None => malformed = true,
            },
            content if let Some(media) = content.media() => {
                write::braces(out, |out| {
                    write_media(media, out);
                    write::text_if(out, SIGNATURE, pending.take());
                });
            }
            Content::Opaque { json, .. } => write::value(out, json),
            _ => {}
        }
    }
    if let Some(unused) = pending {
        text_part(out, "", false, Some(unused));
    }
    malformed
}

/// A call's arguments as an object. A custom tool's free text becomes its only member.
pub(super) fn written_arguments<'a>(call: &'a ToolCall<'_>) -> Option<Cow<'a, str>> {
    if call.custom {
        return Some(Cow::Owned(write::document(|out| {
            write::text(out, "input", &call.arguments)
        })));
    }
    call_arguments(&call.arguments).map(Cow::Borrowed)
}

pub(super) fn write_media(media: &Media<'_>, out: &mut String) {
    let label = media.name.as_deref();
    match &media.source {
        Source::Base64(data) => inline_data(out, &media.media_type, data, label),
        Source::Url(uri) | Source::Id(uri) => file_data(out, &media.media_type, uri, label),
        Source::Text(text) => {
            let mut data = String::new();
            base64::encode(text.as_bytes(), &mut data);
            inline_data(out, "text/plain", &data, label);
        }
    }
}

fn write_about(choice: &Choice<'_>, out: &mut String) {
    let mut cited = Vec::new();
    for part in &choice.parts {
        if let Content::Text { text, citations } = &part.content {
            cited.extend(citations.iter().cloned().map(|citation| Citation {
                range: citation.range.and_then(|range| in_bytes(text, range)),
                ..citation
            }));
        }
    }
    if !cited.is_empty() {
        write_citations(&cited, out);
    }
    let Some(logprobs) = &choice.logprobs else {
        return;
    };
    if let Ok(document) = Document::parse(logprobs.as_bytes()) {
        let items = document.root().get("content");
        if let Some(items) = items.filter(|items| items.kind() == Kind::Array) {
            write_logprobs(items.raw(), out);
        }
    }
}
