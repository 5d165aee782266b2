//! Images, sounds and files in prompts.

use std::borrow::Cow;

use super::part::Content;

/// Where a medium's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source<'a> {
    /// At a URL, which is passed on as a URL.
    Url(Cow<'a, str>),
    /// In the request: base64 with padding, never decoded here unless a target needs its size.
    Base64(Cow<'a, str>),
    /// At the provider, under an id that only that provider knows.
    Id(Cow<'a, str>),
    /// Plain text in the place of a document.
    Text(Cow<'a, str>),
}

/// An image, a sound or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media<'a> {
    /// Its bytes.
    pub source: Source<'a>,
    /// Its type, such as `image/png`; empty where it is not told (a URL).
    pub media_type: Cow<'a, str>,
    /// A file's name, where told.
    pub name: Option<Cow<'a, str>>,
    /// An image's `detail` as OpenAI has it: `low`, `high`, `auto`.
    pub detail: Option<Cow<'a, str>>,
}

impl<'a> Media<'a> {
    /// A medium of which no more is told.
    pub(crate) fn new(source: Source<'a>, media_type: impl Into<Cow<'a, str>>) -> Self {
        Self {
            source,
            media_type: media_type.into(),
            name: None,
            detail: None,
        }
    }

    /// The part that it is by its type; a file, where that says nothing.
    pub(crate) fn into_content(self) -> Content<'a> {
        let told = self.media_type.clone();
        self.of_type(&told)
    }

    /// The part that it is as a medium of that type.
    pub(crate) fn of_type(self, media_type: &str) -> Content<'a> {
        match media_type.split('/').next() {
            Some("image") => Content::Image(self),
            Some("audio") => Content::Audio(self),
            Some("video") => Content::Video(self),
            _ => Content::File(self),
        }
    }

    /// The same, whatever it was read from.
    pub(crate) fn into_owned(self) -> Media<'static> {
        let owned = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        Media {
            source: match self.source {
                Source::Url(text) => Source::Url(owned(text)),
                Source::Base64(text) => Source::Base64(owned(text)),
                Source::Id(text) => Source::Id(owned(text)),
                Source::Text(text) => Source::Text(owned(text)),
            },
            media_type: owned(self.media_type),
            name: self.name.map(owned),
            detail: self.detail.map(owned),
        }
    }

    /// What it is by its type: `image`, `audio`, `video`, or else `file`.
    pub(crate) fn kind(&self) -> &'static str {
        let kind = self.media_type.split('/').next().unwrap_or_default();
        let known = ["image", "audio", "video"];
        known
            .into_iter()
            .find(|known| *known == kind)
            .unwrap_or("file")
    }

    /// Whether it says that it is an image.
    pub(crate) fn is_image(&self) -> bool {
        self.media_type.starts_with("image/")
    }

    /// Its type as that of an image, without parameters: PNG where it is not told.
    pub(crate) fn image_type(&self) -> &str {
        let plain = self.media_type.split(';').next().unwrap_or_default().trim();
        match plain.starts_with("image/") {
            true => plain,
            false => "image/png",
        }
    }
}
