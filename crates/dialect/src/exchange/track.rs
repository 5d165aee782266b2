//! Numbers parts for readers of formats whose chunks don't say where a part begins or ends.

use std::collections::HashMap;

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
    /// Open parts that are no calls, of which there are a few: slot and number.
    open: Vec<(Slot, u32)>,
    /// The number of each open call, by the format's own count. An upstream may open very many.
    calls: HashMap<u32, u32>,
    next: u32,
    finished: bool,
}

/// Opens and closes parts as pieces come in. Text closes open reasoning and the other way
/// round; calls stay open side by side until the choice ends, since their fragments may alternate.
#[derive(Debug, Default)]
pub struct PartTracker {
    choices: HashMap<u32, Choice>,
    /// How many of them have ended.
    finished: usize,
}

impl PartTracker {
    /// A piece of text, reasoning or refusal.
    pub fn piece(&mut self, choice: u32, kind: PartKind, delta: Delta, out: &mut Vec<StreamEvent>) {
        let slot = match kind {
            PartKind::Text => Slot::Text,
            PartKind::Reasoning => Slot::Reasoning,
            PartKind::Refusal => Slot::Refusal,
            PartKind::ToolCall { .. } | PartKind::Media(_) | PartKind::Opaque { .. } => return,
        };
        let state = self.choice(choice);
        let part = match state.number(slot) {
            Some(part) => part,
            None => {
                state.close(choice, out);
                state.start(choice, slot, kind, out)
            }
        };
        out.push(StreamEvent::delta(choice, part, delta));
    }

    /// A part that comes whole, in one piece or none.
    pub fn whole(
        &mut self,
        choice: u32,
        kind: PartKind,
        piece: Option<Delta>,
        out: &mut Vec<StreamEvent>,
    ) {
        let state = self.choice(choice);
        state.close(choice, out);
        let part = state.next;
        state.next += 1;
        out.push(StreamEvent::begin(choice, part, kind));
        out.extend(piece.map(|piece| StreamEvent::delta(choice, part, piece)));
        out.push(StreamEvent::end(choice, part));
    }

    /// Text, reasoning and refusals that are open end here.
    pub(crate) fn close(&mut self, choice: u32, out: &mut Vec<StreamEvent>) {
        self.choice(choice).close(choice, out);
    }

    /// Whether text is open.
    pub(crate) fn has_text(&mut self, choice: u32) -> bool {
        self.choice(choice).number(Slot::Text).is_some()
    }

    /// A call begins, under the index that the format gives it.
    pub fn call(&mut self, choice: u32, index: u32, kind: PartKind, out: &mut Vec<StreamEvent>) {
        let state = self.choice(choice);
        if state.number(Slot::Call(index)).is_none() {
            state.close(choice, out);
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

    /// Log probabilities of the text that is open, or else of the last part.
    pub(crate) fn logprobs(&mut self, choice: u32, items: String, out: &mut Vec<StreamEvent>) {
        let state = self.choice(choice);
        let last = state.next.saturating_sub(1);
        let part = state.number(Slot::Text).unwrap_or(last);
        out.push(StreamEvent::delta(choice, part, Delta::Logprobs(items)));
    }

    /// A choice ends: its open parts first. A second end says nothing.
    pub fn finish(&mut self, choice: u32, finish: Finish, out: &mut Vec<StreamEvent>) {
        let state = self.choice(choice);
        if std::mem::replace(&mut state.finished, true) {
            return;
        }
        let calls = state
            .calls
            .drain()
            .map(|(index, part)| (Slot::Call(index), part));
        state.open.extend(calls);
        state.open.sort_unstable_by_key(|(_, part)| *part);
        state.close(choice, out);
        out.push(StreamEvent::Finish { choice, finish });
        self.finished += 1;
    }

    /// Whether this choice has ended.
    pub(crate) fn is_finished(&mut self, choice: u32) -> bool {
        self.choice(choice).finished
    }

    /// The choices that have not ended, in order.
    pub(crate) fn unfinished(&self) -> Vec<u32> {
        let choices = self.choices.iter().filter(|(_, choice)| !choice.finished);
        let mut choices: Vec<u32> = choices.map(|(index, _)| *index).collect();
        choices.sort_unstable();
        choices
    }

    /// Whether there are choices, and all of them have ended.
    pub(crate) fn all_finished(&self) -> bool {
        self.has_finished() && self.finished == self.choices.len()
    }

    /// Whether any choice has ended.
    pub fn has_finished(&self) -> bool {
        self.finished > 0
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        self.choices.entry(index).or_default()
    }
}

impl Choice {
    fn number(&self, slot: Slot) -> Option<u32> {
        if let Slot::Call(index) = slot {
            return self.calls.get(&index).copied();
        }
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
        match slot {
            Slot::Call(index) => _ = self.calls.insert(index, part),
            _ => self.open.push((slot, part)),
        }
        out.push(StreamEvent::begin(choice, part, kind));
        part
    }

    /// Ends the open parts that are no calls.
    fn close(&mut self, choice: u32, out: &mut Vec<StreamEvent>) {
        let ends = self.open.drain(..);
        out.extend(ends.map(|(_, part)| StreamEvent::end(choice, part)));
    }
}
