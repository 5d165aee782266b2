//! Converse's words: formats of media, stop reasons, exceptions (service model
//! `bedrock-runtime` 2023-09-30, as botocore 1.44 carries it).

use std::borrow::Cow;

use crate::exchange::Finish;

/// A kind of medium and what Converse allows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    Image,
    Document,
    Video,
    Audio,
}

/// Formats and their media types; the first of a type is the one that is written.
type Formats = &'static [(&'static str, &'static str)];

const IMAGES: Formats = &[
    ("png", "image/png"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
];

const DOCUMENTS: Formats = &[
    ("pdf", "application/pdf"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    (
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    ("xls", "application/vnd.ms-excel"),
    (
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    ("html", "text/html"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
];

const VIDEOS: Formats = &[
    ("mkv", "video/x-matroska"),
    ("mov", "video/quicktime"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("flv", "video/x-flv"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpeg"),
    ("wmv", "video/x-ms-wmv"),
    ("three_gp", "video/3gpp"),
];

const SOUNDS: Formats = &[
    ("mp3", "audio/mpeg"),
    ("mp3", "audio/mp3"),
    ("opus", "audio/opus"),
    ("wav", "audio/wav"),
    ("wav", "audio/x-wav"),
    ("aac", "audio/aac"),
    ("x-aac", "audio/x-aac"),
    ("flac", "audio/flac"),
    ("mp4", "audio/mp4"),
    ("ogg", "audio/ogg"),
    ("mka", "audio/x-matroska"),
    ("m4a", "audio/x-m4a"),
    ("m4a", "audio/m4a"),
    ("pcm", "audio/pcm"),
    ("pcm", "audio/pcm16"),
    ("webm", "audio/webm"),
    ("mpeg", "audio/mpeg"),
    ("mpga", "audio/mpeg"),
];

impl Medium {
    /// The content block's member.
    pub(super) fn member(self) -> &'static str {
        match self {
            Medium::Image => "image",
            Medium::Document => "document",
            Medium::Video => "video",
            Medium::Audio => "audio",
        }
    }

    pub(super) fn of_member(name: &str) -> Option<Self> {
        [
            Medium::Image,
            Medium::Document,
            Medium::Video,
            Medium::Audio,
        ]
        .into_iter()
        .find(|medium| medium.member() == name)
    }

    fn formats(self) -> Formats {
        match self {
            Medium::Image => IMAGES,
            Medium::Document => DOCUMENTS,
            Medium::Video => VIDEOS,
            Medium::Audio => SOUNDS,
        }
    }

    /// The largest that is taken, in bytes, and how that is said (the service model's words on
    /// `Message.content`).
    pub(super) fn limit(self) -> Option<(usize, &'static str)> {
        match self {
            Medium::Image => Some((3_932_160, "3.75 MB")),
            Medium::Document => Some((4_718_592, "4.5 MB")),
            Medium::Video | Medium::Audio => None,
        }
    }

    /// The media type of a format; one made of the format where nobody knows it.
    pub(super) fn media_type(self, format: &str) -> Cow<'static, str> {
        let known = self.formats().iter().find(|(known, _)| *known == format);
        match (known, self) {
            (Some((_, media_type)), _) => Cow::Borrowed(*media_type),
            (None, Medium::Document) => Cow::Owned(format!("application/{format}")),
            (None, _) => Cow::Owned(format!("{}/{format}", self.member())),
        }
    }

    /// The format of a media type, whose parameters (`; charset=utf-8`) do not count.
    pub(super) fn format(self, media_type: &str) -> Option<&'static str> {
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let media_type = match media_type {
            "image/jpg" => "image/jpeg",
            other => other,
        };
        let mut formats = self.formats().iter();
        let found = formats.find(|(_, known)| known.eq_ignore_ascii_case(media_type));
        found.map(|(format, _)| *format)
    }

    /// The format that a file's name ends with.
    pub(super) fn format_of_name(self, name: &str) -> Option<&'static str> {
        let (_, ending) = name.rsplit_once('.')?;
        let ending = match ending {
            "jpg" => "jpeg",
            "htm" => "html",
            "3gp" => "three_gp",
            other => other,
        };
        let mut formats = self.formats().iter();
        let found = formats.find(|(known, _)| known.eq_ignore_ascii_case(ending));
        found.map(|(format, _)| *format)
    }
}

/// Why an answer ended. `stop` is the stop sequence, where that is told.
pub(super) fn finish_of(reason: &str, stop: Option<String>) -> Finish {
    match reason {
        "end_turn" => Finish::Stop,
        "stop_sequence" => Finish::StopSequence(stop),
        "tool_use" => Finish::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "guardrail_intervened" | "content_filtered" => Finish::Refused,
        other => Finish::Other(other.to_owned()),
    }
}

/// Converse's word for why an answer ended.
pub(super) fn stop_reason(finish: &Finish) -> &str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::StopSequence(_) => "stop_sequence",
        Finish::ToolCalls => "tool_use",
        Finish::Length => "max_tokens",
        Finish::Refused => "content_filtered",
        Finish::Other(other) => other,
    }
}

/// What a block that only Converse knows is called.
pub(super) const OWN_BLOCKS: [&str; 11] = [
    "audio",
    "cachePoint",
    "document",
    "guardContent",
    "image",
    "searchResult",
    "toolAddition",
    "toolRemoval",
    "toolResult",
    "toolUse",
    "video",
];

/// Top-level fields that have no counterpart elsewhere and are kept as they are.
pub(super) const OWN_FIELDS: [&str; 5] = [
    "additionalModelResponseFieldPaths",
    "guardrailConfig",
    "performanceConfig",
    "projectIdentifier",
    "promptVariables",
];

/// Whether a model's id or ARN shows that it is one of Anthropic's. That of an application's
/// inference profile shows nothing.
pub(super) fn is_claude(model: &str) -> bool {
    model.contains("anthropic.")
}

/// Whether it is one of Amazon's Nova.
pub(super) fn is_nova(model: &str) -> bool {
    model.contains("amazon.nova")
}
