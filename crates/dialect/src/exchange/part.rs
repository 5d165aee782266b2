//! One piece of a message: text, media, a call, its result, reasoning, a refusal.

use std::borrow::Cow;

use super::media::Media;
use crate::canonical::Field;

/// A provider's cache marker: everything up to and including this part may be cached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheMarker<'a> {
    /// Anthropic's `ttl` (`5m`, `1h`), where told.
    pub ttl: Option<Cow<'a, str>>,
}

/// Where a stretch of an answer comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Citation<'a> {
    /// The cited text.
    pub text: Cow<'a, str>,
    /// The source's URL, where it has one.
    pub url: Option<Cow<'a, str>>,
    /// The source's title.
    pub title: Option<Cow<'a, str>>,
    /// First and one past the last character of the answer's stretch, where told.
    pub range: Option<(u64, u64)>,
    /// The citation as its dialect wrote it, JSON, for a target of the same dialect.
    pub json: Cow<'a, str>,
}

impl Citation<'_> {
    /// The same, owning what it says.
    pub(crate) fn into_owned(self) -> Citation<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Citation {
            text: own(self.text),
            url: self.url.map(own),
            title: self.title.map(own),
            range: self.range,
            json: own(self.json),
        }
    }
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall<'a> {
    /// The call's id; never empty in what crosses (readers make one where a dialect has none,
    /// such as `call_0` by the call's position, and writers of such dialects leave it out).
    pub id: Cow<'a, str>,
    /// The tool's name.
    pub name: Cow<'a, str>,
    /// The arguments: JSON text of an object for functions, anything for custom tools.
    pub arguments: Cow<'a, str>,
    /// OpenAI's custom tool, whose input is free text.
    pub custom: bool,
}

impl<'a> ToolCall<'a> {
    /// A call of a function.
    pub(crate) fn function(
        id: impl Into<Cow<'a, str>>,
        name: impl Into<Cow<'a, str>>,
        arguments: impl Into<Cow<'a, str>>,
    ) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
            custom: false,
        }
    }
}

/// What a tool gave back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult<'a> {
    /// The call's id.
    pub call_id: Cow<'a, str>,
    /// The tool's name, where the dialect tells it (Gemini) or the call before names it.
    pub name: Option<Cow<'a, str>>,
    /// Text and media.
    pub parts: Vec<Part<'a>>,
    /// The tool failed.
    pub is_error: bool,
}

/// What the assistant has thought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thought<'a> {
    /// The text; empty where it is hidden.
    pub text: Cow<'a, str>,
    /// The provider's signature, without which it takes the reasoning back no more
    /// (Anthropic's `signature`, Gemini's `thoughtSignature`, OpenAI's `encrypted_content`).
    pub signature: Option<Cow<'a, str>>,
    /// Hidden reasoning: opaque bytes (Anthropic's `redacted_thinking`, Bedrock's `redactedContent`).
    pub redacted: Option<Cow<'a, str>>,
}

impl<'a> Thought<'a> {
    /// What the provider signed.
    pub(crate) fn signed(text: Cow<'a, str>, signature: Option<Cow<'a, str>>) -> Content<'a> {
        let redacted = None;
        Content::Reasoning(Self {
            text,
            signature,
            redacted,
        })
    }

    /// What the provider hid.
    pub(crate) fn hidden(data: Cow<'a, str>) -> Content<'a> {
        Content::Reasoning(Self {
            redacted: Some(data),
            ..Self::default()
        })
    }

    /// Whether there is a signature, or something hidden.
    pub(crate) fn is_sealed(&self) -> bool {
        self.signature.is_some() || self.redacted.is_some()
    }
}

/// What a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<'a> {
    /// Plain text.
    Text {
        /// The text.
        text: Cow<'a, str>,
        /// Its sources, in answers.
        citations: Vec<Citation<'a>>,
    },
    /// An image.
    Image(Media<'a>),
    /// A sound.
    Audio(Media<'a>),
    /// A video.
    Video(Media<'a>),
    /// A document.
    File(Media<'a>),
    /// The assistant's call of a tool.
    ToolCall(ToolCall<'a>),
    /// A tool's result.
    ToolResult(ToolResult<'a>),
    /// The assistant's reasoning.
    Reasoning(Thought<'a>),
    /// The assistant's refusal.
    Refusal(Cow<'a, str>),
    /// Something that only its own dialect knows.
    Opaque {
        /// The type as its dialect names it.
        kind: Cow<'a, str>,
        /// The whole part as JSON.
        json: Cow<'a, str>,
    },
}

impl<'a> Content<'a> {
    /// Plain text.
    pub(crate) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Content::Text {
            text: text.into(),
            citations: Vec::new(),
        }
    }

    /// The medium that it is.
    pub(crate) fn media(&self) -> Option<&Media<'a>> {
        match self {
            Content::Image(media)
            | Content::Audio(media)
            | Content::Video(media)
            | Content::File(media) => Some(media),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub(crate) fn media_mut(&mut self) -> Option<&mut Media<'a>> {
        match self {
            Content::Image(media)
            | Content::Audio(media)
            | Content::Video(media)
            | Content::File(media) => Some(media),
            _ => None,
        }
    }
}

/// One piece of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// What it is.
    pub content: Content<'a>,
    /// A cache marker on it.
    pub cache: Option<CacheMarker<'a>>,
    /// What else its dialect says of it: a target that is not of that dialect loses it.
    pub extra: Vec<Field>,
}

impl<'a> Part<'a> {
    /// The call that it is.
    pub(crate) fn call(&self) -> Option<&ToolCall<'a>> {
        match &self.content {
            Content::ToolCall(call) => Some(call),
            _ => None,
        }
    }

    /// The result that it is.
    pub(crate) fn result(&self) -> Option<&ToolResult<'a>> {
        match &self.content {
            Content::ToolResult(result) => Some(result),
            _ => None,
        }
    }

    /// The text that it is.
    pub(crate) fn said(&self) -> Option<&str> {
        match &self.content {
            Content::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// A part with nothing but its content.
    pub fn new(content: Content<'a>) -> Self {
        Self {
            content,
            cache: None,
            extra: Vec::new(),
        }
    }

    /// Plain text.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Content::text(text))
    }

    /// Reasoning that nobody signed.
    pub(crate) fn thought(text: Cow<'a, str>) -> Self {
        Self::new(Thought::signed(text, None))
    }
}
