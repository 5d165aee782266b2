//! Writes the messages of a chat request.

use std::borrow::Cow;
use std::collections::HashSet;

use super::answer_write::write_call;
use super::extras::{self, Fate};
use super::object::{Body, UNKNOWN};
use super::reasoning;
use super::traits::{ReasoningForm, Traits};
use super::write_part::{Place, content};
use crate::exchange::{Content, Inexpressible, Message, Part, Role, ToolResult};
use crate::json::write;

pub(super) fn messages(messages: &[Message<'_>], body: &mut Body<'_>) -> Result<(), Inexpressible> {
    if !body.is_free("messages") {
        return Ok(());
    }
    write::list(body, "messages", |body| {
        let mut calls = HashSet::new();
        for (position, message) in messages.iter().enumerate() {
            one(
                position,
                message,
                position + 1 == messages.len(),
                &mut calls,
                body,
            )?;
        }
        // A system prompt alone may be a whole request elsewhere; here a model needs something to answer.
        if body.out.ends_with('[') {
            return Err(Inexpressible::new(
                "messages",
                "nothing is left of them that this upstream could take",
            ));
        }
        Ok(())
    })
}

/// One message, and the results that stand in it as messages of their own. `calls` are the ids of
/// the calls before it.
fn one<'m>(
    position: usize,
    message: &'m Message<'_>,
    is_last: bool,
    calls: &mut HashSet<&'m str>,
    body: &mut Body<'_>,
) -> Result<(), Inexpressible> {
    for part in &message.parts {
        match &part.content {
            Content::ToolCall(call) => {
                calls.insert(call.id.as_ref());
            }
            Content::ToolResult(result) => {
                if !calls.contains(result.call_id.as_ref()) {
                    return Err(Inexpressible::dangling(format!("messages[{position}]")));
                }
                tool_result(position, result, body)?;
            }
            _ => {}
        }
    }
    match message.role {
        Role::Tool => {}
        Role::Assistant => assistant(position, message, is_last, body)?,
        _ => other(position, message, body)?,
    }
    for field in &message.extra {
        if extras::of_message(&field.name, body.about.bit) == Fate::Lost {
            let param = format!("messages[{position}].{}", field.name);
            body.lose(param, UNKNOWN);
        }
    }
    Ok(())
}

/// A message of that role.
fn said(
    role: &str,
    body: &mut Body<'_>,
    rest: impl FnOnce(&mut Body<'_>) -> Result<(), Inexpressible>,
) -> Result<(), Inexpressible> {
    write::braces(body, |body| {
        write::text(&mut body.out, "role", role);
        rest(body)
    })
}

fn name(position: usize, message: &Message<'_>, body: &mut Body<'_>) {
    match &message.name {
        Some(name) if body.about.names => write::text(&mut body.out, "name", name),
        Some(_) => {
            let param = format!("messages[{position}].name");
            body.lose(param, "Mistral's messages have no names");
        }
        None => {}
    }
}

/// Of a message's other fields those that the target knows.
fn known(message: &Message<'_>, body: &mut Body<'_>) {
    for field in &message.extra {
        if extras::of_message(&field.name, body.about.bit) == Fate::Written {
            write::raw(&mut body.out, &field.name, &field.value);
        }
    }
}

/// A message of the operator or the person.
fn other(position: usize, message: &Message<'_>, body: &mut Body<'_>) -> Result<(), Inexpressible> {
    let is_spoken = |part: &&Part<'_>| !matches!(part.content, Content::ToolResult(_));
    if !message.parts.is_empty() && !message.parts.iter().any(|part| is_spoken(&part)) {
        return Ok(());
    }
    let role = match message.role {
        Role::Developer if body.about.developer => "developer",
        Role::System | Role::Developer => "system",
        _ => "user",
    };
    let parts = message
        .parts
        .iter()
        .enumerate()
        .filter(|(_, part)| is_spoken(part));
    said(role, body, |body| {
        name(position, message, body);
        content(Place::Message(position), parts, body)?;
        known(message, body);
        Ok(())
    })
}

fn assistant(
    position: usize,
    message: &Message<'_>,
    is_last: bool,
    body: &mut Body<'_>,
) -> Result<(), Inexpressible> {
    let traits = body.about;
    let parts = || message.parts.iter().enumerate();
    let refusals = parts().filter(|(_, part)| matches!(part.content, Content::Refusal(_)));
    // One refusal has a field of its own; several stand among the parts.
    let apart = traits.refusal && refusals.count() == 1;
    let spoken = parts().filter(|(_, part)| match &part.content {
        Content::ToolCall(_) | Content::ToolResult(_) => false,
        Content::Reasoning(_) => traits.reasoning == ReasoningForm::Parts,
        Content::Refusal(_) => !apart,
        _ => true,
    });
    let calls = || {
        parts().filter_map(|(at, part)| match &part.content {
            Content::ToolCall(call) => Some((at, call, part)),
            _ => None,
        })
    };
    said("assistant", body, |body| {
        name(position, message, body);
        if spoken.clone().next().is_none() && (apart || calls().next().is_some()) {
            write::raw(&mut body.out, "content", "null");
        } else {
            content(Place::Message(position), spoken, body)?;
        }
        earlier_reasoning(position, message, body);
        for (_, part) in parts() {
            if let (true, Content::Refusal(text)) = (apart, &part.content) {
                write::text(&mut body.out, "refusal", text);
            }
        }
        write::some_list(body, "tool_calls", |body| {
            for (at, call, part) in calls() {
                let path = || format!("messages[{position}].tool_calls[{at}]");
                body.lost.unknown(&part.extra, path, UNKNOWN);
                if call.custom && !traits.custom_tools {
                    body.lose(path(), "this target has no custom tools");
                } else {
                    let id = call_id(&call.id, traits);
                    write_call(&id, call, &mut body.out);
                }
            }
        });
        let marked = message.extra.iter().any(|field| field.name == "prefix");
        if is_last && traits.prefix && !marked && calls().next().is_none() {
            write::plain(&mut body.out, "prefix", true);
        }
        known(message, body);
        Ok(())
    })
}

fn earlier_reasoning(position: usize, message: &Message<'_>, body: &mut Body<'_>) {
    let form = body.about.reasoning;
    match form {
        ReasoningForm::Field | ReasoningForm::FieldAndBlocks => {
            let blocks = form == ReasoningForm::FieldAndBlocks;
            reasoning::write(&message.parts, blocks, &mut body.out);
            reasoning::write_again(&message.parts, &mut body.out);
        }
        ReasoningForm::None | ReasoningForm::Parts => {}
    }
    for thought in reasoning::of(&message.parts) {
        let param = |name: &str| format!("messages[{position}].{name}");
        if form == ReasoningForm::None && !thought.text.is_empty() {
            let why = "OpenAI's chat completions don't take reasoning back";
            body.lose(param("reasoning"), why);
        }
        let keeps_signature = matches!(form, ReasoningForm::FieldAndBlocks | ReasoningForm::Parts);
        if !keeps_signature && thought.signature.is_some() {
            let why = "only the provider that signed it can read it";
            body.lose(param("reasoning.signature"), why);
        }
        if form != ReasoningForm::FieldAndBlocks && thought.redacted.is_some() {
            let why = "only the provider that encrypted it can read it";
            body.lose(param("reasoning.redacted"), why);
        }
    }
}

fn tool_result(
    position: usize,
    result: &ToolResult<'_>,
    body: &mut Body<'_>,
) -> Result<(), Inexpressible> {
    let id = call_id(&result.call_id, body.about);
    said("tool", body, |body| {
        write::text(&mut body.out, "tool_call_id", &id);
        content(
            Place::Result(position),
            result.parts.iter().enumerate(),
            body,
        )
    })?;
    if result.is_error {
        let param = format!("messages[{position}].is_error");
        body.lose(param, "chat completions don't mark failed tools");
    }
    Ok(())
}

/// A call's id as the target takes it. Mistral takes nine letters and digits; others become
/// such by a hash, so that a call and its result, and the same id in the next request, agree.
fn call_id<'c>(id: &'c str, traits: &Traits) -> Cow<'c, str> {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let fits = id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !traits.short_ids || fits {
        return Cow::Borrowed(id);
    }
    // FNV-1a, 64 bits, of which nine digits keep 53.
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let short = (0..9).map(|_| {
        let digit = DIGITS[(hash % 62) as usize];
        hash /= 62;
        char::from(digit)
    });
    Cow::Owned(short.collect())
}
