//! Reads and writes whole answers.

use std::borrow::Cow;

use bytes::Bytes;

use super::base64;
use super::candidate::{finish_reason, usage, write_head, write_usage};
use super::emit::{
    SIGNATURE, call_arguments, call_part, content, file_data, inline_data, text_part,
};
use super::logprobs::write_logprobs;
use super::sources::{in_bytes, in_characters, write_citations};
use super::stream_read::StreamReader;
use crate::contract::context::AnswerContext;
use crate::contract::stream::ReadStream;
use crate::exchange::{ChatAnswer, Choice, Citation, Content, Media, Part, Source, ToolCall};
use crate::json::write;
use crate::json::{Document, Kind, Value};
use crate::payload::PayloadError;

pub(crate) fn read_answer(root: Value<'_>) -> Result<ChatAnswer<'static>, PayloadError> {
    let mut answer = StreamReader::of_whole().whole(root)?;
    answer.usage = usage(root);
    let parts = answer
        .choices
        .iter_mut()
        .flat_map(|choice| &mut choice.parts);
    for part in parts {
        if let Content::Text { text, citations } = &mut part.content {
            for citation in citations {
                citation.range = citation.range.and_then(|range| in_characters(text, range));
            }
        }
    }
    Ok(answer)
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
