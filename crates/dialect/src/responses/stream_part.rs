//! What a stream's writer keeps of the parts and the message that go on.

use super::parts_out::{self, Called};
use crate::json::write::{self, number};

pub(super) struct Message {
    pub(super) index: usize,
    pub(super) id: String,
    /// Parts begun so far.
    pub(super) begun: usize,
    /// Parts still open.
    pub(super) open: usize,
    /// The complete parts, with their places.
    pub(super) parts: Vec<(usize, String)>,
}

/// A part that goes on.
pub(super) struct Open {
    pub(super) kind: Kind,
    pub(super) index: usize,
    /// Its place in its message.
    pub(super) content: usize,
    pub(super) id: String,
    /// What was said, as a JSON string's inside.
    pub(super) said: String,
    pub(super) annotations: String,
    pub(super) annotation_count: u64,
    pub(super) logprobs: String,
    pub(super) signature: String,
    pub(super) redacted: String,
}

pub(super) enum Kind {
    Text,
    Refusal,
    Reasoning,
    Call(Called),
}

/// What differs in the events of a part's kind: the event of a piece, that of the whole, and
/// the latter's member.
impl Kind {
    pub(super) fn events(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Kind::Text => (
                "response.output_text.delta",
                "response.output_text.done",
                "text",
            ),
            Kind::Refusal => ("response.refusal.delta", "response.refusal.done", "refusal"),
            Kind::Reasoning => (
                "response.reasoning_summary_text.delta",
                "response.reasoning_summary_text.done",
                "text",
            ),
            Kind::Call(called) if called.custom => (
                "response.custom_tool_call_input.delta",
                "response.custom_tool_call_input.done",
                "input",
            ),
            Kind::Call(_) => (
                "response.function_call_arguments.delta",
                "response.function_call_arguments.done",
                "arguments",
            ),
        }
    }
}

impl Open {
    /// Where an event belongs.
    pub(super) fn place(&self, out: &mut String) {
        write::text(out, "item_id", &self.id);
        number(out, "output_index", self.index as u64);
        match self.kind {
            Kind::Text | Kind::Refusal => number(out, "content_index", self.content as u64),
            Kind::Reasoning => number(out, "summary_index", 0),
            Kind::Call(_) => {}
        }
    }
}

pub(super) fn write_part(out: &mut String, open: &Open) {
    match open.kind {
        Kind::Refusal => parts_out::plain(out, "refusal", "refusal", &open.said),
        _ => parts_out::output_text(out, &open.said, &open.annotations, &open.logprobs),
    }
}

pub(super) fn joined(parts: &[(usize, String)]) -> String {
    let mut out = String::with_capacity(parts.iter().map(|(_, part)| part.len() + 1).sum());
    for (_, part) in parts {
        write::value(&mut out, part);
    }
    out
}
