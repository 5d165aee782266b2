//! Writes a conversation: the system prompt apart, results of calls in the user's messages.

use std::collections::HashSet;

use super::body::{Body, model};
use super::write_parts::{self, Place};
use crate::exchange::{ChatRequest, Content, Inexpressible, Message, Role};
use crate::fit::takes_system_messages;
use crate::json::write;

fn is_system(message: &Message<'_>) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

pub(super) fn conversation(
    request: &ChatRequest<'_>,
    body: &mut Body<'_>,
) -> Result<(), Inexpressible> {
    let messages = &request.messages;
    if messages.iter().all(is_system) {
        return Err(Inexpressible::new(
            "messages",
            "Anthropic's messages need at least one that is not the system's",
        ));
    }
    let leading = messages
        .iter()
        .take_while(|message| is_system(message))
        .count();
    let takes_system = takes_system_messages(model(request, body.options));
    let stays = |index: usize| {
        let before = index.checked_sub(1).and_then(|before| messages.get(before));
        let after = messages.get(index + 1);
        takes_system
            && before.is_some_and(|before| matches!(before.role, Role::User | Role::Tool))
            && after.is_none_or(|after| after.role == Role::Assistant)
    };
    let moved = |index: usize| index < leading || !stays(index);
    system(messages, moved, body)?;
    if !body.is_free("messages") {
        return Ok(());
    }
    let mut spoken: Vec<_> = messages.iter().enumerate().collect();
    spoken.retain(|(index, message)| !is_system(message) || !moved(*index));
    // Results and what the user says next are one message.
    let joins = |(_, one): &(_, &Message<'_>), (_, next): &(_, &Message<'_>)| {
        one.role == Role::Tool && matches!(next.role, Role::Tool | Role::User)
    };
    let mut calls = HashSet::new();
    let said = write::list(body, "messages", |body| {
        for run in spoken.chunk_by(joins) {
            turn(run, &mut calls, body)?;
        }
        Ok(!body.out.ends_with('['))
    })?;
    if said {
        return Ok(());
    }
    Err(Inexpressible::new(
        "messages",
        "all messages are empty, and Anthropic's messages can't be empty",
    ))
}

/// The system prompt: all system messages that can't stand where they are.
fn system(
    messages: &[Message<'_>],
    moved: impl Fn(usize) -> bool,
    body: &mut Body<'_>,
) -> Result<(), Inexpressible> {
    let prompts = || {
        let all = messages.iter().enumerate();
        all.filter(|(index, message)| is_system(message) && moved(*index))
    };
    if prompts().next().is_none() || !body.is_free("system") {
        return Ok(());
    }
    let mut parts = prompts().flat_map(|(_, message)| &message.parts);
    if let (Some(text), None) = (parts.next().and_then(write_parts::plain), parts.next()) {
        write::text(&mut body.out, "system", text);
    } else {
        write::some_list(body, "system", |body| {
            for (index, message) in prompts() {
                write_parts::blocks(&message.parts, Place::new(index, Role::System), body)?;
            }
            Ok(())
        })?;
    }
    let mut conversed = false;
    for (index, message) in messages.iter().enumerate() {
        conversed |= !is_system(message);
        if is_system(message) && conversed && moved(index) {
            let why = "this model accepts instructions only before the conversation; they were moved there";
            body.lose(format!("messages[{index}].role"), why);
        }
        if is_system(message) && moved(index) {
            about(index, message, body);
        }
    }
    Ok(())
}

/// Messages that are one to Anthropic. `calls` are the ids of the calls so far.
fn turn<'m>(
    run: &[(usize, &'m Message<'_>)],
    calls: &mut HashSet<&'m str>,
    body: &mut Body<'_>,
) -> Result<(), Inexpressible> {
    for (index, message) in run {
        known(*index, message, calls)?;
    }
    let role = match run.first().map(|(_, message)| message.role) {
        Some(Role::Assistant) => "assistant",
        Some(Role::System | Role::Developer) => "system",
        _ => "user",
    };
    let plain = match run {
        [(_, message)] => match message.parts.as_slice() {
            [part] => write_parts::plain(part),
            _ => None,
        },
        _ => None,
    };
    let start = body.out.len();
    let said = write::braces(body, |body| {
        write::text(&mut body.out, "role", role);
        if let Some(text) = plain {
            write::text(&mut body.out, "content", text);
            return Ok(true);
        }
        write::list(body, "content", |body| {
            for (index, message) in run {
                let before = body.out.len();
                write_parts::blocks(&message.parts, Place::new(*index, message.role), body)?;
                if body.out.len() == before {
                    let why = "it is empty, and Anthropic's messages can't be empty";
                    body.lose(format!("messages[{index}].content"), why);
                }
            }
            Ok(!body.out.ends_with('['))
        })
    })?;
    if !said {
        body.out.truncate(start);
    }
    for (index, message) in run {
        about(*index, message, body);
    }
    Ok(())
}

/// Notes a message's calls, and refuses results of others.
fn known<'m>(
    index: usize,
    message: &'m Message<'_>,
    calls: &mut HashSet<&'m str>,
) -> Result<(), Inexpressible> {
    for part in &message.parts {
        match &part.content {
            Content::ToolCall(call) => {
                calls.insert(&call.id);
            }
            Content::ToolResult(result) if !calls.contains(result.call_id.as_ref()) => {
                return Err(Inexpressible::dangling(format!("messages[{index}]")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What stands beside a message's content.
fn about(index: usize, message: &Message<'_>, body: &mut Body<'_>) {
    let why = [
        "Anthropic's messages have no field for a speaker's name",
        "Anthropic's messages have no such field",
    ];
    body.lost.about(index, message, why);
}
