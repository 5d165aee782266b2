//! Custom tools, whose input is free text, for targets whose tools are functions: a function with
//! one string takes its place, and its call becomes that of the custom tool again.

use std::borrow::Cow;

use super::aim::{Aim, Fitted};
use super::free_text::in_object;
use crate::exchange::{ChatRequest, Content, Tool};
use crate::json::Document;

const SCHEMA: &str = "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\",\"description\":\"The whole input of the tool, as it is.\"}},\"required\":[\"input\"],\"additionalProperties\":false}";

pub(super) fn bridge(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    if aim.is(aim.ways.custom_tools) {
        return;
    }
    for tool in &mut request.tools {
        let Some((_, json)) = tool.builtin.take_if(|(kind, _)| kind == "custom") else {
            continue;
        };
        fitted.back.custom(&tool.name);
        tool.description = Some(description(tool, &json).into());
        tool.parameters = Some(Cow::Borrowed(SCHEMA));
        tool.strict = None;
        tool.extra.clear();
    }
    for part in request.parts_mut() {
        if let Content::ToolCall(call) = &mut part.content
            && std::mem::take(&mut call.custom)
        {
            call.arguments = Cow::Owned(in_object(&call.arguments));
        }
    }
}

/// What the tool does, and the grammar of its input.
fn description(tool: &Tool<'_>, json: &str) -> String {
    let mut said = tool.description.as_deref().unwrap_or_default().to_owned();
    let Ok(document) = Document::parse(json.as_bytes()) else {
        return said;
    };
    let root = document.root();
    let custom = root.get("custom").unwrap_or(root);
    let Some(format) = custom.some("format") else {
        return said;
    };
    let format = format.get("grammar").unwrap_or(format);
    let text = |name: &str| format.text(name);
    if let Some(definition) = text("definition") {
        let syntax = text("syntax").unwrap_or(Cow::Borrowed("lark"));
        said.push_str("\n\nThe input is free text that keeps to this grammar (");
        said.push_str(&syntax);
        said.push_str("):\n");
        said.push_str(&definition);
    }
    said.trim_start().to_owned()
}
