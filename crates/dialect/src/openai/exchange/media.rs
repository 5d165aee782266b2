//! Media in chat: `data:` URLs taken apart and put together, and the names of audio formats.

use std::borrow::Cow;
use std::ops::Range;

use crate::exchange::Source;

/// Why a text is no medium.
pub(super) const BAD_DATA_URL: &str =
    "must be an http(s) URL or 'data:TYPE;base64,' followed by base64 with padding";
pub(super) const BAD_BASE64: &str = "must be base64 with padding";

/// The part of a text, borrowed where the text is.
fn slice<'d>(text: &Cow<'d, str>, range: Range<usize>) -> Cow<'d, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(range).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(text.get(range).unwrap_or_default().to_owned()),
    }
}

/// Whether this is base64 of RFC 4648, section 4, padded, and not empty.
pub(super) fn is_base64(text: &str) -> bool {
    let bytes = text.as_bytes();
    let content = bytes.strip_suffix(b"==").or(bytes.strip_suffix(b"="));
    let content = content.unwrap_or(bytes);
    // Without an early exit, so that the check runs over many bytes at once.
    let good = |chunk: &[u8]| {
        chunk.iter().fold(true, |good, byte| {
            good & (byte.is_ascii_alphanumeric() | (*byte == b'+') | (*byte == b'/'))
        })
    };
    !content.is_empty() && bytes.len().is_multiple_of(4) && content.chunks(4096).all(good)
}

/// A URL or a `data:` URL: where the bytes are, and their type where it is told. None where
/// it is a `data:` URL that is not base64.
pub(super) fn read_url<'d>(url: Cow<'d, str>) -> Option<(Source<'d>, Cow<'d, str>)> {
    let is_data = url
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    if !is_data {
        return Some((Source::Url(url), Cow::Borrowed("")));
    }
    let comma = memchr::memchr(b',', url.as_bytes())?;
    let head = url.get(5..comma)?;
    let at = head.len().checked_sub(";base64".len())?;
    if !head.get(at..)?.eq_ignore_ascii_case(";base64") || !is_base64(url.get(comma + 1..)?) {
        return None;
    }
    let media_type = slice(&url, 5..5 + at);
    let data = slice(&url, comma + 1..url.len());
    Some((Source::Base64(data), media_type))
}

/// Appends a `data:` URL as a JSON string. Neither part has anything to escape but what a
/// client made up, which is refused here.
pub(super) fn write_data_url(media_type: &str, data: &str, out: &mut String) {
    out.push_str("\"data:");
    out.extend(
        media_type
            .chars()
            .filter(|c| !matches!(c, '"' | '\\' | ',') && !c.is_control()),
    );
    out.push_str(";base64,");
    out.push_str(data);
    out.push('"');
}

/// OpenAI's names of audio formats (`wav`, `mp3` for prompts) and the media types they stand
/// for; the first of a name is written, the others are read too.
const AUDIO: [(&str, &str); 13] = [
    ("wav", "audio/wav"),
    ("wav", "audio/x-wav"),
    ("wav", "audio/wave"),
    ("mp3", "audio/mpeg"),
    ("mp3", "audio/mp3"),
    ("flac", "audio/flac"),
    ("opus", "audio/opus"),
    ("ogg", "audio/ogg"),
    ("aac", "audio/aac"),
    ("m4a", "audio/mp4"),
    ("webm", "audio/webm"),
    ("aiff", "audio/aiff"),
    ("pcm16", "audio/pcm"),
];

/// The media type of an audio format.
pub(super) fn type_of_format<'d>(format: Cow<'d, str>) -> Cow<'d, str> {
    let known = AUDIO.iter().find(|(name, _)| *name == format);
    known.map_or_else(
        || Cow::Owned(format!("audio/{format}")),
        |(_, media_type)| Cow::Borrowed(*media_type),
    )
}

/// The format of an audio's media type; none where it is not told.
pub(super) fn format_of_type(media_type: &str) -> Option<&str> {
    let plain = media_type.split(';').next().unwrap_or_default().trim();
    let known = AUDIO.iter().find(|(_, known)| *known == plain);
    known
        .map(|(name, _)| *name)
        .or_else(|| plain.strip_prefix("audio/"))
        .filter(|name| !name.is_empty())
}
