//! What clients and servers write otherwise than Anthropic's messages have it.

use bytes::Bytes;
use memchr::memmem;

use crate::contract::context::AnswerContext;
use crate::fields::given;
use crate::json::{Document, Kind, Splice, Value, splice, write};

/// Inputs of tools that are missing, null, or a string which holds an object.
pub(super) fn request(root: Value<'_>) -> Vec<Splice<'static>> {
    let blocks = root.each("messages").flat_map(|m| m.each("content"));
    blocks.filter_map(input).collect()
}

/// The same of an answer, and content that is one text.
pub(super) fn answer(body: &Bytes, _: &AnswerContext) -> Option<Bytes> {
    let has = |member: &[u8]| memmem::find(body, member).is_some();
    if has(b"\"content\":[") && !has(b"\"tool_use\"") {
        return None;
    }
    let document = Document::parse(body).ok()?;
    let root = document.root();
    let said = root
        .get("content")
        .filter(|said| said.kind() == Kind::String);
    let mut mends: Vec<_> = root.each("content").filter_map(input).collect();
    mends.extend(said.map(|said| {
        let mut list = String::new();
        write::brackets(&mut list, |out| {
            write::typed(out, "text", |out| write::raw(out, "text", said.raw()));
        });
        Splice::new(said.span(), list)
    }));
    (!mends.is_empty()).then(|| splice(body, mends))
}

/// The input of a call that is no object and means one.
fn input(block: Value<'_>) -> Option<Splice<'static>> {
    if !block.says("type", "tool_use") {
        return None;
    }
    let Some(input) = block.get("input") else {
        let with = write::with_member(block, |out| write::raw(out, "input", "{}"));
        return Some(Splice::new(block.span(), with));
    };
    if input.kind() == Kind::Object {
        return None;
    }
    let given = match given(Some(input)) {
        blank if blank.trim().is_empty() => "{}".into(),
        given => given,
    };
    let document = Document::parse(given.as_bytes()).ok()?;
    let object = document.root().kind() == Kind::Object;
    object.then(|| Splice::new(input.span(), document.root().raw().to_owned()))
}
