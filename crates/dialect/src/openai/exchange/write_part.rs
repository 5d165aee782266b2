//! Writes the content of a message: one text as a string, anything else as parts.

use super::media::format_of_type;
use super::object::{Body, UNKNOWN};
use super::reasoning;
use super::traits::MediaForm;
use crate::data_url::{is_base64, write_data_url};
use crate::exchange::{CacheMarker, Content, Inexpressible, Media, Part, Source};
use crate::json::write;

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

/// Writes the member `content`: a string where it is no more than one text.
pub(super) fn content<'p, 'd: 'p>(
    place: Place,
    parts: impl Iterator<Item = (usize, &'p Part<'d>)> + Clone,
    body: &mut Body<'_>,
) -> Result<(), Inexpressible> {
    let mut all = parts.clone();
    if let (Some((at, part)), None) = (all.next(), all.next())
        && let Some(text) = as_text(part, body)
        && !marks(part.cache.as_ref(), body)
    {
        note(place, at, part, body);
        write::text(&mut body.out, "content", text);
        return Ok(());
    }
    let begin = body.out.len();
    write::some_list(body, "content", |body| {
        for (at, part) in parts {
            let before = body.out.len();
            if write::braces(body, |body| one(place, at, part, body))? {
                note(place, at, part, body);
            } else {
                body.out.truncate(before);
            }
        }
        Ok(())
    })?;
    if body.out.len() == begin {
        write::text(&mut body.out, "content", "");
    }
    Ok(())
}

/// A part that is text to the target.
fn as_text<'p>(part: &'p Part<'_>, body: &Body<'_>) -> Option<&'p str> {
    match &part.content {
        Content::Text { text, .. } => Some(text),
        Content::Refusal(text) if !body.about.refusal => Some(text),
        _ => None,
    }
}

/// Whether the target takes this marker: OpenAI's own have lifetimes of its own.
fn marks(cache: Option<&CacheMarker<'_>>, body: &Body<'_>) -> bool {
    let ttl = cache.and_then(|cache| cache.ttl.as_deref());
    body.about.breakpoints && matches!(ttl, Some("30m" | "12h"))
}

fn breakpoint(cache: Option<&CacheMarker<'_>>, body: &mut Body<'_>) {
    if marks(cache, body) {
        write::object(&mut body.out, "prompt_cache_breakpoint", |out| {
            write::text(out, "mode", "explicit");
            write::text_if(out, "ttl", cache.and_then(|cache| cache.ttl.as_deref()));
        });
    }
}

/// Notes what is lost of a part that is written itself.
fn note(place: Place, at: usize, part: &Part<'_>, body: &mut Body<'_>) {
    if part.cache.is_some() && !marks(part.cache.as_ref(), body) {
        let why = "the target caches prompts by itself";
        body.lose(place.path(at) + ".cache_control", why);
    }
    body.lost.unknown(&part.extra, || place.path(at), UNKNOWN);
}

/// Writes a part's members. False where the target has no such part, which is noted.
fn one(
    place: Place,
    at: usize,
    part: &Part<'_>,
    body: &mut Body<'_>,
) -> Result<bool, Inexpressible> {
    let path: &dyn Fn() -> String = &|| place.path(at);
    let form = body.about.media;
    let is_media = !matches!(part.content, Content::Refusal(_));
    let (written, why) = if let Some(text) = as_text(part, body) {
        named("text", text, &mut body.out);
        (true, "")
    } else if is_media && matches!(place, Place::Result(_)) && !body.about.result_media {
        (
            false,
            "tool results can contain only text in OpenAI's chat completions",
        )
    } else {
        match &part.content {
            Content::Refusal(text) => {
                named("refusal", text, &mut body.out);
                (true, "")
            }
            Content::Reasoning(of) => {
                if of.text.is_empty() && of.signature.is_none() {
                    return Ok(false);
                }
                reasoning::write_part(&of.text, of.signature.as_deref(), &mut body.out);
                (true, "")
            }
            Content::Image(media) => (
                url("image_url", media, path, &mut body.out)?,
                "chat completions accept images only by URL or as data",
            ),
            Content::Audio(media) => (
                audio(form, media, path, &mut body.out)?,
                "this target's chat completions don't take audio from there",
            ),
            Content::Video(media) if matches!(form, MediaForm::Engine | MediaForm::Any) => (
                url("video_url", media, path, &mut body.out)?,
                "chat completions accept videos only by URL or as data",
            ),
            Content::Video(_) => (false, "this target's chat completions take no video"),
            Content::File(media) => (
                file(form, media, path, body)?,
                "this target's chat completions don't take files from there",
            ),
            _ => (false, UNKNOWN),
        }
    };
    if written {
        breakpoint(part.cache.as_ref(), body);
    } else {
        body.lose(path(), why);
    }
    Ok(written)
}

/// The members of a part that says its type, and under that name a text.
fn named(kind: &str, said: &str, out: &mut String) {
    write::text(out, "type", kind);
    write::text(out, kind, said);
}

/// What a dialect took for base64 without looking.
fn good(data: &str, path: &dyn Fn() -> String) -> Result<(), Inexpressible> {
    if is_base64(data) {
        return Ok(());
    }
    Err(Inexpressible::new(
        path(),
        "its bytes are not base64 with padding",
    ))
}

/// The type of good bytes: without one they are no `data:` URL.
fn typed<'m>(
    media: &'m Media<'_>,
    data: &str,
    path: &dyn Fn() -> String,
) -> Result<&'m str, Inexpressible> {
    good(data, path)?;
    if media.media_type.is_empty() {
        return Err(Inexpressible::new(
            path(),
            "its media type is missing, and a data: URL needs one",
        ));
    }
    Ok(&media.media_type)
}

/// `"type": KIND, KIND: {"url": …}`.
fn url(
    kind: &str,
    media: &Media<'_>,
    path: &dyn Fn() -> String,
    out: &mut String,
) -> Result<bool, Inexpressible> {
    let known = match &media.source {
        Source::Url(url) => (None, url),
        Source::Base64(data) => (Some(typed(media, data, path)?), data),
        Source::Id(_) | Source::Text(_) => return Ok(false),
    };
    write::text(out, "type", kind);
    write::object(out, kind, |out| {
        match known {
            (Some(media_type), data) => {
                write::name(out, "url");
                write_data_url(media_type, data, out);
            }
            (None, url) => write::text(out, "url", url),
        }
        write::text_if(out, "detail", media.detail.as_deref());
    });
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
            named("input_audio", text, out);
        }
        (Source::Base64(data), _) => {
            let Some(format) = format_of_type(&media.media_type) else {
                return Err(Inexpressible::new(
                    path(),
                    "its format is missing, and input_audio needs one",
                ));
            };
            good(data, path)?;
            write::text(out, "type", "input_audio");
            write::object(out, "input_audio", |out| {
                write::text(out, "data", data);
                write::text(out, "format", format);
            });
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
            named("text", text, out);
            if media.name.is_some() {
                let why = "a text has no name in chat completions";
                body.lose(path() + ".name", why);
            }
        }
        (_, MediaForm::Engine) => return Ok(false),
        (Source::Id(id), MediaForm::Mistral) => {
            write::text(out, "type", "file");
            write::text(out, "file_id", id);
        }
        (source, MediaForm::Mistral) => {
            write::text(out, "type", "document_url");
            match source {
                Source::Base64(data) => {
                    let media_type = typed(media, data, path)?;
                    write::name(out, "document_url");
                    write_data_url(media_type, data, out);
                }
                Source::Url(url) => write::text(out, "document_url", url),
                _ => return Ok(false),
            }
            write::text_if(out, "document_name", media.name.as_deref());
        }
        (Source::Url(_), _) => return Ok(false),
        (source, _) => {
            write::text(out, "type", "file");
            write::object(out, "file", |out| {
                match source {
                    Source::Base64(data) => {
                        good(data, path)?;
                        // Without a type the bytes stand for themselves, as the client sent them.
                        match media.media_type.is_empty() {
                            true => write::text(out, "file_data", data),
                            false => {
                                write::name(out, "file_data");
                                write_data_url(&media.media_type, data, out);
                            }
                        }
                    }
                    Source::Id(id) | Source::Url(id) | Source::Text(id) => {
                        write::text(out, "file_id", id);
                    }
                }
                write::text_if(out, "filename", media.name.as_deref());
                Ok(())
            })?;
        }
    }
    Ok(true)
}
