//! A place among the messages of the exchange form, and what a client calls it whose format has
//! turns of a user and a model.

use crate::exchange::{ChatRequest, Message, Role};

/// What a client calls a place; none where it has no name for it.
pub(crate) type Locate = fn(&ChatRequest<'_>, &Place<'_>) -> Option<String>;

/// `messages[2].content[1].rest`.
pub(crate) struct Place<'p> {
    pub(crate) message: usize,
    pub(crate) part: Option<usize>,
    pub(crate) rest: &'p str,
}

impl<'p> Place<'p> {
    /// The place that a path of the exchange form names; none where it names another field.
    pub(crate) fn of(param: &'p str) -> Option<Self> {
        let (message, rest) = index(param.strip_prefix("messages[")?)?;
        let part = rest.strip_prefix(".content[").and_then(index);
        let (part, rest) = part.map_or((None, rest), |(part, rest)| (Some(part), rest));
        Some(Self {
            message,
            part,
            rest,
        })
    }

    /// How many messages of the system lead, and whether this place is in one of them: then by
    /// which name.
    pub(crate) fn after_system(
        &self,
        request: &ChatRequest<'_>,
        name: &str,
    ) -> Result<usize, String> {
        let is_system = |message: &&Message<'_>| message.role == Role::System;
        let system = request.messages.iter().take_while(is_system).count();
        match self.message < system {
            true => Err(format!("{name}{}", self.rest)),
            false => Ok(system),
        }
    }
}

fn index(text: &str) -> Option<(usize, &str)> {
    let (number, rest) = text.split_once(']')?;
    Some((number.parse().ok()?, rest))
}

/// As Anthropic's and Converse's clients have it.
pub(crate) fn in_messages(request: &ChatRequest<'_>, place: &Place<'_>) -> Option<String> {
    in_turns(request, place, "system", "messages", "content")
}

/// A place in a format that has the system prompt apart and, in turns, a list of messages with a
/// list of parts.
pub(crate) fn in_turns(
    request: &ChatRequest<'_>,
    place: &Place<'_>,
    system: &str,
    list: &str,
    parts: &str,
) -> Option<String> {
    let messages = &request.messages;
    let system = match place.after_system(request, system) {
        Ok(system) => system,
        Err(name) => return Some(name),
    };
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
    let part = place
        .part
        .map(|part| format!(".{parts}[{}]", part + ahead))
        .unwrap_or_default();
    Some(format!("{list}[{message}]{part}{}", place.rest))
}
