//! Writes tools, and which of them must be called.

use super::older;
use crate::exchange::{ChatRequest, Losses, Tool, ToolChoice};
use crate::fit::reads_json_schema;
use crate::json::write;

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
pub(super) fn tools(request: &ChatRequest<'_>, model: &str, out: &mut String, lost: &mut Losses) {
    if request.tools.is_empty() {
        return;
    }
    let mut tools = Vec::new();
    for (position, tool) in request.tools.iter().enumerate() {
        if tool.cache.is_some() {
            let param = format!("tools[{position}].cache_control");
            lost.push(param, "Gemini caches prefixes by itself");
        }
        match &tool.builtin {
            Some((kind, _)) if !is_own_tool(kind) => {
                let param = format!("tools[{position}]");
                lost.push(param, "Gemini has no tool of this type");
            }
            _ => tools.push((position, tool)),
        }
    }
    // Functions that follow each other are declared together.
    let alike = |(_, one): &(_, &Tool<'_>), (_, other): &(_, &Tool<'_>)| {
        one.builtin.is_none() && other.builtin.is_none()
    };
    write::some_list(out, "tools", |out| {
        for run in tools.chunk_by(alike) {
            let own = run.first().and_then(|(_, tool)| tool.builtin.as_ref());
            match own {
                Some((_, json)) => write::value(out, json),
                None => write::braces(out, |out| {
                    write::list(out, "functionDeclarations", |out| {
                        for (position, tool) in run {
                            function(*position, tool, model, out, lost);
                        }
                    });
                }),
            }
        }
    });
}

fn function(position: usize, tool: &Tool<'_>, model: &str, out: &mut String, lost: &mut Losses) {
    write::braces(out, |out| {
        write::text(out, "name", &tool.name);
        write::text_if(out, "description", tool.description.as_deref());
        if let Some(parameters) = &tool.parameters {
            match reads_json_schema(model) {
                true => write::raw(out, "parametersJsonSchema", parameters),
                false => {
                    if let Some(schema) = older::schema(parameters) {
                        write::raw(out, "parameters", &schema);
                    }
                }
            }
        }
        let known = |name: &str| DECLARED.contains(&name);
        let path = || format!("tools[{position}]");
        let why = "Gemini's functions have no such field";
        lost.known(&tool.extra, known, path, why, out);
    });
}

/// Writes `toolConfig`.
pub(super) fn tool_config(request: &ChatRequest<'_>, out: &mut String, lost: &mut Losses) {
    if request.parallel_tool_calls == Some(false) && !request.tools.is_empty() {
        let why = "Gemini can't be kept from calling several tools at once";
        lost.push("parallel_tool_calls", why);
    }
    write::some_object(out, "toolConfig", |out| {
        calling(request, out, lost);
        for (own, value) in request.within("toolConfig.") {
            if !own.starts_with("functionCallingConfig.") {
                write::raw(out, own, value);
            }
        }
    });
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
    write::object(out, "functionCallingConfig", |out| {
        write::text(out, "mode", mode);
        if !names.is_empty() {
            write::texts(out, "allowedFunctionNames", names);
        }
        for (own, value) in request.within("toolConfig.functionCallingConfig.") {
            write::raw(out, own, value);
        }
    });
}
