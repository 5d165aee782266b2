//! Reads content blocks of a request's messages.

use std::borrow::Cow;
use std::collections::HashMap;

use super::blocks;
use crate::exchange::{CacheMarker, Content, Media, Message, Part, Role, Source, Thought};
use crate::exchange::{ToolCall, ToolResult};
use crate::fields::{boolean, list, need, need_text, object, rest, string, text_of};
use crate::json::{Kind, Value};
use crate::request::RequestError;

type Path<'p> = &'p dyn Fn() -> String;

/// A string, or an array of blocks.
pub(super) fn content<'d>(value: Value<'d>, path: Path<'_>) -> Result<Vec<Part<'d>>, RequestError> {
    match value.kind() {
        Kind::String => Ok(vec![Part::text(string(value, path)?)]),
        Kind::Array => list(value, path, block),
        _ => {
            let expected = "a string or an array of content blocks";
            Err(RequestError::wrong_type(path(), expected, value))
        }
    }
}

fn block<'d>(value: Value<'d>, path: Path<'_>) -> Result<Part<'d>, RequestError> {
    let at = |name: &str| format!("{}.{name}", path());
    let text = |name: &str| need_text(value, name, path);
    let optional = |name: &str| text_of(value, name, path);
    let kind = text("type")?;
    let (content, known): (_, &[&str]) = match kind.as_ref() {
        "text" => {
            let citations = value.get("citations");
            let content = Content::Text {
                text: text("text")?,
                citations: citations.map(blocks::citations).unwrap_or_default(),
            };
            (content, &["text", "citations"])
        }
        "image" => (
            media(value, path)?.map_or_else(|| opaque(&kind, value), Content::Image),
            &["source"],
        ),
        "document" => {
            let media = media(value, path)?;
            let title = optional("title")?;
            let content = media.map_or_else(
                || opaque(&kind, value),
                |media| {
                    Content::File(Media {
                        name: title,
                        ..media
                    })
                },
            );
            (content, &["source", "title"])
        }
        "tool_use" => (
            Content::ToolCall(call(value, path)?),
            &["id", "name", "input"],
        ),
        "tool_result" => (
            Content::ToolResult(result(value, path)?),
            &["tool_use_id", "content", "is_error"],
        ),
        "thinking" => {
            let signature = optional("signature")?;
            let signature = signature.filter(|signature| !signature.is_empty());
            let content = Thought::signed(text("thinking")?, signature);
            (content, &["thinking", "signature"])
        }
        "redacted_thinking" => (Thought::hidden(text("data")?), &["data"]),
        _ => (opaque(&kind, value), &[]),
    };
    if matches!(content, Content::Opaque { .. }) {
        return Ok(Part::new(content));
    }
    let marker = value.some("cache_control");
    let marker = marker.map(|marker| cache_marker(marker, &|| at("cache_control")));
    Ok(Part {
        content,
        cache: marker.transpose()?,
        extra: rest(value, &[&["type", "cache_control"], known].concat()),
    })
}

fn opaque<'d>(kind: &str, value: Value<'d>) -> Content<'d> {
    Content::Opaque {
        kind: Cow::Owned(kind.to_owned()),
        json: Cow::Borrowed(value.raw()),
    }
}

/// A medium; none where its source is of a form that only Anthropic has.
fn media<'d>(value: Value<'d>, path: Path<'_>) -> Result<Option<Media<'d>>, RequestError> {
    let source = need(value, "source", path)?;
    let text = |name: &str| need_text(source, name, || format!("{}.source", path()));
    let (source, media_type) = match text("type")?.as_ref() {
        "base64" => (Source::Base64(text("data")?), text("media_type")?),
        "url" => (Source::Url(text("url")?), Cow::Borrowed("")),
        "file" => (Source::Id(text("file_id")?), Cow::Borrowed("")),
        "text" => {
            let told = source.some("media_type").map(|_| text("media_type"));
            let media_type = told.unwrap_or(Ok(Cow::Borrowed("text/plain")))?;
            (Source::Text(text("data")?), media_type)
        }
        _ => return Ok(None),
    };
    Ok(Some(Media::new(source, media_type)))
}

fn call<'d>(value: Value<'d>, path: Path<'_>) -> Result<ToolCall<'d>, RequestError> {
    let input = object(need(value, "input", path)?, || path() + ".input")?;
    let (id, name) = (
        need_text(value, "id", path)?,
        need_text(value, "name", path)?,
    );
    Ok(ToolCall::function(id, name, input.raw()))
}

fn result<'d>(value: Value<'d>, path: Path<'_>) -> Result<ToolResult<'d>, RequestError> {
    let parts = value.some("content");
    let parts = parts.map(|given| content(given, &|| path() + ".content"));
    let failed = value.some("is_error");
    let failed = failed.map(|failed| boolean(failed, &(path() + ".is_error")));
    Ok(ToolResult {
        call_id: need_text(value, "tool_use_id", path)?,
        name: None,
        parts: parts.transpose()?.unwrap_or_default(),
        is_error: failed.transpose()?.unwrap_or_default(),
    })
}

/// Gives each result the name of the tool whose call it answers.
pub(super) fn name_results(messages: &mut [Message<'_>]) {
    let mut names: HashMap<String, String> = HashMap::new();
    if messages.iter().all(|message| message.role != Role::Tool) {
        return;
    }
    for part in messages.iter_mut().flat_map(|message| &mut message.parts) {
        match &mut part.content {
            Content::ToolCall(call) => {
                names.insert(call.id.clone().into_owned(), call.name.clone().into_owned());
            }
            Content::ToolResult(result) => {
                result.name = names.get(result.call_id.as_ref()).cloned().map(Cow::Owned);
            }
            _ => {}
        }
    }
}

pub(super) fn cache_marker<'d>(
    value: Value<'d>,
    path: Path<'_>,
) -> Result<CacheMarker<'d>, RequestError> {
    let ttl = text_of(object(value, path)?, "ttl", path)?;
    Ok(CacheMarker { ttl })
}
