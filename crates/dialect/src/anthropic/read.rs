//! Reads a request into the typed form that crosses to other dialects.

use super::grammar::DRAWN;
use super::read_options::{self, Options};
use super::read_parts;
use crate::exchange::{ChatRequest, Message, Role};
use crate::fields::{boolean, by_name, field, list, missing, named, object, string};
use crate::grammar::asked::turns;
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
        let parts = read_parts::content(system, &|| "system".to_owned())?;
        request.messages.push(Message::new(Role::System, parts));
    }
    let messages = messages.ok_or_else(|| missing("messages"))?;
    let misplaced = Some("only a user's message may hold tool results");
    turns(
        messages,
        read_parts::content,
        misplaced,
        &mut request.messages,
    )?;
    read_parts::name_results(&mut request.messages);
    Ok(request)
}
