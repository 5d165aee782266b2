//! Numbers parts for readers of formats whose chunks don't say where a part begins or ends.

use super::answer::Finish;
use super::event::{Delta, PartKind, StreamEvent};

/// Which of a choice's parts text goes to, where the format does not number them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Text,
    Reasoning,
    Refusal,
    /// A call with its index in the format's own count.
    Call(u32),
}

#[derive(Debug, Default)]
struct Choice {
    /// Open parts: slot and number.
    open: Vec<(Slot, u32)>,
    next: u32,
    finished: bool,
}

/// Opens and closes parts as pieces come in. Text closes open reasoning and the other way
/// round; calls stay open side by side until the choice ends, since their fragments may alternate.
#[derive(Debug, Default)]
pub struct PartTracker {
    choices: Vec<(u32, Choice)>,
}

impl PartTracker {
    /// A piece of text, reasoning or refusal.
    pub fn piece(&mut self, choice: u32, kind: PartKind, delta: Delta, out: &mut Vec<StreamEvent>) {
        let slot = match kind {
            PartKind::Text => Slot::Text,
            PartKind::Reasoning => Slot::Reasoning,
            PartKind::Refusal => Slot::Refusal,
            PartKind::ToolCall { .. } | PartKind::Media(_) => return,
        };
        let state = self.choice(choice);
        let part = match state.number(slot) {
            Some(part) => part,
            None => {
                state.close(choice, |open| !matches!(open, Slot::Call(_)), out);
                state.start(choice, slot, kind, out)
            }
        };
        out.push(StreamEvent::delta(choice, part, delta));
    }

    /// A part that comes whole.
    pub fn whole(&mut self, choice: u32, kind: PartKind, out: &mut Vec<StreamEvent>) {
        let state = self.choice(choice);
        state.close(choice, |open| !matches!(open, Slot::Call(_)), out);
        let part = state.next;
        state.next += 1;
        out.push(StreamEvent::begin(choice, part, kind));
        out.push(StreamEvent::end(choice, part));
    }

    /// A call begins, under the index that the format gives it.
    pub fn call(&mut self, choice: u32, index: u32, kind: PartKind, out: &mut Vec<StreamEvent>) {
        let state = self.choice(choice);
        if state.number(Slot::Call(index)).is_none() {
            state.close(choice, |open| !matches!(open, Slot::Call(_)), out);
            state.start(choice, Slot::Call(index), kind, out);
        }
    }

    /// Whether a call with that index has begun.
    pub fn has_call(&mut self, choice: u32, index: u32) -> bool {
        self.choice(choice).number(Slot::Call(index)).is_some()
    }

    /// A fragment of a call's arguments. Nothing, where the call has not begun.
    pub fn arguments(&mut self, choice: u32, index: u32, text: String, out: &mut Vec<StreamEvent>) {
        if let Some(part) = self.choice(choice).number(Slot::Call(index)) {
            out.push(StreamEvent::delta(choice, part, Delta::Text(text)));
        }
    }

    /// A choice ends: its open parts first. A second end says nothing.
    pub fn finish(&mut self, choice: u32, finish: Finish, out: &mut Vec<StreamEvent>) {
        let state = self.choice(choice);
        if std::mem::replace(&mut state.finished, true) {
            return;
        }
        state.close(choice, |_| true, out);
        out.push(StreamEvent::Finish { choice, finish });
    }

    /// Whether any choice has ended.
    pub fn has_finished(&self) -> bool {
        self.choices.iter().any(|(_, choice)| choice.finished)
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        let at = self.choices.iter().position(|(known, _)| *known == index);
        let at = at.unwrap_or_else(|| {
            self.choices.push((index, Choice::default()));
            self.choices.len() - 1
        });
        &mut self.choices[at].1
    }
}

impl Choice {
    fn number(&self, slot: Slot) -> Option<u32> {
        let found = self.open.iter().find(|(open, _)| *open == slot);
        found.map(|(_, part)| *part)
    }

    fn start(
        &mut self,
        choice: u32,
        slot: Slot,
        kind: PartKind,
        out: &mut Vec<StreamEvent>,
    ) -> u32 {
        let part = self.next;
        self.next += 1;
        self.open.push((slot, part));
        out.push(StreamEvent::begin(choice, part, kind));
        part
    }

    fn close(&mut self, choice: u32, which: impl Fn(Slot) -> bool, out: &mut Vec<StreamEvent>) {
        self.open.retain(|(slot, part)| {
            let closes = which(*slot);
            if closes {
                out.push(StreamEvent::end(choice, *part));
            }
            !closes
        });
    }
}
