//! Writes a request: the body, and who says what.

use super::names::is_claude;
use super::write_blocks::Blocks;
use super::write_options;
use crate::exchange::{
    ChatRequest, Inexpressible, Losses, Message, Part, Role, WriteOptions, Written,
};
use crate::json::write;

pub(crate) fn write_request(
    request: &ChatRequest<'_>,
    options: &WriteOptions,
) -> Result<Written, Inexpressible> {
    let mut out = String::with_capacity(size_of(request));
    let mut losses = Losses::default();
    write::open(&mut out);
    let mut blocks = Blocks::new(&options.model);
    let set = |name: &str| options.set.iter().any(|(set, _)| set == name);

    let operator = |message: &Message<'_>| matches!(message.role, Role::System | Role::Developer);
    let first = request
        .messages
        .iter()
        .position(|message| !operator(message));
    let (system, said) = request
        .messages
        .split_at(first.unwrap_or(request.messages.len()));
    if !set("system") && system.iter().any(|message| !message.parts.is_empty()) {
        write::list(&mut out, "system", |out| {
            for (position, message) in system.iter().enumerate() {
                note_message(position, message, &mut losses);
                system_parts(position, message, &mut blocks, out, &mut losses)?;
            }
            Ok(())
        })?;
    }
    if !set("messages") {
        messages(system.len(), said, &mut blocks, &mut out, &mut losses)?;
    }
    let mut rest = write_options::Options {
        request,
        options,
        claude: is_claude(&options.model),
        has_calls: blocks.has_calls(),
        losses: &mut losses,
    };
    rest.write(&mut out)?;
    for (name, value) in &options.set {
        write::raw(&mut out, name, value);
    }
    write::close(&mut out);
    Ok(Written {
        body: out.into(),
        lost: losses.0,
        back: Default::default(),
    })
}

/// About as many bytes as the body will have, so that it is seldom moved.
fn size_of(request: &ChatRequest<'_>) -> usize {
    let text = |part: &Part<'_>| 64 + super::write_checks::size_of(&part.content);
    let messages = request.messages.iter();
    let messages = messages.map(|message| 48 + message.parts.iter().map(text).sum::<usize>());
    let schemas = request.tools.iter().map(|tool| {
        let length = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map_or(0, str::len);
        128 + length(&tool.description) + length(&tool.parameters)
    });
    512 + messages.sum::<usize>() + schemas.sum::<usize>()
}

fn note_message(position: usize, message: &Message<'_>, losses: &mut Losses) {
    if message.name.is_some() {
        let param = format!("messages[{position}].name");
        losses.push(param, "Converse's messages have no speaker's name");
    }
    for field in &message.extra {
        let param = format!("messages[{position}].{}", field.name);
        losses.push(param, "Converse's messages have no such field");
    }
}

fn system_parts<'r>(
    position: usize,
    message: &'r Message<'r>,
    blocks: &mut Blocks<'r>,
    out: &mut String,
    losses: &mut Losses,
) -> Result<(), Inexpressible> {
    for (at, part) in message.parts.iter().enumerate() {
        let path = || format!("messages[{position}].content[{at}]");
        if !super::write_checks::fits_system(&part.content) {
            return Err(Inexpressible::new(
                path(),
                "Converse's system prompt can contain only text; send the rest in a user message",
            ));
        }
        blocks.part(part, out, losses, &path)?;
    }
    Ok(())
}

/// Writes the member `messages`. Speakers alternate: what one of them says in several messages is
/// joined.
fn messages<'r>(
    before: usize,
    said: &'r [Message<'r>],
    blocks: &mut Blocks<'r>,
    out: &mut String,
    losses: &mut Losses,
) -> Result<(), Inexpressible> {
    let is_said = |message: &Message<'_>| message.parts.iter().any(|p| blocks.is_written(p));
    if !said.iter().any(is_said) {
        return Err(Inexpressible::new(
            "messages",
            "all messages are empty, and Converse does not accept empty text",
        ));
    }
    let mut spoken = Vec::with_capacity(said.len());
    for (position, message) in (before..).zip(said) {
        note_message(position, message, losses);
        if message.parts.iter().any(|part| blocks.is_written(part)) {
            spoken.push((position, message));
        } else {
            // Nothing but losses to note: Converse refuses a message without blocks.
            parts(position, message, blocks, &mut String::new(), losses)?;
        }
    }
    let role = |message: &Message<'_>| match message.role {
        Role::User | Role::Tool => "user",
        Role::Assistant => "assistant",
        Role::System | Role::Developer => "system",
    };
    write::list(out, "messages", |out| {
        for turn in spoken.chunk_by(|(_, one), (_, next)| role(one) == role(next)) {
            blocks.message();
            write::braces(out, |out| {
                let speaker = turn.first().map_or("user", |(_, message)| role(message));
                write::text(out, "role", speaker);
                write::list(out, "content", |out| {
                    for (position, message) in turn {
                        parts(*position, message, blocks, out, losses)?;
                    }
                    Ok(())
                })
            })?;
        }
        Ok(())
    })
}

fn parts<'r>(
    position: usize,
    message: &'r Message<'r>,
    blocks: &mut Blocks<'r>,
    out: &mut String,
    losses: &mut Losses,
) -> Result<(), Inexpressible> {
    for (at, part) in message.parts.iter().enumerate() {
        let path = || format!("messages[{position}].content[{at}]");
        blocks.part(part, out, losses, &path)?;
    }
    Ok(())
}
