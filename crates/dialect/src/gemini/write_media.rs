//! Writes images, sounds, videos and files of requests.

use super::base64;
use super::emit::{file_data, inline_data};
use super::view::is_google_id;
use crate::data_url::{DataUrl, is_data_url};
use crate::exchange::{Inexpressible, Losses, Media, Source};

/// The most bytes that one medium may have in the request itself, and that a PDF may have
/// (ai.google.dev/gemini-api/docs/file-input-methods).
const MAX_INLINE: usize = 100_000_000;
const MAX_INLINE_PDF: usize = 50_000_000;

/// A part's place: message and part.
#[derive(Clone, Copy)]
pub(super) struct At(pub(super) usize, pub(super) usize);

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "messages[{}].content[{}]", self.0, self.1)
    }
}

/// Writes a medium's member of a part.
pub(super) fn write_media(
    media: &Media<'_>,
    at: At,
    lost: &mut Losses,
    out: &mut String,
) -> Result<(), Inexpressible> {
    if media
        .detail
        .as_deref()
        .is_some_and(|detail| detail != "auto")
    {
        let param = format!("{at}.detail");
        lost.push(param, "Gemini has no detail of one image");
    }
    let label = media.name.as_deref();
    match &media.source {
        Source::Url(url) if is_data_url(url) => {
            let parts = DataUrl::split(url)
                .ok_or_else(|| inexpressible(&at.to_string(), "it is not a base64 data: URL"))?;
            inline(parts.media_type(), parts.data, label, at, out)
        }
        Source::Base64(data) => inline(&media.media_type, data, label, at, out),
        Source::Url(url) => {
            file_data(out, &media.media_type, url, label);
            Ok(())
        }
        Source::Id(id) if is_google_id(id) => {
            file_data(out, &media.media_type, id, label);
            Ok(())
        }
        Source::Id(_) => Err(inexpressible(
            &at.to_string(),
            "it is a file at another provider: Gemini takes gs:// and its own files",
        )),
        Source::Text(text) => {
            let mut data = String::with_capacity(text.len().div_ceil(3) * 4);
            base64::encode(text.as_bytes(), &mut data);
            inline("text/plain", &data, label, at, out)
        }
    }
}

pub(super) fn inexpressible(param: &str, why: &str) -> Inexpressible {
    Inexpressible::new(param.to_owned(), why.to_owned())
}

fn inline(
    media_type: &str,
    data: &str,
    label: Option<&str>,
    at: At,
    out: &mut String,
) -> Result<(), Inexpressible> {
    if media_type.is_empty() {
        return Err(inexpressible(&at.to_string(), "its media type is missing"));
    }
    let Some(bytes) = base64::decoded_len(data) else {
        return Err(inexpressible(&at.to_string(), "its data is not base64"));
    };
    let limit = match media_type {
        "application/pdf" => MAX_INLINE_PDF,
        _ => MAX_INLINE,
    };
    if bytes > limit {
        return Err(Inexpressible::new(
            at.to_string(),
            format!("it has {bytes} bytes, over Gemini's limit of {limit}"),
        ));
    }
    inline_data(out, media_type, data, label);
    Ok(())
}
