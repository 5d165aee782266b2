//! Reads content blocks of a request's messages.

use std::borrow::Cow;
use std::collections::HashMap;

use super::blocks;
use crate::canonical::Field;
use crate::exchange::{CacheMarker, Content, Media, Message, Part, Source, ToolCall, ToolResult};
use crate::fields::{boolean, field, name_of, string};
use crate::json::{Kind, Value};
use crate::request::RequestError;

type Path<'p> = &'p dyn Fn() -> String;

/// A string, or an array of blocks.
pub(super) fn content<'d>(value: Value<'d>, path: Path<'_>) -> Result<Vec<Part<'d>>, RequestError> {
    match value.kind() {
        Kind::String => Ok(vec![Part::text(string(value, path)?)]),
        Kind::Array => {
            let mut parts = Vec::with_capacity(value.items().count());
            for (position, item) in value.items().enumerate() {
                parts.push(block(item, &|| format!("{}[{position}]", path()))?);
            }
            Ok(parts)
        }
        _ => {
            let expected = "a string or an array of content blocks";
            Err(RequestError::wrong_type(path(), expected, value))
        }
    }
}

fn block<'d>(value: Value<'d>, path: Path<'_>) -> Result<Part<'d>, RequestError> {
    if value.kind() != Kind::Object {
        return Err(RequestError::wrong_type(path(), "an object", value));
    }
    let reader = Block { value, path };
    let kind = reader.text("type")?;
    let (content, known): (_, &[&str]) = match kind.as_ref() {
        "text" => {
            let citations = value.get("citations");
            let content = Content::Text {
                text: reader.text("text")?,
                citations: citations.map(blocks::citations).unwrap_or_default(),
            };
            (content, &["text", "citations"])
        }
        "image" => (
            reader
                .media()?
                .map_or_else(|| opaque(&kind, value), Content::Image),
            &["source"],
        ),
        "document" => {
            let media = reader.media()?;
            let title = reader.optional("title")?;
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
        "tool_use" => (Content::ToolCall(reader.call()?), &["id", "name", "input"]),
        "tool_result" => (
            Content::ToolResult(reader.result()?),
            &["tool_use_id", "content", "is_error"],
        ),
        "thinking" => {
            let signature = reader.optional("signature")?;
            let content = Content::Reasoning {
                text: reader.text("thinking")?,
                signature: signature.filter(|signature| !signature.is_empty()),
                redacted: None,
            };
            (content, &["thinking", "signature"])
        }
        "redacted_thinking" => {
            let content = Content::Reasoning {
                text: Cow::Borrowed(""),
                signature: None,
                redacted: Some(reader.text("data")?),
            };
            (content, &["data"])
        }
        _ => (opaque(&kind, value), &[]),
    };
    if matches!(content, Content::Opaque { .. }) {
        return Ok(Part::new(content));
    }
    let marker = value
        .get("cache_control")
        .filter(|marker| !marker.is_null());
    let marker = marker.map(|marker| cache_marker(marker, &|| format!("{}.cache_control", path())));
    Ok(Part {
        content,
        cache: marker.transpose()?,
        extra: rest(value, |name| {
            name == "type" || name == "cache_control" || known.contains(&name)
        }),
    })
}

fn opaque<'d>(kind: &str, value: Value<'d>) -> Content<'d> {
    Content::Opaque {
        kind: Cow::Owned(kind.to_owned()),
        json: Cow::Borrowed(value.raw()),
    }
}

struct Block<'d, 'p> {
    value: Value<'d>,
    path: Path<'p>,
}

impl<'d> Block<'d, '_> {
    fn path(&self, name: &str) -> String {
        format!("{}.{name}", (self.path)())
    }

    fn required(&self, of: Value<'d>, name: &str) -> Result<Value<'d>, RequestError> {
        of.get(name).ok_or_else(|| RequestError::Missing {
            param: self.path(name),
        })
    }

    fn text(&self, name: &str) -> Result<Cow<'d, str>, RequestError> {
        string(self.required(self.value, name)?, || self.path(name))
    }

    fn optional(&self, name: &str) -> Result<Option<Cow<'d, str>>, RequestError> {
        let value = self.value.get(name).filter(|value| !value.is_null());
        value
            .map(|value| string(value, || self.path(name)))
            .transpose()
    }

    /// A medium; none where its source is of a form that only Anthropic has.
    fn media(&self) -> Result<Option<Media<'d>>, RequestError> {
        let source = self.required(self.value, "source")?;
        if source.kind() != Kind::Object {
            return Err(RequestError::wrong_type(
                self.path("source"),
                "an object",
                source,
            ));
        }
        let reader = Block {
            value: source,
            path: &|| self.path("source"),
        };
        let kind = reader.text("type")?;
        let (source, media_type) = match kind.as_ref() {
            "base64" => (
                Source::Base64(reader.text("data")?),
                reader.text("media_type")?,
            ),
            "url" => (Source::Url(reader.text("url")?), Cow::Borrowed("")),
            "file" => (Source::Id(reader.text("file_id")?), Cow::Borrowed("")),
            "text" => (
                Source::Text(reader.text("data")?),
                reader
                    .optional("media_type")?
                    .unwrap_or(Cow::Borrowed("text/plain")),
            ),
            _ => return Ok(None),
        };
        Ok(Some(Media {
            source,
            media_type,
            name: None,
            detail: None,
        }))
    }

    fn call(&self) -> Result<ToolCall<'d>, RequestError> {
        let input = self.required(self.value, "input")?;
        if input.kind() != Kind::Object {
            return Err(RequestError::wrong_type(
                self.path("input"),
                "an object",
                input,
            ));
        }
        Ok(ToolCall {
            id: self.text("id")?,
            name: self.text("name")?,
            arguments: Cow::Borrowed(input.raw()),
            custom: false,
        })
    }

    fn result(&self) -> Result<ToolResult<'d>, RequestError> {
        let given = self.value.get("content").filter(|given| !given.is_null());
        let parts = given.map(|given| content(given, &|| self.path("content")));
        let failed = self
            .value
            .get("is_error")
            .filter(|failed| !failed.is_null());
        let failed = failed.map(|failed| boolean(failed, &self.path("is_error")));
        Ok(ToolResult {
            call_id: self.text("tool_use_id")?,
            name: None,
            parts: parts.transpose()?.unwrap_or_default(),
            is_error: failed.transpose()?.unwrap_or_default(),
        })
    }
}

pub(super) fn is_result(part: &Part<'_>) -> bool {
    matches!(part.content, Content::ToolResult(_))
}

/// Gives each result the name of the tool whose call it answers.
pub(super) fn name_results(messages: &mut [Message<'_>]) {
    let mut names: HashMap<String, String> = HashMap::new();
    let any = messages
        .iter()
        .any(|message| message.parts.iter().any(is_result));
    if !any {
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
    if value.kind() != Kind::Object {
        return Err(RequestError::wrong_type(path(), "an object", value));
    }
    let ttl = value.get("ttl").filter(|ttl| !ttl.is_null());
    let ttl = ttl.map(|ttl| string(ttl, || format!("{}.ttl", path())));
    Ok(CacheMarker {
        ttl: ttl.transpose()?,
    })
}

/// All members that are neither null nor known, sorted by name.
pub(super) fn rest(value: Value<'_>, known: impl Fn(&str) -> bool) -> Vec<Field> {
    let mut rest: Vec<Field> = value
        .members()
        .filter(|(key, value)| !value.is_null() && !known(&name_of(*key)))
        .map(|(key, value)| field(&name_of(key), value))
        .collect();
    rest.sort_by(|left, right| left.name.cmp(&right.name));
    rest
}
