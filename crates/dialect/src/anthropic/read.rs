//! Reads a request into the typed form that crosses to other dialects.

use super::grammar::DRAWN;
use super::read_options::{self, Options};
use super::read_parts;
use crate::exchange::{ChatRequest, Message, Part, Role};
use crate::fields::{
    array, boolean, by_name, field, invalid, list, missing, named, object, rest, string,
};
use crate::json::Value;
use crate::request::RequestError;

pub(crate) fn read_request<'d>(root: Value<'d>) -> Result<ChatRequest<'d>, RequestError> {
    object(root, "body")?;
    let mut request = ChatRequest::default();
    let mut options = Options::default();
    let mut model = None;
    let mut system = None;
    let mut messages = None;
    for (name, value) in named(root) {
        let name = name.as_ref();
        match name {
            "model" => model = Some(string(value, name)?),
            "system" => system = Some(value),
            "messages" => messages = Some(value),
            "tools" => request.tools = list(value, || name.to_owned(), read_options::tool)?,
            "tool_choice" => read_options::tool_choice(value, &mut request)?,
            "stream" => request.stream = boolean(value, name)?,
            "metadata" => read_options::metadata(value, &mut request)?,
            "service_tier" => request.service_tier = Some(string(value, name)?),
            "thinking" | "output_config" | "output_format" => {
                options.member(name, value, &mut request)?;
            }
            _ if DRAWN.read(&mut request.sampling, name, value)? => {}
            _ => request.extra.push(field(name, value)),
        }
    }
    request.model = model.ok_or_else(|| missing("model"))?;
    request.reasoning = options.reasoning();
    by_name(&mut request.extra);
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
    Ok(Message::new(
        Role::System,
        read_parts::content(value, &|| "system".to_owned())?,
    ))
}

fn read_messages<'d>(
    value: Value<'d>,
    messages: &mut Vec<Message<'d>>,
) -> Result<(), RequestError> {
    array(value, "messages")?;
    for (position, message) in value.items().enumerate() {
        let path = |rest: &str| format!("messages[{position}]{rest}");
        object(message, || path(""))?;
        let missing = |rest: &str| missing(|| path(rest));
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
        messages.extend(
            read.into_iter()
                .map(|(role, parts)| Message::new(role, parts)),
        );
        if let Some(last) = messages.last_mut() {
            last.extra = rest(message, &["role", "content"]);
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
