//! What clients write otherwise than Anthropic's messages have it.

use std::borrow::Cow;

use crate::json::{Document, Kind, Splice, Value};

/// Inputs of tools that are a string which holds an object.
pub(super) fn request(root: Value<'_>) -> Vec<Splice<'static>> {
    let blocks = root.each("messages").flat_map(|m| m.each("content"));
    let calls = blocks.filter(|block| block.says("type", "tool_use"));
    calls
        .filter_map(|call| object(call.get("input")?))
        .collect()
}

fn object(value: Value<'_>) -> Option<Splice<'static>> {
    let text = value.as_str()?;
    let document = Document::parse(text.as_bytes()).ok()?;
    let is_object = document.root().kind() == Kind::Object;
    is_object.then(|| Splice::new(value.span(), Cow::Owned(document.root().raw().to_owned())))
}
