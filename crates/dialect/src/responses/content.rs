//! Reads the parts of a message's or a result's content: text, media, refusals.

use std::borrow::Cow;

use crate::data_url::{is_base64, is_data_url, taken_apart};
use crate::exchange::{CacheMarker, Citation, Content, Media, Part, Source};
use crate::fields::{field, invalid, list_into, missing, named, need_text, text_of};
use crate::json::{Kind, Value};
use crate::request::RequestError;

/// Reads content: one text, or parts.
pub(super) fn read<'d>(
    value: Value<'d>,
    path: &dyn Fn() -> String,
    parts: &mut Vec<Part<'d>>,
) -> Result<(), RequestError> {
    if let Some(text) = value.as_str() {
        parts.push(Part::text(text));
        return Ok(());
    }
    if value.kind() != Kind::Array {
        let expected = "a string or an array of parts";
        return Err(RequestError::wrong_type(path(), expected, value));
    }
    list_into(parts, value, path, part_of)
}

fn part_of<'d>(part: Value<'d>, path: &dyn Fn() -> String) -> Result<Part<'d>, RequestError> {
    let need = |name: &str| need_text(part, name, path);
    let kind = need("type")?;
    let (content, known): (_, &[&str]) = match kind.as_ref() {
        "input_text" | "text" | "summary_text" | "reasoning_text" => {
            (Content::text(need("text")?), &["text"])
        }
        "output_text" => (
            Content::Text {
                text: need("text")?,
                citations: citations(part.get("annotations")),
            },
            &["text", "annotations", "logprobs"],
        ),
        "refusal" => (Content::Refusal(need("refusal")?), &["refusal"]),
        "input_image" => (image(part, path)?, &["image_url", "file_id", "detail"]),
        "input_file" => (file(part, path)?, &FILE),
        "input_audio" => (audio(part, path)?, &["input_audio"]),
        _ => {
            return Ok(Part::new(Content::Opaque {
                kind,
                json: Cow::Borrowed(part.raw()),
            }));
        }
    };
    let mut read = Part::new(content);
    for (name, value) in named(part) {
        match name.as_ref() {
            "type" => {}
            "prompt_cache_breakpoint" => {
                let ttl = value.text("ttl");
                read.cache = Some(CacheMarker { ttl });
            }
            name if known.contains(&name) => {}
            name => read.extra.push(field(name, value)),
        }
    }
    Ok(read)
}

/// The picture of a screen, as a tool gives it back.
pub(super) fn screenshot<'d>(
    value: Value<'d>,
    path: &dyn Fn() -> String,
) -> Result<Part<'d>, RequestError> {
    image(value, path).map(Part::new)
}

const FILE: [&str; 5] = ["file_data", "file_id", "file_url", "filename", "detail"];

fn image<'d>(part: Value<'d>, path: &dyn Fn() -> String) -> Result<Content<'d>, RequestError> {
    let mut media = Media {
        // The default, and what is written where a client says nothing.
        detail: text_of(part, "detail", path)?.filter(|detail| detail != "auto"),
        ..Media::new(Source::Text(Cow::Borrowed("")), "")
    };
    if let Some(url) = text_of(part, "image_url", path)? {
        (media.source, media.media_type) = located(url, &|| path() + ".image_url")?;
    } else if let Some(id) = text_of(part, "file_id", path)? {
        media.source = Source::Id(id);
    } else {
        return Err(missing(|| path() + ".image_url"));
    }
    Ok(Content::Image(media))
}

fn file<'d>(part: Value<'d>, path: &dyn Fn() -> String) -> Result<Content<'d>, RequestError> {
    let name = text_of(part, "filename", path)?;
    let detail = text_of(part, "detail", path)?.filter(|detail| detail != "auto");
    let (source, media_type) = if let Some(data) = text_of(part, "file_data", path)? {
        let at = || path() + ".file_data";
        if is_data_url(&data) {
            located(data, &at)?
        } else if is_base64(&data) {
            let media_type = name.as_deref().map_or("", type_of_name);
            (Source::Base64(data), Cow::Borrowed(media_type))
        } else {
            return Err(invalid(&at(), NO_BASE64));
        }
    } else if let Some(url) = text_of(part, "file_url", path)? {
        (Source::Url(url), Cow::Borrowed(""))
    } else if let Some(id) = text_of(part, "file_id", path)? {
        (Source::Id(id), Cow::Borrowed(""))
    } else {
        return Err(missing(|| path() + ".file_data"));
    };
    Ok(Content::File(Media {
        source,
        media_type,
        name,
        detail,
    }))
}

fn audio<'d>(part: Value<'d>, path: &dyn Fn() -> String) -> Result<Content<'d>, RequestError> {
    let at = || path() + ".input_audio";
    let audio = part.get("input_audio");
    let audio = audio.ok_or_else(|| missing(at))?;
    let need = |name: &str| need_text(audio, name, at);
    let data = need("data")?;
    if !is_base64(&data) {
        return Err(invalid(&(at() + ".data"), NO_BASE64));
    }
    let media_type = match need("format")?.as_ref() {
        "mp3" => Cow::Borrowed("audio/mpeg"),
        format => Cow::Owned(format!("audio/{format}")),
    };
    Ok(Content::Audio(Media::new(Source::Base64(data), media_type)))
}

const NO_BASE64: &str = "must be base64 with padding, or a data: URL with such";

/// What a URL points to: the bytes in a `data:` URL with their type, or a place.
fn located<'d>(
    url: Cow<'d, str>,
    path: &dyn Fn() -> String,
) -> Result<(Source<'d>, Cow<'d, str>), RequestError> {
    if !is_data_url(&url) {
        return Ok((Source::Url(url), Cow::Borrowed("")));
    }
    let parts = taken_apart(url, |parts| parts.media_type());
    let (data, media_type) = parts.ok_or_else(|| invalid(&path(), NO_BASE64))?;
    Ok((Source::Base64(data), media_type))
}

/// The type that a file's name ends in, for the kinds that OpenAI's file inputs name.
fn type_of_name(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "json" => "application/json",
        "html" => "text/html",
        _ => "",
    }
}

/// The annotations of a text.
pub(super) fn citations(annotations: Option<Value<'_>>) -> Vec<Citation<'_>> {
    let items = annotations.into_iter().flat_map(Value::items);
    items.map(citation).collect()
}

pub(super) fn citation(annotation: Value<'_>) -> Citation<'_> {
    let text = |name: &str| annotation.text(name);
    let count = |name: &str| annotation.get(name)?.whole();
    Citation {
        text: Cow::Borrowed(""),
        url: text("url"),
        title: text("title").or_else(|| text("filename")),
        range: count("start_index").zip(count("end_index")),
        json: Cow::Borrowed(annotation.raw()),
    }
}
