//! Reads one part of a message's content.

use std::borrow::Cow;

use super::media::{BAD_BASE64, BAD_DATA_URL, read_url, type_of_format};
use super::reasoning;
use crate::data_url::is_base64;
use crate::exchange::{CacheMarker, Content, Media, Part, Source};
use crate::fields::{field, invalid, named, need, need_text, said, string};
use crate::json::{Kind, Value};
use crate::request::RequestError;

/// Anthropic's `cache_control`, as gateways take it in chat, or OpenAI's
/// `prompt_cache_breakpoint`.
pub(super) fn marker<'d>(value: Value<'d>) -> CacheMarker<'d> {
    CacheMarker {
        ttl: said(value, "ttl"),
    }
}

pub(super) fn part<'d>(
    value: Value<'d>,
    path: &dyn Fn() -> String,
) -> Result<Part<'d>, RequestError> {
    let kind = need_text(value, "type", path)?;
    let (content, known) = content(kind, value, path)?;
    let mut part = Part::new(content);
    if let Content::Opaque { .. } = part.content {
        return Ok(part);
    }
    for (name, value) in named(value) {
        match name.as_ref() {
            "type" => {}
            "cache_control" | "prompt_cache_breakpoint" => part.cache = Some(marker(value)),
            name if known.contains(&name) => {}
            name => part.extra.push(field(name, value)),
        }
    }
    Ok(part)
}

/// What a part is, and the names of the members that were read for it.
fn content<'d>(
    kind: Cow<'d, str>,
    value: Value<'d>,
    path: &dyn Fn() -> String,
) -> Result<(Content<'d>, &'static [&'static str]), RequestError> {
    let at = |name: &str| format!("{}.{name}", path());
    let url = |name: &'static str| -> Result<Media<'d>, RequestError> {
        let asked = need(value, name, path)?;
        media_url(asked, &|| at(name))
    };
    Ok(match kind.as_ref() {
        "text" => (Content::text(need_text(value, "text", path)?), &["text"]),
        // OpenAI's other format, which some agents send in this one.
        "input_text" | "output_text" => (Content::text(need_text(value, "text", path)?), &["text"]),
        "input_image" if value.text("image_url").is_some() => {
            let mut image = url("image_url")?;
            image.detail = said(value, "detail");
            (Content::Image(image), &["image_url", "detail"])
        }
        // Anthropic's.
        "image"
            if value
                .get("source")
                .is_some_and(|of| source_url(of).is_some()) =>
        {
            let source = need(value, "source", path)?;
            let read = source_url(source).and_then(|url| read_url(url.into()));
            let (source, media_type) = read.ok_or_else(|| invalid(&at("source"), BAD_DATA_URL))?;
            (Content::Image(Media::new(source, media_type)), &["source"])
        }
        "refusal" => (
            Content::Refusal(need_text(value, "refusal", path)?),
            &["refusal"],
        ),
        "image_url" => (Content::Image(url("image_url")?), &["image_url"]),
        "audio_url" => (Content::Audio(url("audio_url")?), &["audio_url"]),
        "video_url" => (Content::Video(url("video_url")?), &["video_url"]),
        // Mistral's documents.
        "document_url" => {
            let mut media = url("document_url")?;
            media.name = said(value, "document_name");
            (Content::File(media), &["document_url", "document_name"])
        }
        "input_audio" => {
            let audio = need(value, "input_audio", path)?;
            (
                Content::Audio(input_audio(audio, &|| at("input_audio"))?),
                &["input_audio"],
            )
        }
        "file" => match said(value, "file_id") {
            // Mistral's files.
            Some(id) => (Content::File(media(Source::Id(id))), &["file_id"]),
            None => {
                let asked = need(value, "file", path)?;
                (Content::File(file(asked, &|| at("file"))?), &["file"])
            }
        },
        "thinking" if value.get("thinking").is_some() => (
            Content::Reasoning(reasoning::block(value)),
            &["thinking", "signature"],
        ),
        _ => {
            let json = value.raw().into();
            (Content::Opaque { kind, json }, &[])
        }
    })
}

fn media(source: Source<'_>) -> Media<'_> {
    Media::new(source, "")
}

/// The URL of a source in Anthropic's form.
fn source_url(source: Value<'_>) -> Option<String> {
    if let Some(url) = source.text("url") {
        return Some(url.into_owned());
    }
    let (kind, data) = (source.text("media_type")?, source.text("data")?);
    Some(format!("data:{kind};base64,{data}"))
}

/// `{"url", "detail"}`, or the URL itself.
fn media_url<'d>(value: Value<'d>, path: &dyn Fn() -> String) -> Result<Media<'d>, RequestError> {
    let url = match value.kind() {
        Kind::String => value.as_str().unwrap_or_default(),
        _ => need_text(value, "url", path)?,
    };
    let (source, media_type) = read_url(url).ok_or_else(|| invalid(&path(), BAD_DATA_URL))?;
    Ok(Media {
        detail: said(value, "detail"),
        ..Media::new(source, media_type)
    })
}

/// OpenAI's `{"data", "format"}`, or Mistral's URL or base64.
fn input_audio<'d>(value: Value<'d>, path: &dyn Fn() -> String) -> Result<Media<'d>, RequestError> {
    if let Some(text) = value.as_str() {
        let is_url = ["http://", "https://", "data:"]
            .iter()
            .any(|scheme| text.starts_with(scheme));
        if is_url {
            return media_url(value, path);
        }
        return Ok(media(base64(text, path)?));
    }
    let data = need_text(value, "data", path)?;
    let format = need_text(value, "format", path)?;
    Ok(Media {
        media_type: type_of_format(format),
        ..media(base64(data, &|| path() + ".data")?)
    })
}

fn base64<'d>(data: Cow<'d, str>, path: &dyn Fn() -> String) -> Result<Source<'d>, RequestError> {
    if is_base64(&data) {
        Ok(Source::Base64(data))
    } else {
        Err(invalid(&path(), BAD_BASE64))
    }
}

/// `{"file_data", "file_id", "filename"}`.
fn file<'d>(value: Value<'d>, path: &dyn Fn() -> String) -> Result<Media<'d>, RequestError> {
    let name = said(value, "filename");
    if let Some(id) = said(value, "file_id") {
        return Ok(Media {
            name,
            ..media(Source::Id(id))
        });
    }
    let at = || path() + ".file_data";
    let data = string(need(value, "file_data", path)?, at)?;
    if is_base64(&data) {
        return Ok(Media {
            name,
            ..media(Source::Base64(data))
        });
    }
    match read_url(data) {
        // OpenRouter takes URLs here.
        Some((source, media_type)) if !matches!(&source, Source::Url(url) if !url.contains("://")) => {
            Ok(Media {
                name,
                media_type,
                ..media(source)
            })
        }
        _ => Err(invalid(&at(), BAD_DATA_URL)),
    }
}
