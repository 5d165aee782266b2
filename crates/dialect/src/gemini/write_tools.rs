//! Writes tools, and which of them must be called.

use super::emit::{item, name, string};
use crate::exchange::{ChatRequest, Losses, Tool, ToolChoice};
use crate::json::write_json_string;

/// Tools that Google runs (`Tool` in its API).
const BUILTIN: [&str; 11] = [
    "codeExecution",
    "computerUse",
    "enterpriseWebSearch",
    "fileSearch",
    "googleMaps",
    "googleSearch",
    "googleSearchRetrieval",
    "mcpServers",
    "parallelAiSearch",
    "retrieval",
    "urlContext",
];
/// Whether a tool of that kind is one that Google runs.
pub(crate) fn is_own_tool(kind: &str) -> bool {
    BUILTIN.contains(&kind)
}

/// Members of a function's declaration that only Google has.
const DECLARED: [&str; 3] = ["behavior", "response", "responseJsonSchema"];

/// Writes `tools`.
pub(super) fn tools(request: &ChatRequest<'_>, out: &mut String, lost: &mut Losses) {
    if request.tools.is_empty() {
        return;
    }
    let start = out.len();
    name(out, "tools");
    out.push('[');
    let mut in_functions = false;
    let mut any = false;
    for (position, tool) in request.tools.iter().enumerate() {
        if tool.cache.is_some() {
            let param = format!("tools[{position}].cache_control");
            lost.push(param, "Gemini caches prefixes by itself");
        }
        match &tool.builtin {
            Some((kind, json)) if is_own_tool(kind) => {
                if std::mem::take(&mut in_functions) {
                    out.push_str("]}");
                }
                item(out);
                out.push_str(json);
                any = true;
            }
            Some(_) => {
                let param = format!("tools[{position}]");
                lost.push(param, "Gemini has no tool of this type");
            }
            None => {
                if !std::mem::replace(&mut in_functions, true) {
                    item(out);
                    out.push_str("{\"functionDeclarations\":[");
                }
                function(position, tool, out, lost);
                any = true;
            }
        }
    }
    if in_functions {
        out.push_str("]}");
    }
    out.push(']');
    if !any {
        out.truncate(start);
    }
}

fn function(position: usize, tool: &Tool<'_>, out: &mut String, lost: &mut Losses) {
    item(out);
    out.push('{');
    string(out, "name", &tool.name);
    if let Some(description) = &tool.description {
        string(out, "description", description);
    }
    if let Some(parameters) = &tool.parameters {
        name(out, "parametersJsonSchema");
        out.push_str(parameters);
    }
    for field in &tool.extra {
        if DECLARED.contains(&field.name.as_str()) {
            name(out, &field.name);
            out.push_str(&field.value);
        } else {
            let param = format!("tools[{position}].{}", field.name);
            lost.push(param, "Gemini's functions have no such field");
        }
    }
    out.push('}');
}

/// Writes `toolConfig`.
pub(super) fn tool_config(request: &ChatRequest<'_>, out: &mut String, lost: &mut Losses) {
    if request.parallel_tool_calls == Some(false) && !request.tools.is_empty() {
        let why = "Gemini can't be kept from calling several tools at once";
        lost.push("parallel_tool_calls", why);
    }
    let start = out.len();
    name(out, "toolConfig");
    out.push('{');
    let empty = out.len();
    calling(request, out, lost);
    for field in &request.extra {
        let Some(own) = field.name.strip_prefix("toolConfig.") else {
            continue;
        };
        if !own.starts_with("functionCallingConfig.") {
            name(out, own);
            out.push_str(&field.value);
        }
    }
    if out.len() == empty {
        out.truncate(start);
    } else {
        out.push('}');
    }
}

/// `functionCallingConfig`. Strict tools and a free choice are Google's `VALIDATED`; where a
/// call is required, Google keeps to the schemas anyway.
fn calling(request: &ChatRequest<'_>, out: &mut String, lost: &mut Losses) {
    let functions = || request.tools.iter().filter(|tool| tool.builtin.is_none());
    let strict = functions().filter(|tool| tool.strict == Some(true)).count();
    let all_strict = strict > 0 && strict == functions().count();
    let (mode, names): (_, &[_]) = match &request.tool_choice {
        None | Some(ToolChoice::Auto) if all_strict => ("VALIDATED", &[]),
        None => ("", &[]),
        Some(ToolChoice::Auto) => ("AUTO", &[]),
        Some(ToolChoice::None) => ("NONE", &[]),
        Some(ToolChoice::Required) => ("ANY", &[]),
        Some(ToolChoice::Tool(name)) => ("ANY", std::slice::from_ref(name)),
        Some(ToolChoice::Allowed(names, true)) => ("ANY", names),
        Some(ToolChoice::Allowed(names, false)) => ("VALIDATED", names),
    };
    if strict > 0 && !all_strict && matches!(mode, "" | "AUTO") {
        let why = "Gemini keeps to the schemas of all functions or of none";
        lost.push("tools[].strict", why);
    }
    // Without functions a mode that asks for none of them says nothing.
    if mode.is_empty() || (functions().next().is_none() && matches!(mode, "AUTO" | "NONE")) {
        return;
    }
    name(out, "functionCallingConfig");
    out.push('{');
    string(out, "mode", mode);
    if !names.is_empty() {
        name(out, "allowedFunctionNames");
        out.push('[');
        for allowed in names {
            item(out);
            write_json_string(allowed, out);
        }
        out.push(']');
    }
    for field in &request.extra {
        let own = field.name.strip_prefix("toolConfig.functionCallingConfig.");
        if let Some(own) = own {
            name(out, own);
            out.push_str(&field.value);
        }
    }
    out.push('}');
}
