//! Reads a request into the typed form that crosses between dialects: the body, and who says what.

use std::borrow::Cow;

use super::{read_blocks, read_options};
use crate::exchange::{ChatRequest, Message, Role};
use crate::fields::{by_name, missing, named, object};
use crate::grammar::asked::turns;
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
            "messages" => turns(value, read_blocks::blocks, None, &mut request.messages)?,
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
