//! Writes a message's parts as content blocks.

use std::collections::HashMap;

use super::names::{Medium, is_claude};
use super::write_checks::{Path, TOOL_NAME, call_id, is_object, is_own, is_tool_name, refuse};
use super::{cite, write_media};
use crate::data_url::is_base64;
use crate::exchange::{
    CacheMarker, Citation, Content, Inexpressible, Losses, Media, Part, Thought, ToolCall,
};
use crate::json::write;

/// What has to be known of the parts before.
pub(super) struct Blocks<'r> {
    claude: bool,
    /// Calls made so far, and the number of each.
    pub(super) calls: HashMap<&'r str, usize>,
    pub(super) media: write_media::Counts,
}

impl<'r> Blocks<'r> {
    pub(super) fn new(model: &str) -> Self {
        Self {
            claude: is_claude(model),
            calls: HashMap::new(),
            media: write_media::Counts::default(),
        }
    }

    /// Whether anything will be written of a part.
    pub(super) fn is_written(&self, part: &Part<'_>) -> bool {
        let has_content = match &part.content {
            Content::Text { text, .. } | Content::Refusal(text) => !text.is_empty(),
            Content::Reasoning(thought) if !thought.is_sealed() => {
                !self.claude && !thought.text.is_empty()
            }
            Content::Opaque { kind, json } => is_own(kind, json),
            _ => true,
        };
        has_content || part.cache.is_some()
    }

    /// A message begins.
    pub(super) fn message(&mut self) {
        self.media.message();
    }

    pub(super) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// One part, and the cache point after it.
    pub(super) fn part(
        &mut self,
        part: &'r Part<'r>,
        out: &mut String,
        losses: &mut Losses,
        path: Path<'_>,
    ) -> Result<(), Inexpressible> {
        let mut extra_is_written = false;
        match &part.content {
            Content::Text { text, citations } => {
                if !text.is_empty() {
                    text_block(text, citations, out);
                }
            }
            Content::Refusal(text) => {
                text_block(text, &[], out);
            }
            Content::ToolCall(call) => self.call(call, out, path)?,
            Content::ToolResult(result) => self.result(result, out, losses, path)?,
            Content::Reasoning(thought) => self.reasoning(thought, out, losses, path),
            Content::Opaque { kind, json } => {
                if is_own(kind, json) {
                    write::value(out, json);
                } else {
                    losses.push(
                        path(),
                        "only the client's own dialect knows this kind of part",
                    );
                }
            }
            content => {
                let (medium, media) = medium_of(content, path)?;
                self.media.add(medium, path)?;
                let mut writer = write_media::Writer {
                    counts: &mut self.media,
                    losses,
                    path,
                };
                writer.block(medium, media, &part.extra, out)?;
                extra_is_written = true;
            }
        }
        if !extra_is_written {
            let why = "Converse's content blocks have no such field";
            losses.unknown(&part.extra, path, why);
        }
        if let Some(marker) = &part.cache {
            cache_point(marker, out, losses, path);
        }
        Ok(())
    }

    fn call(
        &mut self,
        call: &'r ToolCall<'r>,
        out: &mut String,
        path: Path<'_>,
    ) -> Result<(), Inexpressible> {
        if call.custom {
            return refuse(
                path(),
                "it calls a custom tool with free text, and Converse's tools take JSON",
            );
        }
        if !is_tool_name(&call.name) {
            return refuse(path(), TOOL_NAME);
        }
        let arguments = match call.arguments.trim() {
            "" => "{}",
            arguments => arguments,
        };
        if !is_object(arguments) {
            return refuse(path(), "the call's arguments are not a JSON object");
        }
        let number = self.calls.len();
        let number = *self.calls.entry(&*call.id).or_insert(number);
        call_block(&call_id(&call.id, number), &call.name, arguments, out);
        Ok(())
    }

    fn reasoning(&self, said: &Thought<'_>, out: &mut String, losses: &mut Losses, path: Path<'_>) {
        if let Some(redacted) = &said.redacted {
            if is_base64(redacted) {
                redacted_block(redacted, out);
            } else {
                losses.push(
                    path() + ".redacted",
                    "Converse takes hidden reasoning as base64 alone",
                );
            }
        }
        if said.text.is_empty() && said.signature.is_none() {
            return;
        }
        if self.claude && said.signature.is_none() {
            let why = "Claude takes reasoning back with its signature alone";
            return losses.push(path() + ".reasoning", why);
        }
        reasoning_block(&said.text, said.signature.as_deref(), out);
    }
}

/// `{"toolUse":…}`.
pub(super) fn call_block(id: &str, name: &str, input: &str, out: &mut String) {
    write::union(out, "toolUse", |out| {
        write::text(out, "toolUseId", id);
        write::text(out, "name", name);
        write::raw(out, "input", input);
    });
}

/// `{"reasoningContent":{"reasoningText":…}}`.
pub(super) fn reasoning_block(text: &str, signature: Option<&str>, out: &mut String) {
    write::union(out, "reasoningContent", |out| {
        write::object(out, "reasoningText", |out| {
            write::text(out, "text", text);
            write::text_if(out, "signature", signature);
        });
    });
}

/// `{"reasoningContent":{"redactedContent":…}}`.
pub(super) fn redacted_block(redacted: &str, out: &mut String) {
    write::union(out, "reasoningContent", |out| {
        write::text(out, "redactedContent", redacted);
    });
}

/// `{"text":…}`, or `{"citationsContent":…}` where the text has sources.
pub(super) fn text_block(text: &str, citations: &[Citation<'_>], out: &mut String) {
    let said = |out: &mut String| write::braces(out, |out| write::text(out, "text", text));
    if citations.is_empty() {
        return said(out);
    }
    write::union(out, "citationsContent", |out| {
        write::list(out, "content", said);
        write::list(out, "citations", |out| {
            citations
                .iter()
                .for_each(|citation| cite::write(citation, out));
        });
    });
}

/// `{"cachePoint":…}`.
pub(super) fn cache_point(
    marker: &CacheMarker<'_>,
    out: &mut String,
    losses: &mut Losses,
    path: Path<'_>,
) {
    let told = marker.ttl.as_deref();
    let ttl = told.filter(|ttl| matches!(*ttl, "5m" | "1h"));
    if told != ttl {
        losses.push(
            path() + ".cache_control",
            "Converse's cache points last 5m or 1h",
        );
    }
    write::union(out, "cachePoint", |out| {
        write::text(out, "type", "default");
        write::text_if(out, "ttl", ttl);
    });
}

pub(super) fn medium_of<'c, 'a>(
    content: &'c Content<'a>,
    path: Path<'_>,
) -> Result<(Medium, &'c Media<'a>), Inexpressible> {
    match content {
        Content::Image(media) => Ok((Medium::Image, media)),
        Content::File(media) => Ok((Medium::Document, media)),
        Content::Video(media) => Ok((Medium::Video, media)),
        Content::Audio(media) => Ok((Medium::Audio, media)),
        _ => refuse(path(), "Converse has no such part here"),
    }
}
