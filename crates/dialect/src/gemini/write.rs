//! Writes a request: instructions, tools, labels. Contents and settings are written next door.

use super::emit::{item, name, string};
use super::write_contents::Contents;
use super::write_generation;
use crate::canonical::Field;
use crate::exchange::{ChatRequest, Inexpressible, Lost, Tool, ToolChoice, WriteOptions, Written};
use crate::json::write_json_string;

/// Fields that only Google has, and that go back where they came from.
const OWN: [&str; 3] = ["cachedContent", "modelArmorConfig", "safetySettings"];
/// Fields of others that change nothing of what the model is told or may answer.
const HARMLESS: [&str; 4] = [
    "include",
    "prompt_cache_retention",
    "store",
    "stream_options",
];
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
/// Members of a function's declaration that only Google has.
const DECLARED: [&str; 3] = ["behavior", "response", "responseJsonSchema"];

/// What can't be said, as it is found.
#[derive(Default)]
pub(super) struct Losses(pub(super) Vec<Lost>);

impl Losses {
    pub(super) fn push(&mut self, param: impl Into<String>, why: &'static str, harmless: bool) {
        self.0.push(Lost {
            param: param.into(),
            why,
            harmless,
        });
    }
}

pub(crate) fn write_request(
    request: &ChatRequest<'_>,
    options: &WriteOptions,
) -> Result<Written, Inexpressible> {
    let mut lost = Losses::default();
    let mut out = String::with_capacity(1024 + 2 * size_of_texts(request));
    let is_set = |field: &str| options.set.iter().any(|(set, _)| set == field);
    out.push('{');
    let mut contents = Contents::new(&mut lost, &options.model);
    if !is_set("systemInstruction") {
        contents.instruction(request, &mut out);
    }
    if !is_set("contents") {
        contents.write(request, &mut out)?;
    }
    if !is_set("tools") {
        tools(request, &mut out, &mut lost);
    }
    if !is_set("toolConfig") {
        tool_config(request, &mut out, &mut lost);
    }
    if !is_set("generationConfig") {
        write_generation::write(request, &options.model, &mut out, &mut lost);
    }
    if !is_set("labels") {
        labels(request, &mut out, &mut lost);
    }
    about_the_client(request, is_set("serviceTier"), &mut out, &mut lost);
    for field in &request.extra {
        extra(field, is_set(&field.name), &mut out, &mut lost);
    }
    for (field, value) in &options.set {
        name(&mut out, field);
        out.push_str(value);
    }
    out.push('}');
    Ok(Written {
        body: out.into(),
        lost: lost.0,
    })
}

/// Bytes of text, for one allocation of the body.
fn size_of_texts(request: &ChatRequest<'_>) -> usize {
    use crate::exchange::{Content, Source};
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let texts = parts.map(|part| match &part.content {
        Content::Text { text, .. } | Content::Reasoning { text, .. } => text.len() / 2 + 32,
        Content::ToolCall(call) => call.arguments.len() / 2 + 64,
        Content::Image(media) | Content::Audio(media) => match &media.source {
            Source::Base64(data) | Source::Url(data) => data.len() / 2 + 64,
            _ => 64,
        },
        _ => 64,
    });
    let schemas = request
        .tools
        .iter()
        .filter_map(|tool| tool.parameters.as_ref());
    texts.sum::<usize>() + schemas.map(|schema| schema.len() / 2 + 64).sum::<usize>()
}

fn tools(request: &ChatRequest<'_>, out: &mut String, lost: &mut Losses) {
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
            lost.push(param, "Gemini caches prefixes by itself", true);
        }
        match &tool.builtin {
            Some((kind, json)) if BUILTIN.contains(&kind.as_ref()) => {
                if std::mem::take(&mut in_functions) {
                    out.push_str("]}");
                }
                item(out);
                out.push_str(json);
                any = true;
            }
            Some(_) => {
                let param = format!("tools[{position}]");
                lost.push(param, "Gemini has no tool of this type", false);
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
            lost.push(param, "Gemini's functions have no such field", false);
        }
    }
    out.push('}');
}

fn tool_config(request: &ChatRequest<'_>, out: &mut String, lost: &mut Losses) {
    if request.parallel_tool_calls == Some(false) {
        let why = "Gemini can't be kept from calling several tools at once";
        lost.push("parallel_tool_calls", why, request.tools.is_empty());
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
        lost.push("tools[].strict", why, false);
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

/// Google's labels have narrow rules (cloud.google.com/resource-manager/docs/labels-overview);
/// one that breaks them would have the whole request refused.
fn labels(request: &ChatRequest<'_>, out: &mut String, lost: &mut Losses) {
    let allowed = |text: &str| {
        let plain = |c: char| c.is_lowercase() || c.is_numeric() || matches!(c, '_' | '-');
        text.chars().count() <= 63 && text.chars().all(plain)
    };
    let mut begun = false;
    for (label, value) in &request.metadata {
        let begins = label.chars().next().is_some_and(char::is_lowercase);
        if !begins || !allowed(label) || !allowed(value) {
            let why = "Gemini's labels are at most 63 lower-case letters, digits, _ and -";
            lost.push(format!("metadata.{label}"), why, true);
            continue;
        }
        if !std::mem::replace(&mut begun, true) {
            name(out, "labels");
            out.push('{');
        }
        name(out, label);
        write_json_string(value, out);
    }
    if begun {
        out.push('}');
    }
}

fn about_the_client(
    request: &ChatRequest<'_>,
    tier_is_set: bool,
    out: &mut String,
    lost: &mut Losses,
) {
    if request.user.is_some() {
        lost.push("user", "Gemini is not told who the end user is", true);
    }
    if request.prompt_cache_key.is_some() {
        lost.push("prompt_cache_key", "Gemini caches prefixes by itself", true);
    }
    let tier = match request.service_tier.as_deref() {
        None | Some("auto") => return,
        Some("default") => "standard",
        Some(tier @ ("flex" | "priority")) => tier,
        Some(_) => {
            lost.push("service_tier", "Gemini has no such tier", true);
            return;
        }
    };
    if !tier_is_set {
        string(out, "serviceTier", tier);
    }
}

fn extra(field: &Field, is_set: bool, out: &mut String, lost: &mut Losses) {
    let own_part = ["generationConfig.", "toolConfig."];
    if own_part.iter().any(|part| field.name.starts_with(part)) {
        return;
    }
    if OWN.contains(&field.name.as_str()) {
        if !is_set {
            name(out, &field.name);
            out.push_str(&field.value);
        }
        return;
    }
    let harmless = HARMLESS.contains(&field.name.as_str());
    lost.push(&field.name, "Gemini has no such field", harmless);
}
