//! Writes tools, which of them must be called, and the form that the answer is to have.

use std::borrow::Cow;

use super::members::text;
use super::object::{Body, UNKNOWN, member};
use crate::exchange::{ChatRequest, OutputFormat, Tool, ToolChoice};
use crate::json::{Document, Value, write_json_string};

const CACHES_BY_ITSELF: &str = "the target caches prompts by itself";

/// About how long a tool gets.
pub(super) fn room(tool: &Tool<'_>) -> usize {
    let length = |text: &Option<Cow<'_, str>>| text.as_ref().map_or(0, |text| text.len());
    let builtin = tool.builtin.as_ref().map_or(0, |(_, json)| json.len());
    96 + tool.name.len() + length(&tool.description) + length(&tool.parameters) + builtin
}

/// `tools`, `tool_choice` and `parallel_tool_calls`. The latter two only beside tools: OpenAI
/// refuses them alone.
pub(super) fn tools(request: &ChatRequest<'_>, body: &mut Body<'_>) {
    let only = match &request.tool_choice {
        // A target that can't be told of a selection is told of nothing else.
        Some(ToolChoice::Allowed(names, _)) if !body.traits.allowed_tools => Some(names),
        _ => None,
    };
    let mut written = String::with_capacity(request.tools.iter().map(room).sum());
    for (position, tool) in request.tools.iter().enumerate() {
        if only.is_none_or(|names| names.contains(&tool.name)) {
            one(position, tool, &mut written, body);
        }
    }
    if written.is_empty() {
        let demanded = request
            .tool_choice
            .as_ref()
            .filter(|choice| !matches!(choice, ToolChoice::Auto | ToolChoice::None));
        if demanded.is_some() {
            body.lose("tool_choice", "there is no tool to choose");
        }
        return;
    }
    if body.field("tools") {
        body.out.push('[');
        body.out.push_str(&written);
        body.out.push(']');
    }
    if let Some(choice) = &request.tool_choice {
        tool_choice(choice, &request.tools, body);
    }
    body.plain("parallel_tool_calls", request.parallel_tool_calls);
}

fn one(position: usize, tool: &Tool<'_>, out: &mut String, body: &mut Body<'_>) {
    let param = || format!("tools[{position}]");
    if tool.cache.is_some() {
        body.lose(param() + ".cache_control", CACHES_BY_ITSELF);
    }
    if let Some((kind, json)) = &tool.builtin {
        let before = out.len();
        if !out.is_empty() {
            out.push(',');
        }
        if kind != "custom" || !body.traits.custom_tools || !custom(tool, json, out) {
            out.truncate(before);
            let why = "chat completions at this target have no such tool";
            body.lose(param(), why);
        }
        return;
    }
    if !out.is_empty() {
        out.push(',');
    }
    out.push_str("{\"type\":\"function\",\"function\":{\"name\":");
    write_json_string(&tool.name, out);
    if let Some(description) = &tool.description {
        member("description", description, out);
    }
    match tool.parameters.as_deref() {
        Some(parameters) => {
            out.push_str(",\"parameters\":");
            out.push_str(parameters);
        }
        None if body.traits.parameters_required => {
            out.push_str(",\"parameters\":{\"type\":\"object\",\"properties\":{}}");
        }
        None => {}
    }
    if let Some(strict) = tool.strict {
        out.push_str(if strict {
            ",\"strict\":true"
        } else {
            ",\"strict\":false"
        });
    }
    out.push_str("}}");
    for field in &tool.extra {
        body.lose(format!("{}.{}", param(), field.name), UNKNOWN);
    }
}

/// A custom tool in chat's form: as it stands, or made of the flat form that responses have, under
/// the name that it goes by here. False where it is neither.
fn custom(tool: &Tool<'_>, json: &str, out: &mut String) -> bool {
    let Ok(document) = Document::parse(json.as_bytes()) else {
        return false;
    };
    let root = document.root();
    let wrapped = root.get("custom");
    let declared = wrapped.unwrap_or(root);
    let Some(name) = text(declared, "name") else {
        return false;
    };
    if wrapped.is_some() && name == tool.name {
        out.push_str(json);
        return true;
    }
    out.push_str("{\"type\":\"custom\",\"custom\":{\"name\":");
    write_json_string(&tool.name, out);
    let description = tool.description.clone();
    if let Some(description) = description.or_else(|| text(declared, "description")) {
        member("description", &description, out);
    }
    if let Some(format) = super::members::some(declared, "format") {
        out.push_str(",\"format\":");
        match wrapped {
            Some(_) => out.push_str(format.raw()),
            None => custom_format(format, out),
        }
    }
    out.push_str("}}");
    true
}

fn custom_format(format: Value<'_>, out: &mut String) {
    let grammar = (text(format, "syntax"), text(format, "definition"));
    let (Some(syntax), Some(definition)) = grammar else {
        out.push_str(format.raw());
        return;
    };
    out.push_str("{\"type\":\"grammar\",\"grammar\":{\"syntax\":");
    write_json_string(&syntax, out);
    member("definition", &definition, out);
    out.push_str("}}");
}

fn tool_choice(choice: &ToolChoice<'_>, tools: &[Tool<'_>], body: &mut Body<'_>) {
    let traits = body.traits;
    let required = |required: bool| if required { traits.required } else { "auto" };
    match choice {
        ToolChoice::Auto => body.string("tool_choice", Some("auto")),
        ToolChoice::None => body.string("tool_choice", Some("none")),
        ToolChoice::Required => body.string("tool_choice", Some(traits.required)),
        ToolChoice::Allowed(_, must) if !traits.allowed_tools => {
            body.string("tool_choice", Some(required(*must)));
        }
        ToolChoice::Tool(name) => {
            if body.field("tool_choice") {
                named_tool(name, tools, &mut body.out);
            }
        }
        ToolChoice::Allowed(names, must) => {
            if !body.field("tool_choice") {
                return;
            }
            body.out
                .push_str("{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"");
            body.out.push_str(required(*must));
            body.out.push_str("\",\"tools\":[");
            for (position, name) in names.iter().enumerate() {
                if position > 0 {
                    body.out.push(',');
                }
                named_tool(name, tools, &mut body.out);
            }
            body.out.push_str("]}}");
        }
    }
}

fn named_tool(name: &str, tools: &[Tool<'_>], out: &mut String) {
    let tool = tools.iter().find(|tool| tool.name == name);
    let kind = match tool.and_then(|tool| tool.builtin.as_ref()) {
        Some(_) => "custom",
        None => "function",
    };
    out.push_str("{\"type\":\"");
    out.push_str(kind);
    out.push_str("\",\"");
    out.push_str(kind);
    out.push_str("\":{\"name\":");
    write_json_string(name, out);
    out.push_str("}}");
}

/// `response_format`.
pub(super) fn output(output: Option<&OutputFormat<'_>>, body: &mut Body<'_>) {
    let Some(output) = output else {
        return;
    };
    if !body.field("response_format") {
        return;
    }
    let out = &mut body.out;
    match output {
        OutputFormat::Text => out.push_str("{\"type\":\"text\"}"),
        OutputFormat::JsonObject => out.push_str("{\"type\":\"json_object\"}"),
        OutputFormat::JsonSchema {
            name,
            description,
            schema,
            strict,
        } => {
            out.push_str("{\"type\":\"json_schema\",\"json_schema\":{\"name\":");
            write_json_string(name, out);
            if let Some(description) = description {
                member("description", description, out);
            }
            out.push_str(",\"schema\":");
            out.push_str(schema);
            match strict {
                Some(true) => out.push_str(",\"strict\":true"),
                Some(false) => out.push_str(",\"strict\":false"),
                None => {}
            }
            out.push_str("}}");
        }
    }
}
