//! Reads what a request says beside its conversation: tools, thinking, the form of the answer.

use std::borrow::Cow;

use super::read_parts::cache_marker;
use crate::exchange::{ChatRequest, Effort, Reasoning, Tool, ToolChoice};
use crate::fields::text_of;
use crate::fields::{
    boolean, field, integer, invalid, missing, named, object, rest, schema, string,
};
use crate::grammar::asked::{effort, unnamed};
use crate::json::Value;
use crate::request::RequestError;

/// `thinking` and `output_config`, which are one thing elsewhere.
#[derive(Default)]
pub(super) struct Options<'d> {
    effort: Option<Effort>,
    budget: Option<u64>,
    adaptive: bool,
    disabled: bool,
    display: Option<Cow<'d, str>>,
}

impl<'d> Options<'d> {
    pub(super) fn member(
        &mut self,
        name: &str,
        value: Value<'d>,
        request: &mut ChatRequest<'d>,
    ) -> Result<(), RequestError> {
        object(value, name)?;
        match name {
            "thinking" => self.thinking(value, request),
            // The older name of `output_config.format`.
            "output_format" => format(value, name, request),
            _ => self.config(value, request),
        }
    }

    fn thinking(
        &mut self,
        value: Value<'d>,
        request: &mut ChatRequest<'d>,
    ) -> Result<(), RequestError> {
        let kind = required(value, "thinking", "type")?;
        match string(kind, "thinking.type")?.as_ref() {
            "enabled" => {
                let budget = required(value, "thinking", "budget_tokens")?;
                let at_least_0 = "must be a whole number of at least 0";
                self.budget = Some(integer(budget, "thinking.budget_tokens", at_least_0)?);
            }
            "adaptive" => self.adaptive = true,
            "disabled" => self.disabled = true,
            _ => {
                request.extra.push(field("thinking", value));
                return Ok(());
            }
        }
        let display = value.some("display");
        if let Some(display) = display {
            self.display = Some(string(display, "thinking.display")?);
        }
        for mut field in rest(value, &["type", "budget_tokens", "display"]) {
            field.name.insert_str(0, "thinking.");
            request.extra.push(field);
        }
        Ok(())
    }

    fn config(
        &mut self,
        value: Value<'d>,
        request: &mut ChatRequest<'d>,
    ) -> Result<(), RequestError> {
        for (name, value) in named(value) {
            let path = format!("output_config.{name}");
            match path.as_str() {
                "output_config.effort" => self.effort = Some(effort(value, &path)?),
                "output_config.format" => format(value, &path, request)?,
                _ => request.extra.push(field(&path, value)),
            }
        }
        Ok(())
    }

    /// What is asked of the model's reasoning. Disabled thinking is no effort at all, or a
    /// budget of nothing where an effort is named beside it.
    pub(super) fn reasoning(self) -> Option<Reasoning<'d>> {
        let effort = self.effort.or(self.disabled.then_some(Effort::None));
        let off = self.disabled && self.effort.is_some();
        let budget = self.budget.or(off.then_some(0));
        (effort.is_some() || budget.is_some() || self.adaptive).then_some(Reasoning {
            effort,
            budget,
            adaptive: self.adaptive,
            summary: self.display,
        })
    }
}

fn required<'d>(of: Value<'d>, path: &str, name: &str) -> Result<Value<'d>, RequestError> {
    of.get(name)
        .ok_or_else(|| missing(|| format!("{path}.{name}")))
}

fn format<'d>(
    value: Value<'d>,
    path: &str,
    request: &mut ChatRequest<'d>,
) -> Result<(), RequestError> {
    let kind = required(value, path, "type")?;
    if !kind.is_str("json_schema") {
        return Err(invalid(&format!("{path}.type"), "must be 'json_schema'"));
    }
    let schema = required(value, path, "schema")?;
    let schema = object(schema, || format!("{path}.schema"))?;
    request.output = Some(unnamed(Cow::Borrowed(schema.raw())));
    Ok(())
}

pub(super) fn metadata<'d>(
    value: Value<'d>,
    request: &mut ChatRequest<'d>,
) -> Result<(), RequestError> {
    object(value, "metadata")?;
    for (name, value) in named(value) {
        let path = || format!("metadata.{name}");
        match (name.as_ref(), value.as_str()) {
            ("user_id", _) => request.user = Some(string(value, path)?),
            (_, Some(text)) => request.metadata.push((name, text)),
            (_, None) => request.extra.push(field(&path(), value)),
        }
    }
    Ok(())
}

pub(super) fn tool<'d>(
    value: Value<'d>,
    path: &dyn Fn() -> String,
) -> Result<Tool<'d>, RequestError> {
    let at = |name: &str| format!("{}.{name}", path());
    let kind = text_of(object(value, path)?, "type", path)?.filter(|kind| kind != "custom");
    let told = value.some("input_schema");
    if kind.is_none() && told.is_none() {
        return Err(missing(|| at("input_schema")));
    }
    let parameters = told.map(|told| schema(told, || at("input_schema")));
    let name = match (text_of(value, "name", path)?, &kind) {
        (Some(name), _) => name,
        (None, Some(_)) => Cow::Borrowed(""),
        (None, None) => return Err(missing(|| at("name"))),
    };
    let strict = value.some("strict");
    let cache = value.some("cache_control");
    let known = [
        "type",
        "name",
        "description",
        "input_schema",
        "strict",
        "cache_control",
    ];
    let extra = match kind {
        Some(_) => Vec::new(),
        None => rest(value, &known),
    };
    Ok(Tool {
        name,
        description: text_of(value, "description", path)?,
        parameters: parameters.transpose()?.flatten(),
        strict: strict
            .map(|strict| boolean(strict, &at("strict")))
            .transpose()?,
        cache: cache
            .map(|marker| cache_marker(marker, &|| at("cache_control")))
            .transpose()?,
        builtin: kind.map(|kind| (kind, Cow::Borrowed(value.raw()))),
        extra,
    })
}

pub(super) fn tool_choice<'d>(
    value: Value<'d>,
    request: &mut ChatRequest<'d>,
) -> Result<(), RequestError> {
    object(value, "tool_choice")?;
    let kind = required(value, "tool_choice", "type")?;
    let choice = match string(kind, "tool_choice.type")?.as_ref() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => {
            let name = required(value, "tool_choice", "name")?;
            ToolChoice::Tool(string(name, "tool_choice.name")?)
        }
        _ => {
            let reason = "must be 'auto', 'any', 'tool' or 'none'";
            return Err(invalid("tool_choice.type", reason));
        }
    };
    request.tool_choice = Some(choice);
    const SERIAL: &str = "disable_parallel_tool_use";
    if let Some(serial) = value.some(SERIAL) {
        let serial = boolean(serial, "tool_choice.disable_parallel_tool_use")?;
        request.parallel_tool_calls = Some(!serial);
    }
    for mut field in rest(value, &["type", "name", SERIAL]) {
        field.name.insert_str(0, "tool_choice.");
        request.extra.push(field);
    }
    Ok(())
}
