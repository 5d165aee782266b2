//! Media in chat: `data:` URLs taken apart and put together, and the names of audio formats.

use std::borrow::Cow;

use crate::data_url::{is_data_url, taken_apart, write_data_url};
use crate::exchange::{Media, Source};
use crate::json::{Value, write};

/// Why a text is no medium.
pub(super) const BAD_DATA_URL: &str =
    "must be an http(s) URL or 'data:TYPE;base64,' followed by base64 with padding";
pub(super) const BAD_BASE64: &str = "must be base64 with padding";

/// A URL or a `data:` URL: where the bytes are, and their type where it is told. None where
/// it is a `data:` URL that is not base64.
pub(super) fn read_url<'d>(url: Cow<'d, str>) -> Option<(Source<'d>, Cow<'d, str>)> {
    if !is_data_url(&url) {
        return Some((Source::Url(url), Cow::Borrowed("")));
    }
    let (data, media_type) = taken_apart(url, |parts| parts.about)?;
    Some((Source::Base64(data), media_type))
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

/// The member of a message or delta that holds what the model has drawn, as OpenRouter and LiteLLM
/// have it: a list of parts with an `image_url`.
pub(super) const DRAWN: &str = "images";

/// The images of such a list.
pub(super) fn drawn<'d>(list: Value<'d>) -> impl Iterator<Item = Media<'d>> {
    list.items().filter_map(|part| {
        let (source, media_type) = read_url(part.get("image_url")?.text("url")?)?;
        let media_type = match media_type.starts_with("image/") {
            true => media_type,
            false => Cow::Borrowed("image/*"),
        };
        Some(Media::new(source, media_type))
    })
}

/// Writes an image that the model has drawn as the next item. Nothing where no client could show it.
pub(super) fn write_drawn(media: &Media<'_>, index: u64, out: &mut String) {
    let url = match &media.source {
        Source::Url(_) | Source::Base64(_) => &media.source,
        Source::Id(_) | Source::Text(_) => return,
    };
    write::typed(out, "image_url", |out| {
        write::number(out, "index", index);
        write::object(out, "image_url", |out| match url {
            Source::Base64(data) => {
                write::name(out, "url");
                write_data_url(media.image_type(), data, out);
            }
            Source::Url(url) | Source::Id(url) | Source::Text(url) => write::text(out, "url", url),
        });
    });
}

/// A sound that the model has made, or a piece of one. Its type is told by its first bytes; pieces
/// of a stream have none of a file's, and are 16-bit samples.
pub(super) fn sound<'d>(audio: Value<'d>) -> Option<Media<'d>> {
    const BEGINNINGS: [(&str, &str); 4] = [
        ("UklGR", "audio/wav"),
        ("SUQz", "audio/mpeg"),
        ("T2dn", "audio/ogg"),
        ("ZkxhQ", "audio/flac"),
    ];
    let data = audio.text("data").filter(|data| !data.is_empty())?;
    let known = BEGINNINGS
        .iter()
        .find(|(begins, _)| data.starts_with(begins));
    Some(Media {
        source: Source::Base64(data),
        media_type: Cow::Borrowed(known.map_or("audio/pcm", |(_, media_type)| media_type)),
        name: None,
        detail: None,
    })
}
