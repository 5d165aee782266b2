//! Reads a request into the typed form that crosses between dialects: tools, settings, labels.
//! Contents are read next door.

use std::borrow::Cow;

use super::contents::Contents;
use super::generation::Generation;
use super::names::{each, get, named};
use super::schema::json_schema;
use crate::canonical::Field;
use crate::exchange::{ChatRequest, Tool, ToolChoice};
use crate::fields::{by_name, field, invalid, missing, object, schema, string};
use crate::grammar::asked::labels;
use crate::json::{Value, json_string};
use crate::request::RequestError;
use crate::wire::Target;

pub(crate) fn read_request<'d>(
    target: &Target,
    root: Value<'d>,
) -> Result<ChatRequest<'d>, RequestError> {
    let mut request = ChatRequest {
        stream: target.stream.unwrap_or(false),
        ..ChatRequest::default()
    };
    let mut contents = Contents::default();
    if let Some(instruction) = get(root, "systemInstruction") {
        contents.instruction(instruction)?;
    }
    let mut choice = None;
    for (name, value) in named(root) {
        match name.as_ref() {
            "systemInstruction" => {}
            "model" => request.model = string(value, "model")?,
            "contents" => contents.read(value)?,
            "tools" => tools(value, &mut request.tools)?,
            "toolConfig" => choice = tool_config(value, &mut request.extra)?,
            "generationConfig" => {
                let read = Generation::read(value)?;
                request.sampling = read.sampling;
                request.output = read.output;
                request.reasoning = read.reasoning;
                request.extra.extend(read.extra);
            }
            "labels" => request.metadata = labels(value, "labels")?,
            "serviceTier" => {
                let tier = string(value, "serviceTier")?;
                request.service_tier = service_tier(&tier);
            }
            _ => request.extra.push(field(&name, value)),
        }
    }
    if let Some(model) = &target.model {
        request.model = Cow::Owned(model.clone());
    }
    if let Some((choice, strict)) = choice {
        request.tool_choice = choice;
        for tool in request
            .tools
            .iter_mut()
            .filter(|tool| tool.builtin.is_none())
        {
            tool.strict = strict.then_some(true);
        }
    }
    request.messages = contents.finish()?;
    by_name(&mut request.extra);
    Ok(request)
}

fn tools<'d>(value: Value<'d>, tools: &mut Vec<Tool<'d>>) -> Result<(), RequestError> {
    for (position, tool) in each(value).enumerate() {
        object(tool, || format!("tools[{position}]"))?;
        for (name, value) in named(tool) {
            if name != "functionDeclarations" {
                tools.push(builtin(name, value));
                continue;
            }
            for (number, declaration) in each(value).enumerate() {
                let path = || format!("tools[{position}].functionDeclarations[{number}]");
                tools.push(function(declaration, path)?);
            }
        }
    }
    Ok(())
}

/// A tool that Google runs: its name, and the tool with nothing but it.
fn builtin<'d>(name: Cow<'d, str>, value: Value<'d>) -> Tool<'d> {
    let json = format!("{{{}:{}}}", json_string(&name), value.raw());
    Tool {
        name: name.clone(),
        builtin: Some((name, Cow::Owned(json))),
        ..Tool::default()
    }
}

fn function<'d>(
    declaration: Value<'d>,
    path: impl Fn() -> String,
) -> Result<Tool<'d>, RequestError> {
    object(declaration, &path)?;
    let mut tool = Tool::default();
    for (name, value) in named(declaration) {
        match name.as_ref() {
            "name" => tool.name = string(value, || path() + ".name")?,
            "description" => tool.description = Some(string(value, || path() + ".description")?),
            "parameters" => tool.parameters = Some(json_schema(value)),
            "parametersJsonSchema" => {
                tool.parameters = schema(value, || path() + ".parametersJsonSchema")?;
            }
            _ => tool.extra.push(field(&name, value)),
        }
    }
    if tool.name.is_empty() {
        return Err(missing(|| path() + ".name"));
    }
    by_name(&mut tool.extra);
    Ok(tool)
}

/// Which tool must be called, and whether arguments keep to their schemas (`VALIDATED`).
type Choice<'d> = (Option<ToolChoice<'d>>, bool);

fn tool_config<'d>(
    value: Value<'d>,
    extra: &mut Vec<Field>,
) -> Result<Option<Choice<'d>>, RequestError> {
    object(value, "toolConfig")?;
    let mut choice = None;
    for (name, value) in named(value) {
        match name.as_ref() {
            "functionCallingConfig" => choice = Some(function_calling(value, extra)?),
            name => extra.push(field(&format!("toolConfig.{name}"), value)),
        }
    }
    Ok(choice)
}

fn function_calling<'d>(
    config: Value<'d>,
    extra: &mut Vec<Field>,
) -> Result<Choice<'d>, RequestError> {
    const MODE: &str = "toolConfig.functionCallingConfig.mode";
    const NAMES: &str = "toolConfig.functionCallingConfig.allowedFunctionNames";
    object(config, "toolConfig.functionCallingConfig")?;
    let mut mode = Cow::Borrowed("");
    let mut names = Vec::new();
    for (name, value) in named(config) {
        match name.as_ref() {
            "mode" => mode = string(value, MODE)?,
            "allowedFunctionNames" => {
                for (position, name) in each(value).enumerate() {
                    names.push(string(name, || format!("{NAMES}[{position}]"))?);
                }
            }
            name => {
                let name = format!("toolConfig.functionCallingConfig.{name}");
                extra.push(field(&name, value));
            }
        }
    }
    Ok(match mode.to_ascii_uppercase().as_str() {
        "" | "MODE_UNSPECIFIED" => (None, false),
        "AUTO" => (Some(ToolChoice::Auto), false),
        "NONE" => (Some(ToolChoice::None), false),
        "ANY" => {
            let choice = match names.len() {
                0 => ToolChoice::Required,
                1 => ToolChoice::Tool(names.remove(0)),
                _ => ToolChoice::Allowed(names, true),
            };
            (Some(choice), false)
        }
        "VALIDATED" if names.is_empty() => (Some(ToolChoice::Auto), true),
        "VALIDATED" => (Some(ToolChoice::Allowed(names, false)), true),
        _ => return Err(invalid(MODE, "must be AUTO, ANY, NONE or VALIDATED")),
    })
}

/// A tier in OpenAI's words.
fn service_tier(tier: &str) -> Option<Cow<'static, str>> {
    Some(match tier.to_ascii_lowercase().as_str() {
        "unspecified" => return None,
        "standard" => Cow::Borrowed("default"),
        other => Cow::Owned(other.to_owned()),
    })
}
