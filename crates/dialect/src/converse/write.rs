//! Writes a request: the body, and who says what.

use super::names::is_claude;
use super::object::Open;
use super::write_blocks::Blocks;
use super::write_options;
use crate::exchange::{
    ChatRequest, Inexpressible, Lost, Message, Part, Role, WriteOptions, Written,
};

pub(crate) fn write_request(
    request: &ChatRequest<'_>,
    options: &WriteOptions,
) -> Result<Written, Inexpressible> {
    let mut out = String::with_capacity(size_of(request));
    let mut losses = Losses::default();
    let mut body = Open::object(&mut out);
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
        body.key("system", &mut out);
        let mut array = Open::array(&mut out);
        for (position, message) in system.iter().enumerate() {
            note_message(position, message, &mut losses);
            system_parts(
                position,
                message,
                &mut blocks,
                &mut array,
                &mut out,
                &mut losses,
            )?;
        }
        array.close(&mut out);
    }
    if !set("messages") {
        body.key("messages", &mut out);
        messages(system.len(), said, &mut blocks, &mut out, &mut losses)?;
    }
    let mut rest = write_options::Options {
        request,
        options,
        claude: is_claude(&options.model),
        has_calls: blocks.has_calls(),
        losses: &mut losses,
    };
    rest.write(&mut body, &mut out)?;
    for (name, value) in &options.set {
        body.json(name, value, &mut out);
    }
    body.close(&mut out);
    Ok(Written {
        body: out.into(),
        lost: losses.0,
        back: Default::default(),
    })
}

/// What is not in the body.
#[derive(Default)]
pub(super) struct Losses(pub(super) Vec<Lost>);

impl Losses {
    pub(super) fn add(&mut self, param: impl Into<String>, why: &'static str) {
        self.0.push(Lost::new(param, why));
    }
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
        losses.add(param, "Converse's messages have no speaker's name");
    }
    for field in &message.extra {
        let param = format!("messages[{position}].{}", field.name);
        losses.add(param, "Converse's messages have no such field");
    }
}

fn system_parts<'r>(
    position: usize,
    message: &'r Message<'r>,
    blocks: &mut Blocks<'r>,
    array: &mut Open,
    out: &mut String,
    losses: &mut Losses,
) -> Result<(), Inexpressible> {
    for (at, part) in message.parts.iter().enumerate() {
        let path = || format!("messages[{position}].content[{at}]");
        if !super::write_checks::fits_system(&part.content) {
            return Err(Inexpressible {
                param: path(),
                why: "Converse's system prompt is text alone; say it in a user's message"
                    .to_owned(),
            });
        }
        blocks.part(part, array, out, losses, &path)?;
    }
    Ok(())
}

/// Speakers alternate: what one of them says in several messages is joined.
fn messages<'r>(
    before: usize,
    said: &'r [Message<'r>],
    blocks: &mut Blocks<'r>,
    out: &mut String,
    losses: &mut Losses,
) -> Result<(), Inexpressible> {
    let mut array = Open::array(out);
    let mut open: Option<(&str, Open, Open)> = None;
    let is_said = |message: &Message<'_>| message.parts.iter().any(|p| blocks.is_written(p));
    if !said.iter().any(is_said) {
        return Err(Inexpressible {
            param: "messages".to_owned(),
            why: "Converse takes no empty text, and there is nothing else".to_owned(),
        });
    }
    for (position, message) in (before..).zip(said) {
        note_message(position, message, losses);
        let role = match message.role {
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
            Role::System | Role::Developer => "system",
        };
        if !message.parts.iter().any(|part| blocks.is_written(part)) {
            // Nothing but losses to note: Converse refuses a message without blocks.
            let (mut nothing, mut array) = (String::new(), Open::array(&mut String::new()));
            parts(position, message, blocks, &mut array, &mut nothing, losses)?;
            continue;
        }
        if open.as_ref().is_some_and(|(speaker, ..)| *speaker != role) {
            close(open.take(), out);
        }
        let (.., content) = open.get_or_insert_with(|| {
            blocks.message();
            array.item(out);
            let mut message = Open::object(out);
            message.text("role", role, out);
            message.key("content", out);
            (role, message, Open::array(out))
        });
        parts(position, message, blocks, content, out, losses)?;
    }
    close(open, out);
    array.close(out);
    Ok(())
}

fn parts<'r>(
    position: usize,
    message: &'r Message<'r>,
    blocks: &mut Blocks<'r>,
    content: &mut Open,
    out: &mut String,
    losses: &mut Losses,
) -> Result<(), Inexpressible> {
    for (at, part) in message.parts.iter().enumerate() {
        let path = || format!("messages[{position}].content[{at}]");
        blocks.part(part, content, out, losses, &path)?;
    }
    Ok(())
}

fn close(open: Option<(&str, Open, Open)>, out: &mut String) {
    if let Some((_, message, content)) = open {
        content.close(out);
        message.close(out);
    }
}
