//! Images, sounds and files in prompts.

use std::borrow::Cow;

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
