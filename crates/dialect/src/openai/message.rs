//! Reads one chat message: its content, its tool calls, and all else it holds.

use std::borrow::Cow;

use super::grammar::CONTENT_OF;
use crate::canonical::{Field, Message, Needs, Part, ToolCall};
use crate::fields::{canonical, field, name_of, string};
use crate::grammar::prompt::{self, Parts};
use crate::json::{Kind, Shape, Span, Value, write_canonical};
use crate::request::RequestError;

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
                let at = || path(".content");
                let form = prompt::content(&CONTENT_OF, needs, value, &at, &mut content)?;
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
