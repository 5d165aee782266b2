//! Writes images and documents of a request, within what Anthropic takes.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::body::Body;
use super::write_parts::Place;
use crate::data_url::{DataUrl, is_base64, is_data_url};
use crate::exchange::{Inexpressible, Media, Source};
use crate::json::write;

/// Bytes of base64 that an image may have, at Anthropic and at AWS and Google
/// (Anthropic's page on vision, limits).
const IMAGE_LIMITS: (usize, usize) = (10 * 1024 * 1024, 5 * 1024 * 1024);
/// The images that Anthropic's models see.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// Appends an open image block; false where the target takes no such image.
pub(super) fn image(
    media: &Media<'_>,
    place: Place,
    body: &mut Body<'_>,
) -> Result<bool, Inexpressible> {
    if matches!(media.detail.as_deref(), Some("low" | "high")) {
        let why = "Anthropic's models see every image in one resolution";
        body.lose(place.path(".detail"), why);
    }
    let (media_type, source) = resolved(media, place)?;
    let in_cloud = in_cloud(body);
    if let Source::Base64(data) = &source {
        let media_type = if media_type == "image/jpg" {
            "image/jpeg"
        } else {
            &media_type
        };
        if !IMAGES.contains(&media_type) {
            return Err(refuse(
                place,
                "Anthropic's models see JPEG, PNG, GIF and WebP only",
            ));
        }
        let (standard, cloud) = IMAGE_LIMITS;
        let limit = if in_cloud { cloud } else { standard };
        if data.len() > limit {
            let (size, limit) = (mebibytes(data.len()), mebibytes(limit));
            let why =
                format!("the image has {size} in base64, over this upstream's limit of {limit}");
            return Err(refuse(place, why));
        }
        write::text(&mut body.out, "type", "image");
        write::object(&mut body.out, "source", |out| {
            base64_source(media_type, data, out)
        });
        return Ok(true);
    }
    if in_cloud {
        let why = "Anthropic's models at AWS and Google take images in the request only";
        body.lose(place.path(""), why);
        return Ok(false);
    }
    write::text(&mut body.out, "type", "image");
    let written = write::object(&mut body.out, "source", |out| reference(&source, out));
    if !written {
        body.lose(place.path(""), "text can't be an image");
    }
    Ok(written)
}

/// Appends an open document block; false where the target takes no such file.
pub(super) fn document(
    media: &Media<'_>,
    place: Place,
    body: &mut Body<'_>,
) -> Result<bool, Inexpressible> {
    let (media_type, source) = resolved(media, place)?;
    let is_text = media_type.starts_with("text/");
    match &source {
        Source::Base64(_) if !is_text && media_type != "application/pdf" => {
            let why = "Anthropic's models read PDF and plain text only";
            body.lose(place.path(""), why);
            return Ok(false);
        }
        Source::Url(_) | Source::Id(_) if in_cloud(body) => {
            let why = "Anthropic's models at AWS and Google take files in the request only";
            body.lose(place.path(""), why);
            return Ok(false);
        }
        _ => {}
    }
    write::text(&mut body.out, "type", "document");
    write::object(&mut body.out, "source", |out| {
        match &source {
            Source::Base64(data) if is_text => {
                let Some(text) = decoded(data) else {
                    return Err(refuse(place, "the text is not UTF-8"));
                };
                text_source(&text, out);
            }
            Source::Base64(data) => base64_source(&media_type, data, out),
            Source::Text(text) => text_source(text, out),
            _ => {
                reference(&source, out);
            }
        }
        Ok(())
    })?;
    write::text_if(&mut body.out, "title", media.name.as_deref());
    Ok(true)
}

fn in_cloud(body: &Body<'_>) -> bool {
    body.options.profile.is_in_cloud()
}

fn base64_source(media_type: &str, data: &str, out: &mut String) {
    write::text(out, "type", "base64");
    write::text(out, "media_type", media_type);
    write::name(out, "data");
    // Base64 has nothing to escape.
    write::quoted(out, |out| out.push_str(data));
}

fn text_source(text: &str, out: &mut String) {
    write::text(out, "type", "text");
    write::text(out, "media_type", "text/plain");
    write::text(out, "data", text);
}

fn reference(source: &Source<'_>, out: &mut String) -> bool {
    let (kind, member, text) = match source {
        Source::Url(url) => ("url", "url", url),
        Source::Id(id) => ("file", "file_id", id),
        Source::Base64(_) | Source::Text(_) => return false,
    };
    write::text(out, "type", kind);
    write::text(out, member, text);
    true
}

/// The type and the source, a `data:` URL taken apart, and both within reason.
fn resolved<'m>(
    media: &'m Media<'_>,
    place: Place,
) -> Result<(Cow<'m, str>, Source<'m>), Inexpressible> {
    let borrowed = |text: &'m str| Cow::Borrowed(text);
    let (media_type, source) = match &media.source {
        Source::Url(url) if is_data_url(url) => {
            let Some(parts) = DataUrl::split(url) else {
                return Err(refuse(
                    place,
                    "its data: URL is not of the form data:TYPE;base64,DATA",
                ));
            };
            let data = Source::Base64(borrowed(parts.data));
            (borrowed(parts.media_type()), data)
        }
        Source::Url(url) => {
            if !url.starts_with("https://") && !url.starts_with("http://") {
                return Err(refuse(place, "Anthropic fetches http and https URLs only"));
            }
            (borrowed(&media.media_type), Source::Url(borrowed(url)))
        }
        Source::Base64(data) => (borrowed(&media.media_type), Source::Base64(borrowed(data))),
        Source::Id(id) => (borrowed(&media.media_type), Source::Id(borrowed(id))),
        Source::Text(text) => (borrowed(&media.media_type), Source::Text(borrowed(text))),
    };
    if let Source::Base64(data) = &source
        && !is_base64(data)
    {
        return Err(refuse(place, "its data is not base64 with padding"));
    }
    Ok((media_type, source))
}

fn refuse(place: Place, why: impl Into<String>) -> Inexpressible {
    Inexpressible::new(place.path(""), why.into())
}

fn mebibytes(bytes: usize) -> String {
    format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0))
}

/// Base64 of UTF-8, its last bits whatever they are.
fn decoded(data: &str) -> Option<String> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(&STANDARD, LENIENT);
    String::from_utf8(engine.decode(data).ok()?).ok()
}
