//! Reads a request into the typed form that crosses to other dialects.

use super::read_options::{self, Options};
use super::read_parts;
use crate::exchange::{ChatRequest, Message, Part, Role};
use crate::fields::{boolean, field, integer, invalid, name_of, number, string};
use crate::json::{Kind, Value};
use crate::request::RequestError;

const AT_LEAST_0: &str = "must be a whole number of at least 0";

pub(crate) fn read_request<'d>(root: Value<'d>) -> Result<ChatRequest<'d>, RequestError> {
    if root.kind() != Kind::Object {
        return Err(RequestError::wrong_type("body", "an object", root));
    }
    let mut request = ChatRequest::default();
    let mut options = Options::default();
    let mut model = None;
    let mut system = None;
    let mut messages = None;
    for (key, value) in root.members().filter(|(_, value)| !value.is_null()) {
        let name = name_of(key);
        let name = name.as_ref();
        let sampling = &mut request.sampling;
        match name {
            "model" => model = Some(string(value, || name.to_owned())?),
            "system" => system = Some(value),
            "messages" => messages = Some(value),
            "tools" => request.tools = read_options::tools(value)?,
            "tool_choice" => read_options::tool_choice(value, &mut request)?,
            "max_tokens" => sampling.max_tokens = Some(integer(value, name, AT_LEAST_0)?),
            "temperature" => sampling.temperature = Some(number(value, name)?),
            "top_p" => sampling.top_p = Some(number(value, name)?),
            "top_k" => sampling.top_k = Some(integer(value, name, AT_LEAST_0)?),
            "stop_sequences" => sampling.stop = read_options::strings(value, name)?,
            "stream" => request.stream = boolean(value, name)?,
            "metadata" => read_options::metadata(value, &mut request)?,
            "service_tier" => request.service_tier = Some(string(value, || name.to_owned())?),
            "thinking" | "output_config" | "output_format" => {
                options.member(name, value, &mut request)?;
            }
            _ => request.extra.push(field(name, value)),
        }
    }
    let missing = |name: &str| RequestError::Missing {
        param: name.to_owned(),
    };
    request.model = model.ok_or_else(|| missing("model"))?;
    request.reasoning = options.reasoning();
    request
        .extra
        .sort_by(|left, right| left.name.cmp(&right.name));
    if let Some(system) = system {
        request.messages.push(read_system(system)?);
    }
    read_messages(
        messages.ok_or_else(|| missing("messages"))?,
        &mut request.messages,
    )?;
    Ok(request)
}

fn read_system<'d>(value: Value<'d>) -> Result<Message<'d>, RequestError> {
    Ok(Message {
        role: Role::System,
        name: None,
        parts: read_parts::content(value, &|| "system".to_owned())?,
        extra: Vec::new(),
    })
}

fn read_messages<'d>(
    value: Value<'d>,
    messages: &mut Vec<Message<'d>>,
) -> Result<(), RequestError> {
    if value.kind() != Kind::Array {
        return Err(RequestError::wrong_type("messages", "an array", value));
    }
    for (position, message) in value.items().enumerate() {
        let path = |rest: &str| format!("messages[{position}]{rest}");
        if message.kind() != Kind::Object {
            return Err(RequestError::wrong_type(path(""), "an object", message));
        }
        let missing = |rest: &str| RequestError::Missing { param: path(rest) };
        let role = message.get("role").ok_or_else(|| missing(".role"))?;
        let role = match string(role, || path(".role"))?.as_ref() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => {
                let reason = "must be 'user', 'assistant' or 'system'";
                return Err(invalid(&path(".role"), reason));
            }
        };
        let content = message.get("content").ok_or_else(|| missing(".content"))?;
        let parts = read_parts::content(content, &|| path(".content"))?;
        let (results, parts): (Vec<Part<'d>>, Vec<Part<'d>>) = split_results(parts);
        if !results.is_empty() && role != Role::User {
            let reason = "only a user's message may hold tool results";
            return Err(invalid(&path(".content"), reason));
        }
        let mut read = Vec::with_capacity(2);
        if !results.is_empty() {
            read.push((Role::Tool, results));
        }
        if !parts.is_empty() || read.is_empty() {
            read.push((role, parts));
        }
        messages.extend(read.into_iter().map(|(role, parts)| Message {
            role,
            name: None,
            parts,
            extra: Vec::new(),
        }));
        if let Some(last) = messages.last_mut() {
            let known = |name: &str| matches!(name, "role" | "content");
            last.extra = read_parts::rest(message, known);
        }
    }
    read_parts::name_results(messages);
    Ok(())
}

/// Results stand first in a user's message; most messages have none.
fn split_results<'d>(parts: Vec<Part<'d>>) -> (Vec<Part<'d>>, Vec<Part<'d>>) {
    if parts.iter().any(read_parts::is_result) {
        parts.into_iter().partition(read_parts::is_result)
    } else {
        (Vec::new(), parts)
    }
}
