//! Writes a conversation: the system prompt apart, results of calls in the user's messages.

use std::collections::HashSet;

use super::body::{Body, model};
use super::write_parts::{self, Place};
use crate::exchange::{ChatRequest, Content, Inexpressible, Message, Role};
use crate::fit::takes_system_messages;
use crate::json::write_json_string;

/// A conversation on its way into a body.
pub(super) struct Conversation<'r, 'b, 'o> {
    request: &'r ChatRequest<'r>,
    body: &'b mut Body<'o>,
    /// Ids of the calls so far.
    calls: HashSet<&'r str>,
    /// A user's message of results is open, to be joined by what the user says next.
    open: bool,
    count: usize,
}

fn is_system(message: &Message<'_>) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

impl<'r, 'b, 'o> Conversation<'r, 'b, 'o> {
    pub(super) fn new(
        request: &'r ChatRequest<'r>,
        body: &'b mut Body<'o>,
    ) -> Result<Self, Inexpressible> {
        if request.messages.iter().all(is_system) {
            return Err(Inexpressible {
                param: "messages".to_owned(),
                why: "Anthropic's messages need at least one that is not the system's".to_owned(),
            });
        }
        Ok(Self {
            request,
            body,
            calls: HashSet::new(),
            open: false,
            count: 0,
        })
    }

    pub(super) fn write(mut self) -> Result<(), Inexpressible> {
        let messages = &self.request.messages;
        let leading = messages
            .iter()
            .take_while(|message| is_system(message))
            .count();
        let takes_system = takes_system_messages(model(self.request, self.body.options));
        let stays = |index: usize| {
            let before = index.checked_sub(1).and_then(|before| messages.get(before));
            let after = messages.get(index + 1);
            takes_system
                && before.is_some_and(|before| matches!(before.role, Role::User | Role::Tool))
                && after.is_none_or(|after| after.role == Role::Assistant)
        };
        let moved = |index: usize| index < leading || !stays(index);
        self.system(moved)?;
        if self.body.begin("messages") {
            self.body.out.push('[');
            for (index, message) in messages.iter().enumerate().skip(leading) {
                if !is_system(message) {
                    self.message(index, message)?;
                } else if !moved(index) {
                    self.apart(index, message)?;
                }
            }
            self.close();
            self.body.out.push(']');
        }
        if self.count == 0 {
            return Err(Inexpressible {
                param: "messages".to_owned(),
                why: "Anthropic's messages take no empty text, and there is nothing else"
                    .to_owned(),
            });
        }
        Ok(())
    }

    /// The system prompt: all system messages that can't stand where they are.
    fn system(&mut self, moved: impl Fn(usize) -> bool) -> Result<(), Inexpressible> {
        let messages = &self.request.messages;
        let prompts = || {
            let all = messages.iter().enumerate();
            all.filter(|(index, message)| is_system(message) && moved(*index))
        };
        let before = self.body.out.len();
        if prompts().next().is_none() || !self.body.begin("system") {
            return Ok(());
        }
        let mut parts = prompts().flat_map(|(_, message)| &message.parts);
        if let (Some(text), None) = (parts.next().and_then(write_parts::plain), parts.next()) {
            write_json_string(text, &mut self.body.out);
        } else {
            self.body.out.push('[');
            let mut written = 0;
            for (index, message) in prompts() {
                let place = Place::new(index, Role::System);
                written += write_parts::blocks(&message.parts, place, written, self.body)?;
            }
            self.body.out.push(']');
            if written == 0 {
                self.body.out.truncate(before);
            }
        }
        let mut conversed = false;
        for (index, message) in messages.iter().enumerate() {
            conversed |= !is_system(message);
            if is_system(message) && conversed && moved(index) {
                let why = "this model accepts instructions only before the conversation; they were moved there";
                self.body.lose(format!("messages[{index}].role"), why);
            }
            if is_system(message) && moved(index) {
                self.about(index, message);
            }
        }
        Ok(())
    }

    /// Joins a user's message to the results before it.
    fn message(&mut self, index: usize, message: &'r Message<'r>) -> Result<(), Inexpressible> {
        for part in &message.parts {
            match &part.content {
                Content::ToolCall(call) => {
                    self.calls.insert(&call.id);
                }
                Content::ToolResult(result) if !self.calls.contains(result.call_id.as_ref()) => {
                    return Err(Inexpressible {
                        param: format!("messages[{index}]"),
                        why: "it is a result of a call that no message before it makes".to_owned(),
                    });
                }
                _ => {}
            }
        }
        let joins = self.open && matches!(message.role, Role::User | Role::Tool);
        if !joins {
            self.close();
        }
        if message.role == Role::Tool || joins {
            self.join(index, message)?;
            if message.role == Role::User {
                self.close();
            }
            return Ok(());
        }
        self.apart(index, message)
    }

    fn join(&mut self, index: usize, message: &Message<'_>) -> Result<(), Inexpressible> {
        let before = self.body.out.len();
        if !self.open {
            self.begin(message.role);
            self.body.out.push('[');
        }
        let already = usize::from(self.open);
        let place = Place::new(index, message.role);
        if write_parts::blocks(&message.parts, place, already, self.body)? == 0 {
            self.body.out.truncate(before);
            self.empty(index);
        } else if !self.open {
            self.open = true;
            self.count += 1;
        }
        self.about(index, message);
        Ok(())
    }

    /// A message of its own.
    fn apart(&mut self, index: usize, message: &Message<'_>) -> Result<(), Inexpressible> {
        self.close();
        let before = self.body.out.len();
        self.begin(message.role);
        let plain = match message.parts.as_slice() {
            [part] => write_parts::plain(part),
            _ => None,
        };
        let written = match plain {
            Some(text) => {
                write_json_string(text, &mut self.body.out);
                1
            }
            None => {
                self.body.out.push('[');
                let place = Place::new(index, message.role);
                let written = write_parts::blocks(&message.parts, place, 0, self.body)?;
                self.body.out.push(']');
                written
            }
        };
        if written == 0 {
            self.body.out.truncate(before);
            self.empty(index);
        } else {
            self.body.out.push('}');
            self.count += 1;
        }
        self.about(index, message);
        Ok(())
    }

    fn begin(&mut self, role: Role) {
        if self.count > 0 {
            self.body.out.push(',');
        }
        self.body.out.push_str(match role {
            Role::User | Role::Tool => "{\"role\":\"user\",\"content\":",
            Role::Assistant => "{\"role\":\"assistant\",\"content\":",
            Role::System | Role::Developer => "{\"role\":\"system\",\"content\":",
        });
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.open) {
            self.body.out.push_str("]}");
        }
    }

    fn empty(&mut self, index: usize) {
        let why = "it is empty, and Anthropic's messages can't be empty";
        self.body.lose(format!("messages[{index}].content"), why);
    }

    /// What stands beside a message's content.
    fn about(&mut self, index: usize, message: &Message<'_>) {
        if message.name.is_some() {
            let why = "Anthropic's messages name no speakers";
            self.body.lose(format!("messages[{index}].name"), why);
        }
        for field in &message.extra {
            let why = "Anthropic's messages have no such field";
            self.body
                .lose(format!("messages[{index}].{}", field.name), why);
        }
    }
}
