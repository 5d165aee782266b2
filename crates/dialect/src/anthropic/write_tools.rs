//! Writes the tools and which of them must be called.

use std::fmt::Write;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::body::Body;
use super::names;
use super::write_parts::cache_control;
use crate::exchange::{ChatRequest, Inexpressible, Tool, ToolChoice};
use crate::json::write_json_string;

/// Fields of tools that only Anthropic has.
const OWN_TOOL_FIELDS: [&str; 4] = [
    "allowed_callers",
    "defer_loading",
    "eager_input_streaming",
    "input_examples",
];

/// Writes the tools and which must be called.
pub(super) fn tools(request: &ChatRequest<'_>, body: &mut Body<'_>) -> Result<(), Inexpressible> {
    let allowed = match &request.tool_choice {
        Some(ToolChoice::Allowed(names, _)) => Some(names),
        _ => None,
    };
    let mut count = 0;
    let before = body.out.len();
    if !request.tools.is_empty() && body.begin("tools") {
        body.out.push('[');
        for (index, one) in request.tools.iter().enumerate() {
            if allowed.is_some_and(|allowed| !allowed.contains(&one.name)) {
                continue;
            }
            let before = body.out.len();
            if count > 0 {
                body.out.push(',');
            }
            if tool(index, one, body)? {
                count += 1;
            } else {
                body.out.truncate(before);
            }
        }
        body.out.push(']');
        if count == 0 {
            body.out.truncate(before);
        }
    }
    choice(request, count > 0, body);
    Ok(())
}

/// Only whether a schema says its type.
#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    kind: Option<IgnoredAny>,
}

fn tool(index: usize, tool: &Tool<'_>, body: &mut Body<'_>) -> Result<bool, Inexpressible> {
    if let Some((kind, json)) = &tool.builtin {
        if names::is_own_tool(kind) {
            body.out.push_str(json);
            return Ok(true);
        }
        let why = "Anthropic has no tool of that type";
        body.lose(format!("tools[{index}]"), why);
        return Ok(false);
    }
    body.out.push_str("{\"name\":");
    write_json_string(&tool.name, &mut body.out);
    if let Some(description) = &tool.description {
        body.out.push_str(",\"description\":");
        write_json_string(description, &mut body.out);
    }
    body.out.push_str(",\"input_schema\":");
    let schema = tool.parameters.as_deref().unwrap_or("{}").trim();
    let Ok(typed) = serde_json::from_str::<Typed>(schema) else {
        return Err(Inexpressible {
            param: format!("tools[{index}]"),
            why: "Anthropic's tools take a JSON object, and its parameters are no schema of one"
                .to_owned(),
        });
    };
    match schema.strip_prefix('{').map(str::trim_start) {
        // Arguments are an object; Anthropic wants to be told.
        Some("}") => body.out.push_str("{\"type\":\"object\"}"),
        Some(members) if typed.kind.is_none() => {
            body.out.push_str("{\"type\":\"object\",");
            body.out.push_str(members);
        }
        _ => body.out.push_str(schema),
    }
    if let Some(strict) = tool.strict {
        let _ = write!(body.out, ",\"strict\":{strict}");
    }
    if let Some(marker) = &tool.cache {
        cache_control(marker, &mut body.out);
    }
    for field in &tool.extra {
        if OWN_TOOL_FIELDS.contains(&field.name.as_str()) {
            let _ = write!(body.out, ",\"{}\":{}", field.name, field.value);
        } else {
            let path = format!("tools[{index}].{}", field.name);
            body.lose(path, "Anthropic's tools have no such field");
        }
    }
    body.out.push('}');
    Ok(true)
}

fn choice(request: &ChatRequest<'_>, has_tools: bool, body: &mut Body<'_>) {
    let serial = request.parallel_tool_calls == Some(false);
    let mut named = None;
    let kind = match &request.tool_choice {
        None if serial && has_tools => "auto",
        None => return,
        Some(ToolChoice::Auto | ToolChoice::None) if !has_tools => return,
        Some(_) if !has_tools => {
            body.lose("tool_choice", "none of the tools can be brought over");
            return;
        }
        Some(ToolChoice::Auto) => "auto",
        Some(ToolChoice::None) => "none",
        Some(ToolChoice::Required) => "any",
        Some(ToolChoice::Tool(name)) => {
            named = Some(name);
            "tool"
        }
        Some(ToolChoice::Allowed(_, required)) => {
            let why = "Anthropic knows no allowed tools: the others were left out";
            body.lose("tool_choice.allowed_tools", why);
            if *required { "any" } else { "auto" }
        }
    };
    if !body.begin("tool_choice") {
        return;
    }
    let _ = write!(body.out, "{{\"type\":\"{kind}\"");
    if let Some(name) = named {
        body.out.push_str(",\"name\":");
        write_json_string(name, &mut body.out);
    }
    // Where nothing may be called, nothing is called at once.
    if let Some(parallel) = request.parallel_tool_calls.filter(|_| kind != "none") {
        let _ = write!(body.out, ",\"disable_parallel_tool_use\":{}", !parallel);
    }
    body.out.push('}');
}
