//! Writes the parts of a request's messages as content blocks.

use super::body::Body;
use super::{blocks, media, names};
use crate::exchange::{CacheMarker, Content, Inexpressible, Part, Role, Thought, ToolResult};
use crate::json::write;

/// Where parts stand.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) message: usize,
    pub(super) part: usize,
    role: Role,
    /// In a tool's result, and where in it.
    inner: Option<usize>,
}

impl Place {
    pub(super) fn new(message: usize, role: Role) -> Self {
        Self {
            message,
            part: 0,
            role,
            inner: None,
        }
    }

    /// The client's path of it.
    pub(super) fn path(self, rest: &str) -> String {
        let Self { message, part, .. } = self;
        match self.inner {
            Some(inner) => format!("messages[{message}].content[{part}].content[{inner}]{rest}"),
            None => format!("messages[{message}].content[{part}]{rest}"),
        }
    }

    fn takes_media(self) -> bool {
        matches!(self.role, Role::User | Role::Tool)
    }
}

/// The text of a part that is nothing but text.
pub(super) fn plain<'p>(part: &'p Part<'_>) -> Option<&'p str> {
    match &part.content {
        Content::Text { text, citations } if !text.is_empty() && citations.is_empty() => {
            let bare = part.cache.is_none() && part.extra.is_empty();
            bare.then_some(text.as_ref())
        }
        _ => None,
    }
}

/// Writes the parts' blocks as the next items.
pub(super) fn blocks(
    parts: &[Part<'_>],
    place: Place,
    body: &mut Body<'_>,
) -> Result<(), Inexpressible> {
    for (position, part) in parts.iter().enumerate() {
        let place = match place.inner {
            Some(_) => Place {
                inner: Some(position),
                ..place
            },
            None => Place {
                part: position,
                ..place
            },
        };
        match &part.content {
            Content::Reasoning(thought) => reasoning(thought, place, body),
            Content::Opaque { kind, json } if names::is_own_block(kind) => {
                write::value(&mut body.out, json);
            }
            _ => block(part, place, body)?,
        }
    }
    Ok(())
}

/// Writes one block, where there is one to write.
fn block(part: &Part<'_>, place: Place, body: &mut Body<'_>) -> Result<(), Inexpressible> {
    let before = body.out.len();
    let written = write::braces(body, |body| {
        let Some(known) = members(part, place, body)? else {
            return Ok(false);
        };
        if let Some(marker) = &part.cache {
            cache_control(marker, &mut body.out);
        }
        let known = |name: &str| known.contains(&name);
        let (lost, out) = (&mut body.lost, &mut body.out);
        let why = "Anthropic's messages have no such field";
        lost.known(&part.extra, known, || place.path(""), why, out);
        Ok(true)
    })?;
    if !written {
        body.out.truncate(before);
    }
    Ok(())
}

/// Writes a block's members, and gives which others it may have; none where there is none to write.
fn members(
    part: &Part<'_>,
    place: Place,
    body: &mut Body<'_>,
) -> Result<Option<&'static [&'static str]>, Inexpressible> {
    let (written, others, why): (bool, &'static [&'static str], &'static str) = match &part.content
    {
        Content::Text { text, .. } | Content::Refusal(text) if text.is_empty() => {
            return Ok(None);
        }
        Content::Text { text, citations } => {
            if !citations.iter().all(blocks::is_own) {
                let why = "Anthropic takes back its own citations only";
                body.lose(place.path(".citations"), why);
            }
            let own = citations.iter().filter(|citation| blocks::is_own(citation));
            blocks::text(text, own, &mut body.out);
            (true, &[], "")
        }
        Content::Refusal(text) => {
            blocks::text(text, [].iter(), &mut body.out);
            (true, &[], "")
        }
        Content::Image(_) if !place.takes_media() => (
            false,
            &[],
            "Anthropic's models accept images only in user messages",
        ),
        Content::File(_) if !place.takes_media() => (
            false,
            &[],
            "Anthropic's models accept files only in user messages",
        ),
        Content::Image(image) => match media::image(image, place, body)? {
            true => (true, &["transformations"], ""),
            false => return Ok(None),
        },
        Content::File(file) => match media::document(file, place, body)? {
            true => (true, &["citations", "context"], ""),
            false => return Ok(None),
        },
        Content::Audio(_) | Content::Video(_) => (
            false,
            &[],
            "Anthropic's messages don't accept audio or video",
        ),
        Content::ToolCall(call) => {
            let Some(input) = blocks::input(call) else {
                return Err(Inexpressible::new(
                    place.path(".arguments"),
                    "Anthropic's tools accept a JSON object, and this is not one",
                ));
            };
            blocks::call(call, input, &mut body.out);
            (true, &["caller", "toolset_name"], "")
        }
        Content::ToolResult(result) => {
            tool_result(result, place, body)?;
            (true, &["toolset_name"], "")
        }
        Content::Reasoning(_) | Content::Opaque { .. } => {
            (false, &[], "Anthropic's messages have no such part")
        }
    };
    if !written {
        body.lose(place.path(""), why);
    }
    Ok(written.then_some(others))
}

/// Writes a cache marker. Anthropic's own default lasts five minutes, where others count otherwise.
pub(super) fn cache_control(marker: &CacheMarker<'_>, out: &mut String) {
    let ttl = marker.ttl.as_deref();
    write::object(out, "cache_control", |out| {
        write::text(out, "type", "ephemeral");
        write::text_if(out, "ttl", ttl.filter(|ttl| matches!(*ttl, "1h" | "5m")));
    });
}

fn tool_result(
    result: &ToolResult<'_>,
    place: Place,
    body: &mut Body<'_>,
) -> Result<(), Inexpressible> {
    write::text(&mut body.out, "type", "tool_result");
    let id = blocks::call_id(&result.call_id);
    write::text(&mut body.out, "tool_use_id", &id);
    let only = match result.parts.as_slice() {
        [part] => plain(part),
        _ => None,
    };
    if let Some(text) = only {
        write::text(&mut body.out, "content", text);
    } else {
        let place = Place {
            inner: Some(0),
            ..place
        };
        write::some_list(body, "content", |body| blocks(&result.parts, place, body))?;
    }
    if result.is_error {
        write::plain(&mut body.out, "is_error", true);
    }
    Ok(())
}

/// Reasoning goes back with the signature under which it came, and not without.
fn reasoning(thought: &Thought<'_>, place: Place, body: &mut Body<'_>) {
    if let Some(signature) = &thought.signature {
        blocks::thinking(&thought.text, signature, &mut body.out);
    } else if !thought.text.is_empty() {
        let why = "Anthropic takes earlier reasoning back only with its own signature";
        body.lose(place.path(".reasoning"), why);
    }
    if let Some(data) = &thought.redacted {
        blocks::redacted(data, &mut body.out);
    }
}
