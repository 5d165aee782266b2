//! A chat request: messages, tools, and what of them shapes the answer.

use serde_json::Value;

use crate::answer::TOOL_TRIGGER;
use crate::api::check_length;
use crate::api::error::ApiError;
use crate::api::fields::{Fields, wrong};
use crate::api::request::Common;
use crate::chat_template;
use crate::config::SimConfig;

/// A chat request as read.
pub(crate) struct ChatRequest {
    pub(crate) common: Common,
    pub(crate) prompt: Vec<u32>,
    pub(super) logprobs: Option<usize>,
}

impl ChatRequest {
    pub(crate) fn read(body: &[u8], config: &SimConfig) -> Result<Self, ApiError> {
        let fields = Fields::parse(body)?;
        let messages = messages(&fields)?;
        let mut common = Common::read(&fields, config)?;
        if let Some(most) = fields.at_least("max_completion_tokens", 1)? {
            common.wish.max_tokens = Some(most);
        }
        let kwargs = fields.object("chat_template_kwargs")?;
        common.wish.think = kwargs.flag("enable_thinking")?.unwrap_or(false);
        let tools = fields.list("tools")?.map(Vec::as_slice);
        (common.wish.tool, common.wish.tool_named) = chosen_tool(&fields, tools, messages)?;
        let top = fields.at_least("top_logprobs", 0)?.unwrap_or(0);
        let logprobs = fields.flag("logprobs")?.unwrap_or(false).then_some(top);
        check_length(messages.iter().map(text_bytes).sum(), config)?;
        Ok(Self {
            prompt: chat_template::render(messages, tools, true),
            common,
            logprobs,
        })
    }
}

fn text_bytes(message: &Value) -> usize {
    match message.get("content") {
        Some(Value::String(text)) => text.len(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str))
            .map(str::len)
            .sum(),
        _ => 0,
    }
}

/// The messages of a request, each an object with a role.
pub(crate) fn messages(fields: &Fields) -> Result<&Vec<Value>, ApiError> {
    let messages = fields
        .list("messages")?
        .ok_or_else(|| fields.missing("messages"))?;
    if messages.is_empty() {
        let message = "messages must not be empty. (parameter=messages)".to_owned();
        return Err(ApiError::bad_request(message, Some("messages")));
    }
    for (place, message) in messages.iter().enumerate() {
        let location = format!("{}.{place}", fields.location("messages"));
        let Some(members) = message.as_object() else {
            let rule = "Input should be a valid dictionary";
            return Err(wrong("dict_type", &location, rule, message));
        };
        if !members.get("role").is_some_and(Value::is_string) {
            let location = format!("{location}.role");
            return Err(wrong("missing", &location, "Field required", message));
        }
        match members.get("content") {
            None | Some(Value::Null | Value::String(_) | Value::Array(_)) => {}
            Some(content) => {
                let location = format!("{location}.content");
                let rule = "Input should be a valid string";
                return Err(wrong("string_type", &location, rule, content));
            }
        }
    }
    Ok(messages)
}

/// The tool that the answer calls, and whether the client named it.
type ChosenTool = (Option<(String, Value)>, bool);

fn chosen_tool(
    fields: &Fields,
    tools: Option<&[Value]>,
    messages: &[Value],
) -> Result<ChosenTool, ApiError> {
    let functions: Vec<&Value> = tools
        .unwrap_or_default()
        .iter()
        .filter_map(|tool| tool.get("function"))
        .collect();
    let name_of = |function: &Value| {
        function
            .get("name")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let call = |function: &Value| {
        let any = serde_json::json!({"type": "object"});
        let schema = function.get("parameters").cloned().unwrap_or(any);
        name_of(function).map(|name| (name, schema))
    };
    let choice = fields.get("tool_choice");
    match choice {
        Some(Value::Object(named)) => {
            let name = named
                .get("function")
                .and_then(|function| function.get("name"))
                .and_then(Value::as_str);
            let found = functions
                .iter()
                .find(|function| name.is_some() && name_of(function).as_deref() == name);
            let refusal = || {
                let message = format!(
                    "The tool specified in `tool_choice` does not match any of the specified `tools` (tool_choice={})",
                    name.unwrap_or("none")
                );
                ApiError::bad_request(message, Some("tool_choice"))
            };
            Ok((call(found.ok_or_else(refusal)?), true))
        }
        Some(Value::String(word)) if word == "none" => Ok((None, false)),
        Some(Value::String(word)) if word == "required" => {
            let first = functions.first().ok_or_else(|| {
                let message = "When using `tool_choice`, `tools` must be set.".to_owned();
                ApiError::bad_request(message, Some("tool_choice"))
            })?;
            Ok((call(first), false))
        }
        _ => {
            let text = chat_template::last_user_text(messages).unwrap_or_default();
            if !text.contains(TOOL_TRIGGER) {
                return Ok((None, false));
            }
            let mentioned = functions
                .iter()
                .find(|function| name_of(function).is_some_and(|name| text.contains(&name)));
            let function = mentioned.or(functions.first());
            Ok((function.and_then(|function| call(function)), false))
        }
    }
}
