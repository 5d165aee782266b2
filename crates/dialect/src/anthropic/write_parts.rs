//! Writes the parts of a request's messages as content blocks.

use std::borrow::Cow;

use super::body::Body;
use super::{blocks, media, names};
use crate::exchange::{CacheMarker, Citation, Content, Inexpressible, Part, Role, ToolResult};
use crate::json::write_json_string;

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

/// Appends the parts' blocks, and gives how many. `already` blocks stand before them.
pub(super) fn blocks(
    parts: &[Part<'_>],
    place: Place,
    already: usize,
    body: &mut Body<'_>,
) -> Result<usize, Inexpressible> {
    let mut written = 0;
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
        let before = body.out.len();
        if already + written > 0 {
            body.out.push(',');
        }
        if block(part, place, body)? {
            written += 1;
        } else {
            body.out.truncate(before);
        }
    }
    Ok(written)
}

/// Appends one block; false where there is none to write.
fn block(part: &Part<'_>, place: Place, body: &mut Body<'_>) -> Result<bool, Inexpressible> {
    let known: &[&str] = match &part.content {
        Content::Text { text, citations } => {
            if text.is_empty() {
                return Ok(false);
            }
            if !citations.iter().all(blocks::is_own) {
                let why = "Anthropic takes back its own citations only";
                body.lose(place.path(".citations"), why);
            }
            let own = citations.iter().filter(|citation| blocks::is_own(citation));
            blocks::begin_text(text, own, &mut body.out);
            &[]
        }
        Content::Refusal(text) => {
            if text.is_empty() {
                return Ok(false);
            }
            blocks::begin_text(text, std::iter::empty::<&Citation<'_>>(), &mut body.out);
            &[]
        }
        Content::Image(image) => {
            if !place.takes_media() {
                body.lose(
                    place.path(""),
                    "only a user may show images to Anthropic's models",
                );
                return Ok(false);
            }
            if !media::image(image, place, body)? {
                return Ok(false);
            }
            &["transformations"]
        }
        Content::File(file) => {
            if !place.takes_media() {
                body.lose(
                    place.path(""),
                    "only a user may show files to Anthropic's models",
                );
                return Ok(false);
            }
            if !media::document(file, place, body)? {
                return Ok(false);
            }
            &["citations", "context"]
        }
        Content::Audio(_) | Content::Video(_) => {
            let why = "Anthropic's messages take no sound and no video";
            body.lose(place.path(""), why);
            return Ok(false);
        }
        Content::ToolCall(call) => {
            let Some(input) = blocks::input(call) else {
                return Err(Inexpressible {
                    param: place.path(".arguments"),
                    why: "Anthropic's tools take a JSON object, and this is none".to_owned(),
                });
            };
            blocks::begin_call(call, input, &mut body.out);
            &["caller", "toolset_name"]
        }
        Content::ToolResult(result) => {
            tool_result(result, place, body)?;
            &["toolset_name"]
        }
        Content::Reasoning {
            text,
            signature,
            redacted,
        } => {
            return Ok(reasoning(
                text,
                signature.as_ref(),
                redacted.as_ref(),
                place,
                body,
            ));
        }
        Content::Opaque { kind, json } if names::is_own_block(kind) => {
            body.out.push_str(json);
            return Ok(true);
        }
        Content::Opaque { .. } => {
            body.lose(place.path(""), "Anthropic's messages have no such part");
            return Ok(false);
        }
    };
    if let Some(marker) = &part.cache {
        cache_control(marker, &mut body.out);
    }
    for field in &part.extra {
        if known.contains(&field.name.as_str()) {
            body.out.push(',');
            write_json_string(&field.name, &mut body.out);
            body.out.push(':');
            body.out.push_str(&field.value);
        } else {
            let path = place.path(&format!(".{}", field.name));
            body.lose(path, "Anthropic's messages have no such field");
        }
    }
    body.out.push('}');
    Ok(true)
}

/// Appends a cache marker to an open object.
pub(super) fn cache_control(marker: &CacheMarker<'_>, out: &mut String) {
    out.push_str(match marker.ttl.as_deref() {
        Some("1h") => ",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}",
        Some("5m") => ",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"5m\"}",
        // Anthropic's own default, where others count otherwise.
        _ => ",\"cache_control\":{\"type\":\"ephemeral\"}",
    });
}

fn tool_result(
    result: &ToolResult<'_>,
    place: Place,
    body: &mut Body<'_>,
) -> Result<(), Inexpressible> {
    body.out
        .push_str("{\"type\":\"tool_result\",\"tool_use_id\":");
    write_json_string(&blocks::call_id(&result.call_id), &mut body.out);
    let before = body.out.len();
    body.out.push_str(",\"content\":");
    let only = match result.parts.as_slice() {
        [part] => plain(part),
        _ => None,
    };
    if let Some(text) = only {
        write_json_string(text, &mut body.out);
    } else {
        let place = Place {
            inner: Some(0),
            ..place
        };
        body.out.push('[');
        let written = blocks(&result.parts, place, 0, body)?;
        body.out.push(']');
        if written == 0 {
            body.out.truncate(before);
        }
    }
    if result.is_error {
        body.out.push_str(",\"is_error\":true");
    }
    Ok(())
}

/// Reasoning goes back with the signature under which it came, and not without.
fn reasoning(
    text: &str,
    signature: Option<&Cow<'_, str>>,
    redacted: Option<&Cow<'_, str>>,
    place: Place,
    body: &mut Body<'_>,
) -> bool {
    if let Some(signature) = signature {
        blocks::write_thinking(text, signature, &mut body.out);
    }
    if let Some(data) = redacted {
        if signature.is_some() {
            body.out.push(',');
        }
        blocks::write_redacted(data, &mut body.out);
    }
    if signature.is_none() && !text.is_empty() {
        let why = "Anthropic takes earlier reasoning back only with its own signature";
        body.lose(place.path(".reasoning"), why);
    }
    signature.is_some() || redacted.is_some()
}
