//! Reads the calls of a chat message.

use std::borrow::Cow;

use crate::canonical::{Part, ToolCall};
use crate::fields::{array, canonical, missing, object, string};
use crate::grammar::prompt::{At, Parts};
use crate::json::{Shape, Value, write_canonical};
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

/// Reads `tool_calls` and gives what of it is not typed.
pub(super) fn tool_calls(
    value: Value<'_>,
    path: At<'_>,
    calls: &mut Parts,
) -> Result<String, RequestError> {
    if value.is_null() {
        return Ok("null".to_owned());
    }
    array(value, path)?;
    let mut form = String::from("[");
    for (position, call) in value.items().enumerate() {
        let path = || format!("{}[{position}]", path());
        if position > 0 {
            form.push(',');
        }
        object(call, path)?;
        let kind = match call.get("type") {
            Some(kind) => string(kind, || path() + ".type")?,
            None => Cow::Borrowed("function"),
        };
        if kind == "function" {
            let missing = || missing(|| path() + ".function");
            let called = call.get("function").ok_or_else(missing)?;
            let at = || path() + ".function";
            let id = match call.some("id") {
                Some(id) => Some(string(id, || path() + ".id")?.into_owned()),
                None => None,
            };
            function(called, id, &at, calls)?;
            write_canonical(call, CALL, &mut form);
        } else {
            calls.opaque(&kind, call);
            form.push_str("null");
        }
    }
    form.push(']');
    Ok(form)
}

/// Reads the older `function_call` and gives what of it is not typed.
pub(super) fn function_call(
    value: Value<'_>,
    path: At<'_>,
    calls: &mut Parts,
) -> Result<String, RequestError> {
    if !value.is_null() {
        function(value, None, path, calls)?;
    }
    Ok(canonical(value, FUNCTION))
}

/// A function that was called: `{"name", "arguments"}`.
fn function(
    value: Value<'_>,
    id: Option<String>,
    path: At<'_>,
    calls: &mut Parts,
) -> Result<(), RequestError> {
    let at = || path() + ".name";
    let name = object(value, path)?
        .get("name")
        .ok_or_else(|| missing(at))?;
    let arguments = value.some("arguments");
    let text = match arguments {
        Some(arguments) => string(arguments, || path() + ".arguments")?,
        None => Cow::Borrowed(""),
    };
    let name = string(name, at)?.into_owned();
    let call = ToolCall::function(id.unwrap_or_default(), name, text.into_owned());
    calls.push(Part::ToolCall(call), arguments);
    Ok(())
}
