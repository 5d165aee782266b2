//! Reads a request into the typed form that crosses between dialects: the body, and who says what.

use std::borrow::Cow;

use super::{read_blocks, read_options};
use crate::exchange::{ChatRequest, Content, Message, Part, Role};
use crate::fields::{array, by_name, invalid, missing, named, object, rest, string};
use crate::json::Value;
use crate::request::RequestError;
use crate::wire::Target;

pub(crate) fn read_request<'d>(
    target: &Target,
    root: Value<'d>,
) -> Result<ChatRequest<'d>, RequestError> {
    object(root, "body")?;
    let model = target.model.clone().ok_or_else(model_missing)?;
    let mut request = ChatRequest {
        model: Cow::Owned(model),
        stream: target.stream.unwrap_or_default(),
        ..ChatRequest::default()
    };
    // The system prompt comes first wherever it stands.
    if let Some(system) = root.some("system") {
        let parts = read_blocks::blocks(system, &|| "system".to_owned())?;
        if !parts.is_empty() {
            request.messages.push(Message::new(Role::System, parts));
        }
    }
    for (name, value) in named(root) {
        match name.as_ref() {
            "system" => {}
            "messages" => messages(value, &mut request)?,
            name => read_options::member(name, value, &mut request)?,
        }
    }
    by_name(&mut request.extra);
    Ok(request)
}

/// The model stands in the path, so whoever made the target has left it out.
pub(super) fn model_missing() -> RequestError {
    missing("modelId")
}

fn messages<'d>(value: Value<'d>, request: &mut ChatRequest<'d>) -> Result<(), RequestError> {
    array(value, "messages")?;
    for (position, said) in value.items().enumerate() {
        let path = |rest: &str| format!("messages[{position}]{rest}");
        object(said, || path(""))?;
        let role = role(said, &path)?;
        let content = said
            .get("content")
            .ok_or_else(|| missing(|| path(".content")))?;
        let parts = read_blocks::blocks(content, &|| path(".content"))?;
        push(role, parts, rest(said, &["role", "content"]), request);
    }
    Ok(())
}

fn role(said: Value<'_>, path: &dyn Fn(&str) -> String) -> Result<Role, RequestError> {
    let role = said.get("role").ok_or_else(|| missing(|| path(".role")))?;
    match string(role, || path(".role"))?.as_ref() {
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        "system" => Ok(Role::System),
        _ => Err(invalid(
            &path(".role"),
            "must be 'user', 'assistant' or 'system'",
        )),
    }
}

/// Results stand in a user's message here, and in one of their own ahead of it elsewhere.
fn push<'d>(
    role: Role,
    parts: Vec<Part<'d>>,
    extra: Vec<crate::canonical::Field>,
    request: &mut ChatRequest<'d>,
) {
    let is_result = |part: &Part<'_>| matches!(part.content, Content::ToolResult(_));
    if role != Role::User || !parts.iter().any(is_result) {
        let said = Message::new(role, parts);
        request.messages.push(Message { extra, ..said });
        return;
    }
    let (results, rest): (Vec<_>, Vec<_>) = parts.into_iter().partition(is_result);
    let results = Message::new(Role::Tool, results);
    if rest.is_empty() {
        request.messages.push(Message { extra, ..results });
    } else {
        request.messages.push(results);
        let said = Message::new(role, rest);
        request.messages.push(Message { extra, ..said });
    }
}
