//! Writes the content of a message: one text as a string, anything else as parts.

use super::media::{format_of_type, write_data_url};
use super::object::{Body, UNKNOWN};
use super::reasoning;
use super::traits::MediaForm;
use crate::data_url::is_base64;
use crate::exchange::{CacheMarker, Content, Inexpressible, Media, Part, Source};
use crate::json::write;
use crate::json::write_json_string;

/// Where content stands, by its message's position.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// In a message.
    Message(usize),
    /// In a tool's result.
    Result(usize),
}

impl Place {
    fn path(self, part: usize) -> String {
        let (Place::Message(message) | Place::Result(message)) = self;
        format!("messages[{message}].content[{part}]")
    }
}

/// Appends a content: a string where it is no more than one text.
pub(super) fn content<'p, 'd: 'p>(
    place: Place,
    parts: impl Iterator<Item = (usize, &'p Part<'d>)> + Clone,
    body: &mut Body<'_>,
) -> Result<(), Inexpressible> {
    let mut all = parts.clone();
    match (all.next(), all.next()) {
        (None, _) => {
            body.out.push_str("\"\"");
            return Ok(());
        }
        (Some((at, part)), None) => {
            if let Some(text) = as_text(part, body) {
                note(place, at, part, body);
                if !marks(part.cache.as_ref(), body) {
                    write_json_string(text, &mut body.out);
                    return Ok(());
                }
            }
        }
        _ => {}
    }
    let begin = body.out.len();
    body.out.push('[');
    for (at, part) in parts {
        let before = body.out.len();
        if before > begin + 1 {
            body.out.push(',');
        }
        if one(place, at, part, body)? {
            // The part's closing bracket is left off for the marker.
            breakpoint(part.cache.as_ref(), body);
            body.out.push('}');
            note(place, at, part, body);
        } else {
            body.out.truncate(before);
        }
    }
    if body.out.len() == begin + 1 {
        body.out.truncate(begin);
        body.out.push_str("\"\"");
    } else {
        body.out.push(']');
    }
    Ok(())
}

/// A part that is text to the target.
fn as_text<'p>(part: &'p Part<'_>, body: &Body<'_>) -> Option<&'p str> {
    match &part.content {
        Content::Text { text, .. } => Some(text),
        Content::Refusal(text) if !body.traits.refusal => Some(text),
        _ => None,
    }
}

/// Whether the target takes this marker: OpenAI's own have lifetimes of its own.
fn marks(cache: Option<&CacheMarker<'_>>, body: &Body<'_>) -> bool {
    let ttl = cache.and_then(|cache| cache.ttl.as_deref());
    body.traits.breakpoints && matches!(ttl, Some("30m" | "12h"))
}

fn breakpoint(cache: Option<&CacheMarker<'_>>, body: &mut Body<'_>) {
    if !marks(cache, body) {
        return;
    }
    body.out
        .push_str(",\"prompt_cache_breakpoint\":{\"mode\":\"explicit\"");
    if let Some(ttl) = cache.and_then(|cache| cache.ttl.as_deref()) {
        write::text(&mut body.out, "ttl", ttl);
    }
    body.out.push('}');
}

/// Notes what is lost of a part that is written itself.
fn note(place: Place, at: usize, part: &Part<'_>, body: &mut Body<'_>) {
    if part.cache.is_some() && !marks(part.cache.as_ref(), body) {
        let why = "the target caches prompts by itself";
        body.lose(place.path(at) + ".cache_control", why);
    }
    for field in &part.extra {
        let param = format!("{}.{}", place.path(at), field.name);
        body.lose(param, UNKNOWN);
    }
}

/// Appends a part without its closing bracket. False where the target has no such part, which
/// is noted.
fn one(
    place: Place,
    at: usize,
    part: &Part<'_>,
    body: &mut Body<'_>,
) -> Result<bool, Inexpressible> {
    let path = || place.path(at);
    if let Some(text) = as_text(part, body) {
        write::tagged(&mut body.out, "text");
        write::text(&mut body.out, "text", text);
        return Ok(true);
    }
    let form = body.traits.media;
    let is_media = !matches!(part.content, Content::Refusal(_));
    if is_media && matches!(place, Place::Result(_)) && !body.traits.result_media {
        let why = "results of tools are text in OpenAI's chat completions";
        body.lose(path(), why);
        return Ok(false);
    }
    let why = match &part.content {
        Content::Refusal(text) => {
            write::tagged(&mut body.out, "refusal");
            write::text(&mut body.out, "refusal", text);
            return Ok(true);
        }
        Content::Reasoning {
            text, signature, ..
        } => {
            if text.is_empty() && signature.is_none() {
                return Ok(false);
            }
            reasoning::write_part(text, signature.as_deref(), &mut body.out);
            body.out.pop();
            return Ok(true);
        }
        Content::Image(media) => match url("image_url", media, &path, &mut body.out)? {
            true => return Ok(true),
            false => "chat completions take images by URL or with their bytes",
        },
        Content::Audio(media) => match audio(form, media, &path, &mut body.out)? {
            true => return Ok(true),
            false => "this target's chat completions don't take audio from there",
        },
        Content::Video(media) if matches!(form, MediaForm::Engine | MediaForm::Any) => {
            match url("video_url", media, &path, &mut body.out)? {
                true => return Ok(true),
                false => "chat completions take videos by URL or with their bytes",
            }
        }
        Content::Video(_) => "this target's chat completions take no video",
        Content::File(media) => match file(form, media, &path, body)? {
            true => return Ok(true),
            false => "this target's chat completions don't take files from there",
        },
        _ => UNKNOWN,
    };
    body.lose(path(), why);
    Ok(false)
}

/// What a dialect took for base64 without looking.
fn good(data: &str, path: &dyn Fn() -> String) -> Result<(), Inexpressible> {
    if is_base64(data) {
        return Ok(());
    }
    Err(Inexpressible {
        param: path(),
        why: "its bytes are not base64 with padding".to_owned(),
    })
}

/// The type of good bytes: without one they are no `data:` URL.
fn typed<'m>(
    media: &'m Media<'_>,
    data: &str,
    path: &dyn Fn() -> String,
) -> Result<&'m str, Inexpressible> {
    good(data, path)?;
    if media.media_type.is_empty() {
        return Err(Inexpressible {
            param: path(),
            why: "its media type is missing, and a data: URL needs one".to_owned(),
        });
    }
    Ok(&media.media_type)
}

/// `{"type": NAME, NAME: {"url": ...`, without the last bracket.
fn url(
    name: &str,
    media: &Media<'_>,
    path: &dyn Fn() -> String,
    out: &mut String,
) -> Result<bool, Inexpressible> {
    let data = match &media.source {
        Source::Url(_) => None,
        Source::Base64(data) => Some((typed(media, data, path)?, data)),
        Source::Id(_) | Source::Text(_) => return Ok(false),
    };
    for piece in ["{\"type\":\"", name, "\",\"", name, "\":{\"url\":"] {
        out.push_str(piece);
    }
    match (&media.source, data) {
        (_, Some((media_type, data))) => write_data_url(media_type, data, out),
        (Source::Url(url), None) => write_json_string(url, out),
        _ => {}
    }
    if let Some(detail) = &media.detail {
        write::text(out, "detail", detail);
    }
    out.push('}');
    Ok(true)
}

fn audio(
    form: MediaForm,
    media: &Media<'_>,
    path: &dyn Fn() -> String,
    out: &mut String,
) -> Result<bool, Inexpressible> {
    match (&media.source, form) {
        (Source::Base64(text) | Source::Url(text), MediaForm::Mistral) => {
            write::tagged(out, "input_audio");
            write::text(out, "input_audio", text);
        }
        (Source::Base64(data), _) => {
            let Some(format) = format_of_type(&media.media_type) else {
                return Err(Inexpressible {
                    param: path(),
                    why: "its format is missing, and input_audio needs one".to_owned(),
                });
            };
            good(data, path)?;
            out.push_str("{\"type\":\"input_audio\",\"input_audio\":{");
            write::text(out, "data", data);
            write::text(out, "format", format);
            out.push('}');
        }
        (Source::Url(_), MediaForm::Engine | MediaForm::Any) => {
            return url("audio_url", media, path, out);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn file(
    form: MediaForm,
    media: &Media<'_>,
    path: &dyn Fn() -> String,
    body: &mut Body<'_>,
) -> Result<bool, Inexpressible> {
    let out = &mut body.out;
    match (&media.source, form) {
        // A document of plain text is text.
        (Source::Text(text), _) => {
            write::tagged(out, "text");
            write::text(out, "text", text);
            if media.name.is_some() {
                let why = "a text has no name in chat completions";
                body.lose(path() + ".name", why);
            }
        }
        (_, MediaForm::Engine) => return Ok(false),
        (Source::Id(id), MediaForm::Mistral) => {
            write::tagged(out, "file");
            write::text(out, "file_id", id);
        }
        (source, MediaForm::Mistral) => {
            out.push_str("{\"type\":\"document_url\",\"document_url\":");
            match source {
                Source::Base64(data) => write_data_url(typed(media, data, path)?, data, out),
                Source::Url(url) => write_json_string(url, out),
                _ => return Ok(false),
            }
            if let Some(name) = &media.name {
                write::text(out, "document_name", name);
            }
        }
        (Source::Url(_), _) => return Ok(false),
        (source, _) => {
            out.push_str("{\"type\":\"file\",\"file\":{");
            match source {
                Source::Id(id) => {
                    out.push_str("\"file_id\":");
                    write_json_string(id, out);
                }
                Source::Base64(data) => {
                    good(data, path)?;
                    out.push_str("\"file_data\":");
                    // Without a type the bytes stand for themselves, as the client sent them.
                    match media.media_type.is_empty() {
                        true => write_json_string(data, out),
                        false => write_data_url(&media.media_type, data, out),
                    }
                }
                _ => return Ok(false),
            }
            if let Some(name) = &media.name {
                write::text(out, "filename", name);
            }
            out.push('}');
        }
    }
    Ok(true)
}
