//! Reads one message for the policies' view: its texts and calls typed, also those within
//! results of tools, and beside them the form in which they stood.

use crate::canonical::{Field, Message, Needs, OpaquePart, Part, ToolCall};
use crate::fields::{canonical, field, name_of, string};
use crate::json::{Kind, Shape, Span, Value, write_canonical, write_json_string};
use crate::request::RequestError;

type Path<'p> = &'p dyn Fn() -> String;

/// What of a text block is typed.
const TEXT: &Shape = &Shape {
    without: &["text"],
    inner: &[],
};

/// Parts and where each of them stands.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) parts: Vec<Part>,
    pub(super) places: Vec<Option<Span>>,
}

impl Parts {
    fn push(&mut self, part: Part, value: Value<'_>) {
        self.parts.push(part);
        self.places.push(Some(value.span()));
    }
}

pub(super) fn message(
    needs: &mut Needs,
    position: usize,
    message: Value<'_>,
) -> Result<(Message, Vec<Option<Span>>), RequestError> {
    let path = |rest: &str| format!("messages[{position}]{rest}");
    if message.kind() != Kind::Object {
        return Err(RequestError::wrong_type(path(""), "an object", message));
    }
    let mut role = None;
    let mut said = None;
    let mut extra = Vec::new();
    let mut parts = Parts::default();
    for (key, value) in message.members() {
        let name = name_of(key);
        match name.as_ref() {
            "role" => role = Some(string(value, || path(".role"))?.into_owned()),
            "content" => said = Some(content(needs, value, &|| path(".content"), &mut parts)?),
            _ => extra.push(field(&name, value)),
        }
    }
    let missing = |rest: &str| RequestError::Missing { param: path(rest) };
    let role = role.ok_or_else(|| missing(".role"))?;
    let form = said.ok_or_else(|| missing(".content"))?;
    extra.extend(form.map(|value| Field {
        name: "content".to_owned(),
        value,
    }));
    extra.sort_by(|left, right| left.name.cmp(&right.name));
    let message = Message {
        role,
        parts: parts.parts,
        extra,
    };
    Ok((message, parts.places))
}

/// Reads a string or blocks, and gives the form of the latter.
pub(super) fn content(
    needs: &mut Needs,
    value: Value<'_>,
    path: Path<'_>,
    parts: &mut Parts,
) -> Result<Option<String>, RequestError> {
    match value.kind() {
        Kind::String => {
            let text = string(value, path)?.into_owned();
            parts.push(Part::Text(text), value);
            Ok(None)
        }
        Kind::Array => {
            let mut form = String::from("[");
            for (position, item) in value.items().enumerate() {
                if position > 0 {
                    form.push(',');
                }
                let path = || format!("{}[{position}]", path());
                block(needs, item, &path, parts, &mut form)?;
            }
            form.push(']');
            Ok(Some(form))
        }
        _ => {
            let expected = "a string or an array of content blocks";
            Err(RequestError::wrong_type(path(), expected, value))
        }
    }
}

fn block(
    needs: &mut Needs,
    block: Value<'_>,
    path: Path<'_>,
    parts: &mut Parts,
    form: &mut String,
) -> Result<(), RequestError> {
    if block.kind() != Kind::Object {
        return Err(RequestError::wrong_type(path(), "an object", block));
    }
    let at = |name: &str| format!("{}.{name}", path());
    let required = |name: &str| {
        let missing = || RequestError::Missing { param: at(name) };
        block.get(name).ok_or_else(missing)
    };
    let text = |name: &str| string(required(name)?, || at(name));
    let kind = text("type")?;
    match kind.as_ref() {
        "text" => {
            let said = text("text")?.into_owned();
            parts.push(Part::Text(said), required("text")?);
            write_canonical(block, TEXT, form);
        }
        "tool_use" => {
            let input = required("input")?;
            if input.kind() != Kind::Object {
                return Err(RequestError::wrong_type(at("input"), "an object", input));
            }
            let call = ToolCall {
                id: text("id")?.into_owned(),
                name: text("name")?.into_owned(),
                arguments: canonical(input, Shape::WHOLE),
            };
            parts.push(Part::ToolCall(call), input);
            write_form(block, &["id", "name", "input"], None, form);
        }
        "tool_result" => {
            let given = block.get("content").filter(|given| !given.is_null());
            let inner = match given {
                None => None,
                Some(given) => Some(
                    content(needs, given, &|| at("content"), parts)?
                        .unwrap_or_else(|| "\"\"".to_owned()),
                ),
            };
            let without: &[&str] = if inner.is_some() { &["content"] } else { &[] };
            write_form(block, without, inner.as_deref(), form);
        }
        _ => {
            needs.vision |= kind == "image";
            let json = canonical(block, Shape::WHOLE);
            let kind = kind.into_owned();
            parts.push(Part::Opaque(OpaquePart { kind, json }), block);
            form.push_str("null");
        }
    }
    Ok(())
}

/// Appends a block's form: its members in order of their names, without those that are typed,
/// and with the form of its content.
fn write_form(block: Value<'_>, without: &[&str], content: Option<&str>, form: &mut String) {
    let mut members: Vec<_> = block
        .members()
        .map(|(key, value)| (name_of(key), value))
        .filter(|(name, _)| !without.contains(&name.as_ref()))
        .collect();
    members.sort_by(|(left, _), (right, _)| left.cmp(right));
    form.push('{');
    if let Some(content) = content {
        form.push_str("\"content\":");
        form.push_str(content);
    }
    for (name, value) in members {
        if !form.ends_with('{') {
            form.push(',');
        }
        write_json_string(&name, form);
        form.push(':');
        write_canonical(value, Shape::WHOLE, form);
    }
    form.push('}');
}
