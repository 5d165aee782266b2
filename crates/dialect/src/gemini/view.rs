//! One part of a content, looked at once: which of the many things a part may be it is.

use std::borrow::Cow;

use super::names::{get, named, text};
use crate::call_ids::MADE_UP;
use crate::canonical::Field;
use crate::exchange::{Content, Media, Source};
use crate::fields::{by_name, field};
use crate::json::Value;

/// Members of a part that say something about its data and are no data themselves.
const ABOUT: [&str; 8] = [
    "audioMetadata",
    "documentMetadata",
    "mediaProcessing",
    "mediaResolution",
    "partMetadata",
    "speechMetadata",
    "spreadsheetMetadata",
    "videoMetadata",
];

/// What Google documents in the place of a signature for calls that none of its models has
/// made (ai.google.dev/gemini-api/docs/thought-signatures), plain and as the SDKs encode it.
pub(super) const NO_SIGNATURE: &str = "skip_thought_signature_validator";
const NO_SIGNATURE_ENCODED: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

/// Whether a member only describes the part that it is in.
pub(super) fn is_about(name: &str) -> bool {
    ABOUT.contains(&name)
}

/// A part's members.
#[derive(Default)]
pub(super) struct View<'d> {
    pub(super) text: Option<Value<'d>>,
    pub(super) thought: bool,
    pub(super) signature: Option<Cow<'d, str>>,
    pub(super) call: Option<Value<'d>>,
    pub(super) response: Option<Value<'d>>,
    pub(super) inline: Option<Value<'d>>,
    pub(super) file: Option<Value<'d>>,
    /// What only Google's models know: executed code, calls that Google's servers make.
    pub(super) other: Option<(Cow<'d, str>, Value<'d>)>,
    pub(super) extra: Vec<Field>,
}

impl<'d> View<'d> {
    pub(super) fn of(part: Value<'d>) -> Self {
        let mut view = Self::default();
        for (name, value) in named(part) {
            match name.as_ref() {
                "text" => view.text = Some(value),
                "thought" => view.thought = value.as_bool() == Some(true),
                "thoughtSignature" => {
                    let signature = value.as_str().filter(|text| {
                        !text.is_empty() && text != NO_SIGNATURE && text != NO_SIGNATURE_ENCODED
                    });
                    view.signature = signature;
                }
                "functionCall" => view.call = Some(value),
                "functionResponse" => view.response = Some(value),
                "inlineData" => view.inline = Some(value),
                "fileData" => view.file = Some(value),
                name if is_about(name) => view.extra.push(field(name, value)),
                _ => view.other = Some((name, value)),
            }
        }
        by_name(&mut view.extra);
        view
    }

    /// The media of it, where its members have the right types.
    pub(super) fn media(&self) -> Option<Content<'d>> {
        media(self.inline, self.file)
    }
}

/// What `inlineData` or `fileData` holds.
pub(super) fn media<'d>(inline: Option<Value<'d>>, file: Option<Value<'d>>) -> Option<Content<'d>> {
    let (from, source) = match (inline, file) {
        (Some(inline), _) => (
            inline,
            Source::Base64(super::base64::standard(get(inline, "data")?.as_str()?)),
        ),
        (None, Some(file)) => {
            let uri = get(file, "fileUri")?.as_str()?;
            let source = match is_google_id(&uri) {
                true => Source::Id(uri),
                false => Source::Url(uri),
            };
            (file, source)
        }
        (None, None) => return None,
    };
    let media = Media {
        source,
        media_type: text(from, "mimeType"),
        name: get(from, "displayName").and_then(Value::as_str),
        detail: None,
    };
    let told = match &media.source {
        Source::Url(url) if media.media_type.is_empty() => type_of_url(url),
        _ => None,
    };
    Some(match told {
        Some(told) => media.of_type(told),
        None => media.into_content(),
    })
}

/// Whether a URI names what only Google's models can fetch: Cloud Storage, or the Files API.
pub(super) fn is_google_id(uri: &str) -> bool {
    const FILES: &str = "https://generativelanguage.googleapis.com/";
    uri.starts_with("gs://") || uri.starts_with(FILES) || uri.starts_with("files/")
}

/// The media type that the end of a URL's path names, for the types that Gemini documents.
pub(super) fn type_of_url(url: &str) -> Option<&'static str> {
    const TYPES: [(&str, &str); 18] = [
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("webp", "image/webp"),
        ("heic", "image/heic"),
        ("heif", "image/heif"),
        ("gif", "image/gif"),
        ("wav", "audio/wav"),
        ("mp3", "audio/mp3"),
        ("aac", "audio/aac"),
        ("ogg", "audio/ogg"),
        ("flac", "audio/flac"),
        ("mp4", "video/mp4"),
        ("mov", "video/mov"),
        ("webm", "video/webm"),
        ("mpeg", "video/mpeg"),
        ("pdf", "application/pdf"),
        ("txt", "text/plain"),
    ];
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let (_, end) = path.rsplit_once('/')?.1.rsplit_once('.')?;
    let known = TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(end));
    known.map(|(_, media_type)| *media_type)
}

/// The id of an answer's call that has none: Gemini before its third generation gives none,
/// and all others need one. The answer's own id makes it differ from those of other turns.
pub(super) fn made_up_id(answer: &str, choice: u32, call: u32) -> String {
    match (answer.is_empty(), choice) {
        (true, 0) => format!("{MADE_UP}{call}"),
        (true, _) => format!("{MADE_UP}{choice}_{call}"),
        (false, 0) => format!("call_{answer}_{call}"),
        (false, _) => format!("call_{answer}_{choice}_{call}"),
    }
}
