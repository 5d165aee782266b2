//! Reads one chat message: its content, its tool calls, and all else it holds.

use std::borrow::Cow;

use crate::canonical::{Field, Message, Needs, OpaquePart, Part, ToolCall};
use crate::fields::{canonical, field, name_of, string};
use crate::json::{Kind, Shape, Span, Value, write_canonical};
use crate::request::RequestError;

/// What of a text part is typed.
const TEXT_PART: &Shape = &Shape {
    without: &["text"],
    inner: &[],
};
/// What of a function (or of the legacy `function_call`) is typed.
const FUNCTION: &Shape = &Shape {
    without: &["name", "arguments"],
    inner: &[],
};
/// What of a tool call is typed.
const CALL: &Shape = &Shape {
    without: &["id"],
    inner: &[("function", FUNCTION)],
};

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
    let mut extra = Vec::new();
    let mut content = Parts::default();
    let mut calls = Parts::default();
    let mut legacy = Parts::default();
    for (key, value) in message.members() {
        let name = name_of(key);
        match name.as_ref() {
            "role" => role = Some(string(value, || path(".role"))?.into_owned()),
            "content" => {
                let form = content_parts(needs, value, || path(".content"), &mut content)?;
                extra.extend(form.map(|value| Field {
                    name: "content".to_owned(),
                    value,
                }));
            }
            "tool_calls" => {
                let value = tool_calls(value, || path(".tool_calls"), &mut calls)?;
                extra.push(Field {
                    name: "tool_calls".to_owned(),
                    value,
                });
            }
            "function_call" if !value.is_null() => {
                let at = || path(".function_call");
                let call = function(value, None, &at, &mut legacy.places)?;
                legacy.parts.push(Part::ToolCall(call));
                let value = canonical(value, FUNCTION);
                extra.push(Field {
                    name: "function_call".to_owned(),
                    value,
                });
            }
            _ => extra.push(field(&name, value)),
        }
    }
    let role = role.ok_or_else(|| RequestError::Missing {
        param: path(".role"),
    })?;
    extra.sort_by(|left, right| left.name.cmp(&right.name));
    content.append(calls);
    content.append(legacy);
    Ok((
        Message {
            role,
            parts: content.parts,
            extra,
        },
        content.places,
    ))
}

/// Reads a message's content and gives its form where that is more than one text.
fn content_parts(
    needs: &mut Needs,
    value: Value<'_>,
    path: impl Fn() -> String,
    content: &mut Parts,
) -> Result<Option<String>, RequestError> {
    match value.kind() {
        Kind::Null => Ok(Some("null".to_owned())),
        Kind::String => {
            content.text(value);
            Ok(None)
        }
        Kind::Array => {
            let mut form = String::from("[");
            for (position, part) in value.items().enumerate() {
                if position > 0 {
                    form.push(',');
                }
                content_part(
                    needs,
                    part,
                    || format!("{}[{position}]", path()),
                    content,
                    &mut form,
                )?;
            }
            form.push(']');
            Ok(Some(form))
        }
        _ => {
            let expected = "a string, null or an array of parts";
            Err(RequestError::wrong_type(path(), expected, value))
        }
    }
}

fn content_part(
    needs: &mut Needs,
    part: Value<'_>,
    path: impl Fn() -> String,
    content: &mut Parts,
    form: &mut String,
) -> Result<(), RequestError> {
    if part.kind() != Kind::Object {
        return Err(RequestError::wrong_type(path(), "an object", part));
    }
    let kind = part.get("type").ok_or_else(|| RequestError::Missing {
        param: path() + ".type",
    })?;
    let kind = string(kind, || path() + ".type")?;
    if kind == "text" {
        let missing = || RequestError::Missing {
            param: path() + ".text",
        };
        let text = part.get("text").ok_or_else(missing)?;
        if text.kind() != Kind::String {
            return Err(RequestError::wrong_type(path() + ".text", "a string", text));
        }
        content.text(text);
        write_canonical(part, TEXT_PART, form);
    } else {
        needs.vision |= kind.contains("image") || kind.contains("video");
        needs.audio |= kind.contains("audio");
        content.opaque(&kind, part);
        form.push_str("null");
    }
    Ok(())
}

/// Parts and where each of them stands.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) parts: Vec<Part>,
    pub(super) places: Vec<Option<Span>>,
}

impl Parts {
    pub(super) fn text(&mut self, value: Value<'_>) {
        self.parts
            .push(Part::Text(value.as_str().unwrap_or_default().into_owned()));
        self.places.push(Some(value.span()));
    }

    pub(super) fn opaque(&mut self, kind: &str, value: Value<'_>) {
        let json = canonical(value, Shape::WHOLE);
        self.parts.push(Part::Opaque(OpaquePart {
            kind: kind.to_owned(),
            json,
        }));
        self.places.push(Some(value.span()));
    }

    pub(super) fn append(&mut self, mut other: Parts) {
        self.parts.append(&mut other.parts);
        self.places.append(&mut other.places);
    }

    pub(super) fn into_message(self) -> (Message, Vec<Option<Span>>) {
        let message = Message {
            role: "user".to_owned(),
            parts: self.parts,
            extra: Vec::new(),
        };
        (message, self.places)
    }
}

/// Reads `tool_calls` and gives what of it is not typed.
fn tool_calls(
    value: Value<'_>,
    path: impl Fn() -> String,
    calls: &mut Parts,
) -> Result<String, RequestError> {
    if value.is_null() {
        return Ok("null".to_owned());
    }
    if value.kind() != Kind::Array {
        return Err(RequestError::wrong_type(path(), "an array", value));
    }
    let mut form = String::from("[");
    for (position, call) in value.items().enumerate() {
        let path = || format!("{}[{position}]", path());
        if position > 0 {
            form.push(',');
        }
        if call.kind() != Kind::Object {
            return Err(RequestError::wrong_type(path(), "an object", call));
        }
        let kind = match call.get("type") {
            Some(kind) => string(kind, || path() + ".type")?,
            None => Cow::Borrowed("function"),
        };
        if kind == "function" {
            let missing = || RequestError::Missing {
                param: path() + ".function",
            };
            let called = call.get("function").ok_or_else(missing)?;
            let at = || path() + ".function";
            let id = match call.get("id").filter(|id| !id.is_null()) {
                Some(id) => Some(string(id, || path() + ".id")?.into_owned()),
                None => None,
            };
            calls.parts.push(Part::ToolCall(function(
                called,
                id,
                &at,
                &mut calls.places,
            )?));
            write_canonical(call, CALL, &mut form);
        } else {
            calls.opaque(&kind, call);
            form.push_str("null");
        }
    }
    form.push(']');
    Ok(form)
}

/// A function that was called: `{"name", "arguments"}`.
fn function(
    value: Value<'_>,
    id: Option<String>,
    path: &dyn Fn() -> String,
    places: &mut Vec<Option<Span>>,
) -> Result<ToolCall, RequestError> {
    if value.kind() != Kind::Object {
        return Err(RequestError::wrong_type(path(), "an object", value));
    }
    let name = value
        .get("name")
        .ok_or_else(|| RequestError::Missing {
            param: path() + ".name",
        })
        .and_then(|name| string(name, || path() + ".name"))?;
    let arguments = value
        .get("arguments")
        .filter(|arguments| !arguments.is_null());
    let text = match arguments {
        Some(arguments) => string(arguments, || path() + ".arguments")?,
        None => Cow::Borrowed(""),
    };
    places.push(arguments.map(Value::span));
    Ok(ToolCall {
        id: id.unwrap_or_default(),
        name: name.into_owned(),
        arguments: text.into_owned(),
    })
}
