//! What a field of the typed form is called by the client who sent it: errors and losses name
//! the client's own fields.

use crate::exchange::{ChatRequest, Content, Message, Role};
use crate::formats::format;
use crate::wire::Wire;

/// What the client calls `param`.
pub(crate) fn client_name(wire: Wire, request: &ChatRequest<'_>, param: &str) -> String {
    if let Some(place) = place(param) {
        return located(wire, request, &place).unwrap_or_else(|| param.to_owned());
    }
    let names = format(wire).names();
    names
        .iter()
        .find(|(typed, _)| *typed == param)
        .map_or_else(|| param.to_owned(), |(_, client)| (*client).to_owned())
}

/// `messages[2].content[1].rest`.
struct Place<'p> {
    message: usize,
    part: Option<usize>,
    rest: &'p str,
}

fn place(param: &str) -> Option<Place<'_>> {
    let (message, rest) = index(param.strip_prefix("messages[")?)?;
    let part = rest.strip_prefix(".content[").and_then(index);
    Some(match part {
        Some((part, rest)) => Place {
            message,
            part: Some(part),
            rest,
        },
        None => Place {
            message,
            part: None,
            rest,
        },
    })
}

fn index(text: &str) -> Option<(usize, &str)> {
    let (number, rest) = text.split_once(']')?;
    Some((number.parse().ok()?, rest))
}

fn located(wire: Wire, request: &ChatRequest<'_>, place: &Place<'_>) -> Option<String> {
    let messages = &request.messages;
    let is_system = |message: &&Message<'_>| message.role == Role::System;
    let system = messages.iter().take_while(is_system).count();
    if matches!(wire, Wire::Chat) {
        return None;
    }
    if place.message < system {
        let name = match wire {
            Wire::Gemini => "systemInstruction",
            Wire::Responses => "instructions",
            _ => "system",
        };
        return Some(format!("{name}{}", place.rest));
    }
    if wire == Wire::Responses {
        let before: usize = messages.get(system..place.message)?.iter().map(items).sum();
        let within = messages.get(place.message).map_or(0, |message| {
            let part = place.part.unwrap_or(0);
            match message.role {
                Role::Tool => part,
                _ => 0,
            }
        });
        let item = before + within;
        let rest = match (messages.get(place.message).map(|m| m.role), place.part) {
            (Some(Role::User), Some(part)) => format!(".content[{part}]{}", place.rest),
            _ => place.rest.to_owned(),
        };
        return Some(format!("input[{item}]{rest}"));
    }
    // Results of tools are read into a message of their own ahead of what else the user says.
    let splits = |at: usize| {
        let role = |at: usize| messages.get(at).map(|message| message.role);
        role(at) == Some(Role::Tool) && role(at + 1) == Some(Role::User)
    };
    let merged = (system..place.message).filter(|at| splits(*at)).count();
    let message = place.message - system - merged;
    let ahead = match place.message.checked_sub(1).filter(|at| splits(*at)) {
        Some(results) => messages.get(results).map_or(0, |m| m.parts.len()),
        None => 0,
    };
    let (list, parts) = match wire {
        Wire::Gemini => ("contents", "parts"),
        _ => ("messages", "content"),
    };
    let part = place
        .part
        .map(|part| format!(".{parts}[{}]", part + ahead))
        .unwrap_or_default();
    Some(format!("{list}[{message}]{part}{}", place.rest))
}

/// How many items of `input` a message was read from.
fn items(message: &Message<'_>) -> usize {
    let apart = |content: &Content<'_>| {
        matches!(
            content,
            Content::ToolCall(_) | Content::ToolResult(_) | Content::Reasoning { .. }
        )
    };
    let alone = message.parts.iter().filter(|p| apart(&p.content)).count();
    let said = message.parts.iter().any(|part| !apart(&part.content));
    alone + usize::from(said)
}
