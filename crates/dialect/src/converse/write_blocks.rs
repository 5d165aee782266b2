//! Writes a message's parts as content blocks.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::de::IgnoredAny;

use super::names::{Medium, OWN_BLOCKS, is_claude};
use super::object::Open;
use super::write::Losses;
use super::{cite, write_media};
use crate::exchange::{
    CacheMarker, Citation, Content, Inexpressible, Media, Part, Source, ToolCall, ToolResult,
};
use crate::json::{Document, write_json_string};

pub(super) type Path<'p> = &'p dyn Fn() -> String;

/// What has to be known of the parts before.
pub(super) struct Blocks<'r> {
    claude: bool,
    /// Calls made so far, and the number of each.
    calls: HashMap<&'r str, usize>,
    media: write_media::Counts,
}

pub(super) fn refuse<T>(param: String, why: impl Into<String>) -> Result<T, Inexpressible> {
    Err(Inexpressible {
        param,
        why: why.into(),
    })
}

/// About as many bytes as a part has.
pub(super) fn size_of(content: &Content<'_>) -> usize {
    let media = |media: &Media<'_>| match &media.source {
        Source::Url(text) | Source::Base64(text) | Source::Id(text) | Source::Text(text) => {
            text.len()
        }
    };
    match content {
        Content::Text { text, .. } | Content::Refusal(text) => text.len(),
        Content::Image(of) | Content::Audio(of) | Content::Video(of) | Content::File(of) => {
            media(of)
        }
        Content::ToolCall(call) => call.arguments.len() + 64,
        Content::ToolResult(result) => {
            let parts = result.parts.iter();
            parts.map(|part| 32 + size_of(&part.content)).sum::<usize>()
        }
        Content::Reasoning {
            text,
            signature,
            redacted,
        } => {
            let length = |text: &Option<Cow<'_, str>>| text.as_deref().map_or(0, str::len);
            text.len() + length(signature) + length(redacted)
        }
        Content::Opaque { json, .. } => json.len(),
    }
}

/// Whether a part says nothing: Converse refuses blocks with an empty text.
pub(super) fn is_blank(part: &Part<'_>) -> bool {
    part.cache.is_none()
        && match &part.content {
            Content::Text { text, .. } | Content::Refusal(text) => text.is_empty(),
            _ => false,
        }
}

/// Whether a system prompt may have it.
pub(super) fn fits_system(content: &Content<'_>) -> bool {
    match content {
        Content::Text { citations, .. } => citations.is_empty(),
        Content::Opaque { kind, .. } => kind == "guardContent" || kind == "cachePoint",
        _ => false,
    }
}

impl<'r> Blocks<'r> {
    pub(super) fn new(model: &str) -> Self {
        Self {
            claude: is_claude(model),
            calls: HashMap::new(),
            media: write_media::Counts::default(),
        }
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
                losses.harmless(path(), "Converse has no refusals; it is written as text");
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
                if OWN_BLOCKS.contains(&kind.as_ref()) && is_union_of(kind, json) {
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
            return refuse(path(), "the call's arguments are no JSON object");
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

    fn result(
        &mut self,
        result: &'r ToolResult<'r>,
        array: &mut Open,
        out: &mut String,
        losses: &mut Losses,
        path: Path<'_>,
    ) -> Result<(), Inexpressible> {
        let Some(number) = self.calls.get(&*result.call_id) else {
            return refuse(
                path(),
                "it is a result of a call that no message before it makes",
            );
        };
        array.item(out);
        out.push_str("{\"toolResult\":");
        let mut block = Open::object(out);
        block.text("toolUseId", &call_id(&result.call_id, *number), out);
        block.key("content", out);
        let mut content = Open::array(out);
        for (at, part) in result.parts.iter().enumerate() {
            let path = || format!("{}.content[{at}]", path());
            if part.cache.is_some() {
                losses.harmless(
                    path(),
                    "Converse has no cache points within a tool's result",
                );
            }
            let fits = match &part.content {
                Content::Opaque { kind, .. } => kind == "searchResult",
                Content::Text { citations, .. } => citations.is_empty(),
                content => matches!(
                    content,
                    Content::Image(_) | Content::File(_) | Content::Video(_) | Content::Refusal(_)
                ),
            };
            if !fits {
                return refuse(
                    path(),
                    "Converse's tools give back text, images, documents and videos",
                );
            }
            match &part.content {
                // An empty text is said by no block at all.
                Content::Text { text, .. } if text.is_empty() => {}
                Content::Text { text, .. } => text_block(text, &[], &mut content, out),
                Content::Opaque { json, .. } => {
                    content.item(out);
                    out.push_str(json);
                }
                _ => {
                    let (medium, media) = medium_of(&part.content, &path)?;
                    let wrap = wrapped(medium.member(), &mut content, out);
                    let mut writer = write_media::Writer {
                        counts: &mut self.media,
                        losses,
                        path: &path,
                    };
                    writer.block(medium, media, &part.extra, out)?;
                    wrap.close(out);
                }
            }
        }
        content.close(out);
        if result.is_error {
            block.text("status", "error", out);
        }
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
                losses.add(path(), "Converse takes hidden reasoning as base64 alone");
            }
        }
        if said.text.is_empty() && said.signature.is_none() {
            return;
        }
        if self.claude && said.signature.is_none() {
            let why = "Claude takes reasoning back with its signature alone";
            return losses.add(path(), why);
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
        Some(_) => losses.harmless(path(), "Converse's cache points last 5m or 1h"),
    }
    out.push_str("}}");
}

fn wrapped(member: &str, array: &mut Open, out: &mut String) -> Open {
    array.item(out);
    let mut wrap = Open::object(out);
    wrap.key(member, out);
    wrap
}

fn medium_of<'c, 'a>(
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

/// Why a tool's name is refused: it could not come back under the name that the client knows.
pub(super) const TOOL_NAME: &str =
    "Converse's tool names have 1 to 64 letters, digits, underscores and hyphens";

pub(super) fn is_tool_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// A call's id; one that Converse does not take is replaced by the call's number, in the call
/// and in its result alike.
fn call_id(id: &str, number: usize) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    if (1..=64).contains(&id.len()) && id.bytes().all(plain) {
        Cow::Borrowed(id)
    } else {
        Cow::Owned(format!("renamed_{number}"))
    }
}

pub(super) fn is_object(json: &str) -> bool {
    json.starts_with('{') && serde_json::from_str::<IgnoredAny>(json).is_ok()
}

/// Whether a part that claims to be Converse's own has that form.
fn is_union_of(kind: &str, json: &str) -> bool {
    let Ok(document) = Document::parse(json.as_bytes()) else {
        return false;
    };
    let mut members = document.root().members();
    let first = members.next().is_some_and(|(key, _)| key.is_str(kind));
    first && members.next().is_none()
}
