//! Writes the tools and which of them must be called.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::body::Body;
use super::names;
use super::write_parts::cache_control;
use crate::exchange::{ChatRequest, Inexpressible, Tool, ToolChoice};
use crate::json::write;

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
    let allowed = |name: &Cow<'_, str>| allowed.is_none_or(|allowed| allowed.contains(name));
    let before = body.out.len();
    if body.is_free("tools") {
        write::some_list(body, "tools", |body| {
            let tools = request.tools.iter().enumerate();
            for (index, one) in tools.filter(|(_, one)| allowed(&one.name)) {
                tool(index, one, body)?;
            }
            Ok(())
        })?;
    }
    let has_tools = body.out.len() > before;
    choice(request, has_tools, body);
    Ok(())
}

/// Only whether a schema says its type.
#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    kind: Option<IgnoredAny>,
}

fn tool(index: usize, tool: &Tool<'_>, body: &mut Body<'_>) -> Result<(), Inexpressible> {
    if let Some((kind, json)) = &tool.builtin {
        if names::is_own_tool(kind) {
            write::value(&mut body.out, json);
        } else {
            let why = "Anthropic has no tool of that type";
            body.lose(format!("tools[{index}]"), why);
        }
        return Ok(());
    }
    write::braces(body, |body| {
        let out = &mut body.out;
        write::text(out, "name", &tool.name);
        write::text_if(out, "description", tool.description.as_deref());
        write::name(out, "input_schema");
        schema(
            index,
            tool.parameters.as_deref().unwrap_or("{}").trim(),
            out,
        )?;
        write::plain_if(out, "strict", tool.strict);
        if let Some(marker) = &tool.cache {
            cache_control(marker, out);
        }
        let in_cloud = body.options.profile.is_in_cloud();
        let known = |name: &str| {
            OWN_TOOL_FIELDS.contains(&name) && !(in_cloud && name == "eager_input_streaming")
        };
        let path = || format!("tools[{index}]");
        let why = "Anthropic's tools have no such field";
        body.lost.known(&tool.extra, known, path, why, out);
        Ok(())
    })
}

/// Writes a schema as the next value. Arguments are an object; Anthropic wants to be told.
fn schema(index: usize, schema: &str, out: &mut String) -> Result<(), Inexpressible> {
    let Ok(typed) = serde_json::from_str::<Typed>(schema) else {
        return Err(Inexpressible::new(
            format!("tools[{index}]"),
            "Anthropic's tools accept a JSON object, and this schema does not describe one",
        ));
    };
    let inside = schema
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    match inside.map(str::trim) {
        Some(members) if typed.kind.is_none() => write::typed(out, "object", |out| {
            if !members.is_empty() {
                write::value(out, members);
            }
        }),
        _ => write::value(out, schema),
    }
    Ok(())
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
    write::typed(&mut body.out, kind, |out| {
        write::text_if(out, "name", named);
        // Where nothing may be called, nothing is called at once.
        let parallel = request.parallel_tool_calls.filter(|_| kind != "none");
        write::plain_if(
            out,
            "disable_parallel_tool_use",
            parallel.map(|parallel| !parallel),
        );
    });
}
