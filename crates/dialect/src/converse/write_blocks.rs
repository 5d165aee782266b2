//! Writes a message's parts as content blocks.

use std::collections::HashMap;

use super::names::{Medium, is_claude};
use super::object::Open;
use super::write::Losses;
use super::write_checks::{Path, TOOL_NAME, call_id, is_object, is_own, is_tool_name, refuse};
use super::{cite, write_media};
use crate::exchange::{CacheMarker, Citation, Content, Inexpressible, Media, Part, ToolCall};
use crate::json::write_json_string;

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
            Content::Reasoning {
                text,
                signature: None,
                redacted: None,
            } => !self.claude && !text.is_empty(),
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
        array: &mut Open,
        out: &mut String,
        losses: &mut Losses,
        path: Path<'_>,
    ) -> Result<(), Inexpressible> {
        let mut extra_is_written = false;
        match &part.content {
            Content::Text { text, citations } => {
                if !text.is_empty() {
                    text_block(text, citations, array, out);
                }
            }
            Content::Refusal(text) => {
                text_block(text, &[], array, out);
            }
            Content::ToolCall(call) => self.call(call, array, out, path)?,
            Content::ToolResult(result) => self.result(result, array, out, losses, path)?,
            Content::Reasoning {
                text,
                signature,
                redacted,
            } => {
                let said = Reasoned {
                    text,
                    signature: signature.as_deref(),
                    redacted: redacted.as_deref(),
                };
                self.reasoning(&said, array, out, losses, path);
            }
            Content::Opaque { kind, json } => {
                if is_own(kind, json) {
                    array.item(out);
                    out.push_str(json);
                } else {
                    losses.add(
                        path(),
                        "only the client's own dialect knows this kind of part",
                    );
                }
            }
            content => {
                let (medium, media) = medium_of(content, path)?;
                self.media.add(medium, path)?;
                let wrap = wrapped(medium.member(), array, out);
                let mut writer = write_media::Writer {
                    counts: &mut self.media,
                    losses,
                    path,
                };
                writer.block(medium, media, &part.extra, out)?;
                extra_is_written = true;
                wrap.close(out);
            }
        }
        if !extra_is_written {
            for field in &part.extra {
                let param = format!("{}.{}", path(), field.name);
                losses.add(param, "Converse's content blocks have no such field");
            }
        }
        if let Some(marker) = &part.cache {
            array.item(out);
            cache_point(marker, out, losses, path);
        }
        Ok(())
    }

    fn call(
        &mut self,
        call: &'r ToolCall<'r>,
        array: &mut Open,
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
        array.item(out);
        out.push_str("{\"toolUse\":");
        let mut block = Open::object(out);
        block.text("toolUseId", &call_id(&call.id, number), out);
        block.text("name", &call.name, out);
        block.json("input", arguments, out);
        block.close(out);
        out.push('}');
        Ok(())
    }

    fn reasoning(
        &self,
        said: &Reasoned<'_>,
        array: &mut Open,
        out: &mut String,
        losses: &mut Losses,
        path: Path<'_>,
    ) {
        if let Some(redacted) = said.redacted {
            if write_media::decoded_len(redacted).is_some() {
                array.item(out);
                out.push_str("{\"reasoningContent\":{\"redactedContent\":");
                write_json_string(redacted, out);
                out.push_str("}}");
            } else {
                losses.add(
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
            return losses.add(path() + ".reasoning", why);
        }
        array.item(out);
        out.push_str("{\"reasoningContent\":{\"reasoningText\":");
        let mut block = Open::object(out);
        block.text("text", said.text, out);
        if let Some(signature) = said.signature {
            block.text("signature", signature, out);
        }
        block.close(out);
        out.push_str("}}");
    }
}

struct Reasoned<'a> {
    text: &'a str,
    signature: Option<&'a str>,
    redacted: Option<&'a str>,
}

/// `{"text":…}`, or `{"citationsContent":…}` where the text has sources.
pub(super) fn text_block(
    text: &str,
    citations: &[Citation<'_>],
    array: &mut Open,
    out: &mut String,
) {
    array.item(out);
    if citations.is_empty() {
        out.push_str("{\"text\":");
        write_json_string(text, out);
        out.push('}');
        return;
    }
    out.push_str("{\"citationsContent\":{\"content\":[{\"text\":");
    write_json_string(text, out);
    out.push_str("}],\"citations\":[");
    for (position, citation) in citations.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        cite::write(citation, out);
    }
    out.push_str("]}}");
}

/// `{"cachePoint":…}`.
pub(super) fn cache_point(
    marker: &CacheMarker<'_>,
    out: &mut String,
    losses: &mut Losses,
    path: Path<'_>,
) {
    out.push_str("{\"cachePoint\":{\"type\":\"default\"");
    match marker.ttl.as_deref() {
        None => {}
        Some(ttl @ ("5m" | "1h")) => {
            out.push_str(",\"ttl\":");
            write_json_string(ttl, out);
        }
        Some(_) => losses.add(
            path() + ".cache_control",
            "Converse's cache points last 5m or 1h",
        ),
    }
    out.push_str("}}");
}

pub(super) fn wrapped(member: &str, array: &mut Open, out: &mut String) -> Open {
    array.item(out);
    let mut wrap = Open::object(out);
    wrap.key(member, out);
    wrap
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
