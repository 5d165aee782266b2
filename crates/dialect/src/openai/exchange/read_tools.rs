//! Reads tools, which of them must be called, and the form that the answer is to have.

use std::borrow::Cow;

use super::read_part::marker;
use crate::exchange::{OutputFormat, Tool, ToolChoice};
use crate::fields::{boolean, field, invalid, list, named, need, need_text, schema, string};
use crate::grammar::asked::json_schema;
use crate::json::{Kind, Value, write};
use crate::request::RequestError;

pub(super) fn tools<'d>(value: Value<'d>) -> Result<Vec<Tool<'d>>, RequestError> {
    list(value, || "tools".to_owned(), tool)
}

/// The older `functions`.
pub(super) fn functions<'d>(value: Value<'d>) -> Result<Vec<Tool<'d>>, RequestError> {
    list(value, || "functions".to_owned(), function)
}

fn tool<'d>(value: Value<'d>, path: &dyn Fn() -> String) -> Result<Tool<'d>, RequestError> {
    let kind = match value.some("type") {
        Some(kind) => string(kind, || path() + ".type")?,
        None => Cow::Borrowed("function"),
    };
    if kind != "function" {
        return builtin(kind, value, path);
    }
    let mut tool = function(need(value, "function", path)?, &|| path() + ".function")?;
    for (name, value) in named(value) {
        match name.as_ref() {
            "type" | "function" => {}
            "cache_control" => tool.cache = Some(marker(value)),
            _ => tool.extra.push(field(&name, value)),
        }
    }
    Ok(tool)
}

/// A custom tool, or one that only this provider knows.
fn builtin<'d>(
    kind: Cow<'d, str>,
    value: Value<'d>,
    path: &dyn Fn() -> String,
) -> Result<Tool<'d>, RequestError> {
    let function = value.get("function").filter(|_| kind != "custom");
    let json = match function.filter(|function| function.kind() == Kind::Object) {
        Some(function) => Cow::Owned(flat(&kind, function)),
        None => value.raw().into(),
    };
    let name = crate::fields::said(function.unwrap_or(value), "name");
    let mut tool = Tool {
        name: name.unwrap_or_default(),
        cache: value.some("cache_control").map(marker),
        builtin: Some((kind.clone(), json)),
        ..Tool::default()
    };
    if kind == "custom" {
        let custom = need(value, "custom", path)?;
        tool.name = need_text(custom, "name", || path() + ".custom")?;
        tool.description = crate::fields::said(custom, "description");
    }
    Ok(tool)
}

/// Anthropic's own tools in the shape of functions, as LiteLLM takes them: their settings stand in
/// `parameters`.
fn flat(kind: &str, function: Value<'_>) -> String {
    let mut out = String::new();
    write::typed(&mut out, kind, |out| {
        for (key, value) in function.members() {
            match key.as_str().as_deref() {
                Some("parameters") => value
                    .members()
                    .for_each(|(key, value)| write::kept(out, key, value.raw())),
                _ => write::kept(out, key, value.raw()),
            }
        }
    });
    out
}

fn function<'d>(value: Value<'d>, path: &dyn Fn() -> String) -> Result<Tool<'d>, RequestError> {
    let mut tool = Tool {
        name: need_text(value, "name", path)?,
        ..Tool::default()
    };
    for (name, value) in named(value) {
        let at = || format!("{}.{name}", path());
        match name.as_ref() {
            "name" => {}
            "description" => tool.description = Some(string(value, at)?),
            "parameters" => tool.parameters = schema(value, at)?,
            "strict" => tool.strict = Some(boolean(value, &at())?),
            "cache_control" => tool.cache = Some(marker(value)),
            _ => tool.extra.push(field(&name, value)),
        }
    }
    Ok(tool)
}

pub(super) fn tool_choice<'d>(value: Value<'d>) -> Result<ToolChoice<'d>, RequestError> {
    const NAME: &str = "tool_choice";
    let path = || NAME.to_owned();
    if value.kind() == Kind::String {
        return Ok(match value.as_str().unwrap_or_default().as_ref() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            // Mistral's word is `any`.
            "required" | "any" => ToolChoice::Required,
            _ => {
                let reason = "must be 'auto', 'none', 'required' or name a tool";
                return Err(invalid(NAME, reason));
            }
        });
    }
    let kind = match value.some("type") {
        Some(kind) => string(kind, || path() + ".type")?,
        None => Cow::Borrowed("function"),
    };
    match kind.as_ref() {
        "function" | "custom" => {
            let called = need(value, &kind, path)?;
            need_text(called, "name", || format!("{NAME}.{kind}")).map(ToolChoice::Tool)
        }
        "allowed_tools" => {
            let allowed = need(value, "allowed_tools", path)?;
            let path = || "tool_choice.allowed_tools".to_owned();
            let required = need_text(allowed, "mode", path)? == "required";
            let tools = need(allowed, "tools", path)?;
            let names = list(
                tools,
                || "tool_choice.allowed_tools.tools".to_owned(),
                allowed_name,
            )?;
            Ok(ToolChoice::Allowed(names, required))
        }
        _ => Err(invalid(
            "tool_choice.type",
            "must be 'function', 'custom' or 'allowed_tools'",
        )),
    }
}

fn allowed_name<'d>(
    value: Value<'d>,
    path: &dyn Fn() -> String,
) -> Result<Cow<'d, str>, RequestError> {
    let kind = need_text(value, "type", path)?;
    need_text(need(value, &kind, path)?, "name", || {
        format!("{}.{kind}", path())
    })
}

/// The older `function_call` of a request.
pub(super) fn function_call<'d>(value: Value<'d>) -> Result<ToolChoice<'d>, RequestError> {
    const NAME: &str = "function_call";
    match value.as_str().as_deref() {
        Some("auto") => Ok(ToolChoice::Auto),
        Some("none") => Ok(ToolChoice::None),
        Some(_) => Err(invalid(NAME, "must be 'auto', 'none' or name a function")),
        None => need_text(value, "name", || NAME.to_owned()).map(ToolChoice::Tool),
    }
}

/// The answer's form; none for a form that only some engine knows.
pub(super) fn response_format<'d>(
    value: Value<'d>,
) -> Result<Option<OutputFormat<'d>>, RequestError> {
    let path = || "response_format".to_owned();
    let kind = need_text(value, "type", path)?;
    Ok(match kind.as_ref() {
        "text" => Some(OutputFormat::Text),
        "json_object" => Some(OutputFormat::JsonObject),
        "json_schema" => {
            let path_of = || path() + ".json_schema";
            Some(json_schema(need(value, "json_schema", path)?, path_of)?)
        }
        _ => None,
    })
}
