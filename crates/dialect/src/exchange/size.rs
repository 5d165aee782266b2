//! About how long a request is as JSON, so that its body is seldom moved while it is written.

use super::media::Source;
use super::part::{Content, Part};
use super::request::{ChatRequest, Tool};

impl ChatRequest<'_> {
    /// Bytes of a body of it, about.
    pub(crate) fn size(&self) -> usize {
        let messages = self.messages.iter();
        let messages = messages.map(|message| 64 + size_of(&message.parts));
        512 + messages.sum::<usize>() + self.tools.iter().map(Tool::size).sum::<usize>()
    }
}

impl Tool<'_> {
    /// Bytes of its definition, about.
    pub(crate) fn size(&self) -> usize {
        let texts = [self.description.as_deref(), self.parameters.as_deref()];
        let builtin = self.builtin.as_ref().map(|(_, json)| json.as_ref());
        let texts = texts.into_iter().chain([builtin]).flatten();
        128 + self.name.len() + texts.map(str::len).sum::<usize>()
    }
}

fn size_of(parts: &[Part<'_>]) -> usize {
    parts.iter().map(|part| 64 + part.content.size()).sum()
}

impl Content<'_> {
    fn size(&self) -> usize {
        // Some characters are escaped.
        let said = |text: &str| text.len() + text.len() / 16;
        match self {
            Content::Text { text, .. } | Content::Refusal(text) => said(text),
            Content::Reasoning(thought) => {
                let sealed = [&thought.signature, &thought.redacted]
                    .into_iter()
                    .flatten();
                said(&thought.text) + sealed.map(|sealed| sealed.len()).sum::<usize>()
            }
            // As a string they are all quotes.
            Content::ToolCall(call) => call.id.len() + call.name.len() + 2 * call.arguments.len(),
            Content::ToolResult(result) => result.call_id.len() + size_of(&result.parts),
            Content::Opaque { json, .. } => json.len(),
            Content::Image(media)
            | Content::Audio(media)
            | Content::Video(media)
            | Content::File(media) => match &media.source {
                Source::Url(text) | Source::Base64(text) | Source::Id(text) => text.len() + 64,
                Source::Text(text) => text.len() + text.len() / 2,
            },
        }
    }
}
