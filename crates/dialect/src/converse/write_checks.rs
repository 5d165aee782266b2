//! What Converse takes of a part.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::names::OWN_BLOCKS;
use crate::exchange::{Content, Inexpressible};
use crate::json::Document;

pub(super) type Path<'p> = &'p dyn Fn() -> String;

pub(super) fn refuse<T>(param: String, why: impl Into<String>) -> Result<T, Inexpressible> {
    Err(Inexpressible {
        param,
        why: why.into(),
    })
}

/// Whether a system prompt may have it.
pub(super) fn fits_system(content: &Content<'_>) -> bool {
    match content {
        Content::Text { citations, .. } => citations.is_empty(),
        Content::Opaque { kind, .. } => kind == "guardContent" || kind == "cachePoint",
        _ => false,
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
pub(super) fn call_id(id: &str, number: usize) -> Cow<'_, str> {
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

/// Whether a block of a kind that only its own dialect knows is one of Converse's.
pub(super) fn is_own(kind: &str, json: &str) -> bool {
    if !OWN_BLOCKS.contains(&kind) {
        return false;
    }
    let Ok(document) = Document::parse(json.as_bytes()) else {
        return false;
    };
    let mut members = document.root().members();
    let first = members.next().is_some_and(|(key, _)| key.is_str(kind));
    first && members.next().is_none()
}
