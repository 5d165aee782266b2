//! Calls without arguments in streams. Anthropic's format sends no piece of them, others an empty
//! text, and clients parse what they get: they are told `{}`, as OpenAI sends it.

use std::collections::HashSet;

use crate::exchange::{Delta, Finish, PartKind, StreamEvent};

/// The calls of which no argument has come.
#[derive(Debug, Default)]
pub(crate) struct SilentCalls(HashSet<(u32, u32)>);

impl SilentCalls {
    /// Takes the steps of one event and gives them with the arguments that are missing.
    pub(crate) fn complete(&mut self, events: &mut Vec<StreamEvent>) {
        let is_call = |event: &StreamEvent| {
            let StreamEvent::PartStart { kind, .. } = event else {
                return false;
            };
            matches!(kind, PartKind::ToolCall { custom: false, .. })
        };
        if self.0.is_empty() && !events.iter().any(is_call) {
            return;
        }
        // An answer that was cut short may have lost them.
        let is_cut = events.iter().any(|event| {
            let StreamEvent::Finish { finish, .. } = event else {
                return false;
            };
            *finish == Finish::Length
        });
        let mut complete = Vec::with_capacity(events.len());
        for event in events.drain(..) {
            match &event {
                StreamEvent::PartStart { choice, part, .. } if is_call(&event) => {
                    self.0.insert((*choice, *part));
                }
                StreamEvent::PartDelta {
                    choice,
                    part,
                    delta: Delta::Text(text),
                } if self.0.contains(&(*choice, *part)) => {
                    if text.trim().is_empty() {
                        continue;
                    }
                    self.0.remove(&(*choice, *part));
                }
                StreamEvent::PartEnd { choice, part }
                    if self.0.remove(&(*choice, *part)) && !is_cut =>
                {
                    let none = Delta::Text("{}".to_owned());
                    complete.push(StreamEvent::delta(*choice, *part, none));
                }
                _ => {}
            }
            complete.push(event);
        }
        *events = complete;
    }
}
