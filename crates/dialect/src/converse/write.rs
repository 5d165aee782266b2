//! Writes a request: the body, and who says what.

use super::names::is_claude;
use super::write_blocks::Blocks;
use super::write_options;
use crate::exchange::{
    ChatRequest, Draft, Inexpressible, Losses, Message, Role, WriteOptions, Written,
};
use crate::json::write;

pub(crate) fn write_request(
    request: &ChatRequest<'_>,
    options: &WriteOptions,
) -> Result<Written, Inexpressible> {
    let mut body = Draft::new(options, (), request.size());
    let mut blocks = Blocks::new(&options.model);
    let operator = |message: &Message<'_>| matches!(message.role, Role::System | Role::Developer);
    let first = request
        .messages
        .iter()
        .position(|message| !operator(message));
    let (system, said) = request
        .messages
        .split_at(first.unwrap_or(request.messages.len()));
    if body.is_free("system") && system.iter().any(|message| !message.parts.is_empty()) {
        write::list(&mut body.out, "system", |out| {
            for (position, message) in system.iter().enumerate() {
                body.lost.about(position, message, ABOUT);
                system_parts(position, message, &mut blocks, out, &mut body.lost)?;
            }
            Ok(())
        })?;
    }
    if body.is_free("messages") {
        let (out, losses) = (&mut body.out, &mut body.lost);
        messages(system.len(), said, &mut blocks, out, losses)?;
    }
    let mut rest = write_options::Options {
        request,
        options,
        claude: is_claude(&options.model),
        has_calls: blocks.has_calls(),
        losses: &mut body.lost,
    };
    rest.write(&mut body.out)?;
    Ok(body.finish())
}

/// Why a message's name and its other fields are lost.
const ABOUT: [&str; 2] = [
    "Converse's messages have no speaker's name",
    "Converse's messages have no such field",
];

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
        losses.about(position, message, ABOUT);
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
