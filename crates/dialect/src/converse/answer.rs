//! Reads and writes whole answers.

use std::borrow::Cow;

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::read_blocks;
use super::write_blocks::{call_block, reasoning_block, redacted_block, text_block};
use super::write_checks::is_own;
use super::{names, usage};
use crate::contract::context::AnswerContext;
use crate::exchange::{ChatAnswer, Choice, Content, Media, Part, Source};
use crate::json::write;
use crate::json::{Value, json_string};
use crate::payload::{PayloadError, object_of, text_of, usage_in, wrong_type};
use crate::request::RequestError;

pub(crate) fn read_answer(root: Value<'_>) -> Result<ChatAnswer<'_>, PayloadError> {
    let message = root.get("output").and_then(|output| output.get("message"));
    let message = object_of(message, "output.message")?;
    let content = message.some("content");
    let parts = match content {
        None => Vec::new(),
        Some(content) => read_blocks::blocks(content, &|| "output.message.content".to_owned())
            .map_err(|error| at_fault(error, content))?,
    };
    let reason = text_of(root, "stopReason", "stopReason")?;
    let finish = reason.map(|reason| names::finish_of(&reason, stop_sequence(root)));
    Ok(ChatAnswer {
        choices: vec![Choice {
            parts,
            finish,
            ..Choice::default()
        }],
        usage: usage_in(root).map(usage::read).transpose()?,
        ..ChatAnswer::default()
    })
}

/// Which stop sequence ended the answer, where the request had it told
/// (`additionalModelResponseFieldPaths: ["/stop_sequence"]`).
pub(super) fn stop_sequence(of: Value<'_>) -> Option<String> {
    let stop = of
        .get("additionalModelResponseFields")?
        .get("stop_sequence")?;
    stop.as_str().map(Cow::into_owned)
}

/// Blocks are read as a request's are; what is wrong with them is the upstream's fault here.
fn at_fault(error: RequestError, content: Value<'_>) -> PayloadError {
    match error {
        RequestError::WrongType {
            param,
            expected,
            found,
        } => PayloadError::WrongType {
            field: param,
            expected,
            found,
        },
        other => {
            let field = other.param().unwrap_or("output.message.content").to_owned();
            wrong_type(field, "a content block of Converse's", content)
        }
    }
}

pub(crate) fn write_answer(answer: &ChatAnswer<'_>, _context: &AnswerContext) -> Bytes {
    let mut text = String::with_capacity(512);
    let choice = answer.choices.first();
    write::braces(&mut text, |out| {
        write::object(out, "output", |out| {
            write::object(out, "message", |out| {
                write::text(out, "role", "assistant");
                write::list(out, "content", |out| {
                    let parts = choice.into_iter().flat_map(|choice| &choice.parts);
                    parts.for_each(|part| block(part, out));
                });
            });
        });
        if let Some(finish) = choice.and_then(|choice| choice.finish.as_ref()) {
            write_stop(finish, out);
        }
        if let Some(counted) = &answer.usage {
            usage::write(counted, out);
        }
        metrics(out);
    });
    text.into()
}

/// Required of an answer; nobody here has a clock.
pub(super) fn metrics(out: &mut String) {
    write::object(out, "metrics", |out| write::number(out, "latencyMs", 0));
}

/// Why it ended; the stop sequence stands where Claude's would be.
pub(super) fn write_stop(finish: &crate::exchange::Finish, out: &mut String) {
    write::text(out, "stopReason", names::stop_reason(finish));
    if let crate::exchange::Finish::StopSequence(Some(stop)) = finish {
        write::object(out, "additionalModelResponseFields", |out| {
            write::text(out, "stop_sequence", stop);
        });
    }
}

fn block(part: &Part<'_>, out: &mut String) {
    match &part.content {
        Content::Text { text, citations } if !text.is_empty() || !citations.is_empty() => {
            text_block(text, citations, out);
        }
        Content::Refusal(text) if !text.is_empty() => text_block(text, &[], out),
        Content::ToolCall(call) => {
            let input = input(&call.arguments, call.custom);
            call_block(&call.id, &call.name, &input, out);
        }
        Content::Reasoning(of) => {
            if let Some(redacted) = &of.redacted {
                redacted_block(redacted, out);
            }
            if !of.text.is_empty() || of.signature.is_some() {
                reasoning_block(&of.text, of.signature.as_deref(), out);
            }
        }
        Content::Image(media) => drawn(media, out),
        // What only Converse has in answers, such as a result of the provider's own tool.
        Content::Opaque { kind, json } if is_own(kind, json) => write::value(out, json),
        _ => {}
    }
}

/// A call's input. What is no JSON (a call that was cut, free text) is a JSON string.
fn input(arguments: &str, custom: bool) -> Cow<'_, str> {
    let arguments = match arguments.trim() {
        "" if !custom => "{}",
        trimmed => trimmed,
    };
    if !custom && serde_json::from_str::<IgnoredAny>(arguments).is_ok() {
        Cow::Borrowed(arguments)
    } else {
        Cow::Owned(json_string(arguments))
    }
}

/// The format and the bytes of an image that the model has drawn; Converse's answers hold no URLs.
pub(super) fn drawing<'m>(media: &'m Media<'_>) -> Option<(&'static str, &'m str)> {
    let format = names::Medium::Image.format(media.image_type())?;
    match &media.source {
        Source::Base64(data) => Some((format, data)),
        _ => None,
    }
}

fn drawn(media: &Media<'_>, out: &mut String) {
    let Some((format, data)) = drawing(media) else {
        return;
    };
    write::union(out, "image", |out| {
        write::text(out, "format", format);
        write::object(out, "source", |out| write::text(out, "bytes", data));
    });
}
