//! What a client of responses calls a place among the messages: calls, results and reasoning are
//! items of their own here.

use crate::contract::place::Place;
use crate::exchange::{ChatRequest, Content, Message, Role};

pub(super) fn locate(request: &ChatRequest<'_>, place: &Place<'_>) -> Option<String> {
    let system = match place.after_system(request, "instructions") {
        Ok(system) => system,
        Err(name) => return Some(name),
    };
    let messages = &request.messages;
    let message = messages.get(place.message);
    let before: usize = messages.get(system..place.message)?.iter().map(items).sum();
    let within = match message.map(|message| message.role) {
        Some(Role::Tool) => place.part.unwrap_or(0),
        _ => 0,
    };
    let rest = match (message.map(|message| message.role), place.part) {
        (Some(Role::User), Some(part)) => format!(".content[{part}]{}", place.rest),
        _ => place.rest.to_owned(),
    };
    Some(format!("input[{}]{rest}", before + within))
}

/// How many items of `input` a message was read from.
fn items(message: &Message<'_>) -> usize {
    let apart = |content: &Content<'_>| {
        matches!(
            content,
            Content::ToolCall(_) | Content::ToolResult(_) | Content::Reasoning(_)
        )
    };
    let alone = message.parts.iter().filter(|p| apart(&p.content)).count();
    let said = message.parts.iter().any(|part| !apart(&part.content));
    alone + usize::from(said)
}
