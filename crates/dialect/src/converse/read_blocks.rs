//! Reads content blocks: of requests, of tools' results, and of answers.

use std::borrow::Cow;

use super::names::Medium;
use crate::canonical::Field;
use crate::exchange::{CacheMarker, Citation, Content, Media, Part, Source, Thought};
use crate::exchange::{ToolCall, ToolResult};
use crate::fields::{
    array, by_name, field, given, invalid, list, name_of, named, need, need_text, object, rest,
    string, text_of,
};
use crate::json::Value;
use crate::request::RequestError;

pub(super) type Path<'p> = &'p dyn Fn() -> String;

/// An array of blocks. A cache point becomes the mark of the part before it.
pub(super) fn blocks<'d>(value: Value<'d>, path: Path<'_>) -> Result<Vec<Part<'d>>, RequestError> {
    array(value, path)?;
    let mut parts: Vec<Part<'d>> = Vec::with_capacity(value.items().count());
    for (position, item) in value.items().enumerate() {
        let path = || format!("{}[{position}]", path());
        let (name, inner) = union(item, &path)?;
        let unmarked = parts.last_mut().filter(|part| part.cache.is_none());
        if let (Some(before), Some(marker)) = (unmarked, cache_point(&name, inner)) {
            before.cache = Some(marker);
            continue;
        }
        parts.push(block(&name, inner, item, &path)?);
    }
    Ok(parts)
}

/// The one member of a union that is set.
pub(super) fn union<'d>(
    value: Value<'d>,
    path: Path<'_>,
) -> Result<(Cow<'d, str>, Value<'d>), RequestError> {
    object(value, path)?;
    let mut set = value.members().filter(|(_, value)| !value.is_null());
    match (set.next(), set.next()) {
        (Some((key, value)), None) => Ok((name_of(key), value)),
        _ => Err(invalid(&path(), "must have exactly one member")),
    }
}

/// A cache point that says nothing but its type and how long it lasts.
pub(super) fn cache_point<'d>(name: &str, value: Value<'d>) -> Option<CacheMarker<'d>> {
    let mut ttl = None;
    if name != "cachePoint" || !value.says("type", "default") {
        return None;
    }
    for (name, value) in named(value) {
        match name.as_ref() {
            "type" => {}
            "ttl" => ttl = Some(value.as_str()?),
            _ => return None,
        }
    }
    Some(CacheMarker { ttl })
}

fn block<'d>(
    name: &str,
    inner: Value<'d>,
    whole: Value<'d>,
    path: Path<'_>,
) -> Result<Part<'d>, RequestError> {
    let at = || format!("{}.{name}", path());
    let opaque = || Content::Opaque {
        kind: Cow::Owned(name.to_owned()),
        json: Cow::Borrowed(whole.raw()),
    };
    let mut extra = Vec::new();
    let content = match name {
        "text" => Content::text(string(inner, at)?),
        "toolUse" => match tool_use(inner, &at)? {
            Some(call) => Content::ToolCall(call),
            None => opaque(),
        },
        "toolResult" if inner.get("type").is_none() => {
            Content::ToolResult(tool_result(inner, &at)?)
        }
        "reasoningContent" => reasoning(inner, &at)?.unwrap_or_else(opaque),
        "citationsContent" => cited(inner, &at)?,
        _ => match Medium::of_member(name) {
            Some(medium) => {
                let media = media(medium, inner, &mut extra, &at)?;
                media.map_or_else(opaque, |media| match medium {
                    Medium::Image => Content::Image(media),
                    Medium::Document => Content::File(media),
                    Medium::Video => Content::Video(media),
                    Medium::Audio => Content::Audio(media),
                })
            }
            None => opaque(),
        },
    };
    if matches!(content, Content::Opaque { .. }) {
        extra.clear();
    }
    Ok(Part {
        extra,
        ..Part::new(content)
    })
}

/// A call. None for one that the provider itself makes (`server_tool_use`).
fn tool_use<'d>(value: Value<'d>, path: Path<'_>) -> Result<Option<ToolCall<'d>>, RequestError> {
    let call = ToolCall::function(
        need_text(value, "toolUseId", path)?,
        need_text(value, "name", path)?,
        given(value.get("input")),
    );
    Ok(value.get("type").is_none_or(Value::is_null).then_some(call))
}

fn tool_result<'d>(value: Value<'d>, path: Path<'_>) -> Result<ToolResult<'d>, RequestError> {
    let content = need(value, "content", path)?;
    let parts = list(
        content,
        || path() + ".content",
        |item, at| {
            let (name, inner) = union(item, at)?;
            match name.as_ref() {
                // What a model is told of it is its text.
                "json" => Ok(Part::text(inner.raw())),
                _ => block(&name, inner, item, at),
            }
        },
    )?;
    let status = text_of(value, "status", path)?;
    Ok(ToolResult {
        call_id: need_text(value, "toolUseId", path)?,
        name: None,
        parts,
        is_error: match status.as_deref() {
            Some("error") => true,
            Some("success") | None => false,
            Some(_) => {
                let param = format!("{}.status", path());
                return Err(invalid(&param, "must be 'success' or 'error'"));
            }
        },
    })
}

fn reasoning<'d>(value: Value<'d>, path: Path<'_>) -> Result<Option<Content<'d>>, RequestError> {
    let (name, inner) = union(value, path)?;
    let at = || format!("{}.{name}", path());
    Ok(match name.as_ref() {
        "reasoningText" => {
            let text = need_text(inner, "text", at)?;
            Some(Thought::signed(text, text_of(inner, "signature", at)?))
        }
        "redactedContent" => Some(Thought::hidden(string(inner, at)?)),
        _ => None,
    })
}

fn cited<'d>(value: Value<'d>, path: Path<'_>) -> Result<Content<'d>, RequestError> {
    let mut said = Cow::Borrowed("");
    let content = value.each("content");
    for (position, item) in content.enumerate() {
        let more = need_text(item, "text", || format!("{}.content[{position}]", path()))?;
        if said.is_empty() {
            said = more;
        } else {
            said.to_mut().push_str(&more);
        }
    }
    let citations = value.each("citations");
    Ok(Content::Text {
        text: said,
        citations: citations.map(citation).collect(),
    })
}

/// A citation, of a whole answer or of a stream: both have the same form.
pub(super) fn citation(value: Value<'_>) -> Citation<'_> {
    let sources = value.each("sourceContent");
    let quoted: String = sources.filter_map(|source| source.text("text")).collect();
    let web = value.get("location").and_then(|place| place.get("web"));
    Citation {
        text: Cow::Owned(quoted),
        url: web.and_then(|web| web.text("url")),
        title: value.text("title"),
        range: None,
        json: Cow::Borrowed(value.raw()),
    }
}

/// A medium; none where its source is of a form that only Converse has.
fn media<'d>(
    medium: Medium,
    value: Value<'d>,
    extra: &mut Vec<Field>,
    path: Path<'_>,
) -> Result<Option<Media<'d>>, RequestError> {
    let (kind, source) = union(need(value, "source", path)?, &|| {
        format!("{}.source", path())
    })?;
    let at = || format!("{}.source.{kind}", path());
    let source = match (kind.as_ref(), medium) {
        ("bytes", _) => Source::Base64(string(source, at)?),
        ("s3Location", _) => {
            extra.extend(
                source
                    .get("bucketOwner")
                    .map(|owner| field(BUCKET_OWNER, owner)),
            );
            Source::Url(need_text(source, "uri", at)?)
        }
        ("text", Medium::Document) => Source::Text(string(source, at)?),
        _ => return Ok(None),
    };
    let format = match medium {
        // A document's format need not be told.
        Medium::Document => text_of(value, "format", path)?,
        _ => Some(need_text(value, "format", path)?),
    };
    let media_type = match (format, &source) {
        (Some(format), _) => medium.media_type(&format),
        (None, Source::Text(_)) => Cow::Borrowed("text/plain"),
        (None, _) => Cow::Borrowed(""),
    };
    let name = match medium {
        Medium::Document => Some(need_text(value, "name", path)?),
        _ => None,
    };
    extra.extend(rest(value, &["source", "format", "name"]));
    by_name(extra);
    Ok(Some(Media {
        source,
        media_type,
        name,
        detail: None,
    }))
}

/// Where a part keeps the account that owns the bucket of its medium.
pub(super) const BUCKET_OWNER: &str = "bucketOwner";
