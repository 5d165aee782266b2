//! Writes a stream's events, each in union form.

use bytes::Bytes;

use super::object::Open;
use super::{answer, cite, error, names, usage};
use crate::canonical::Usage;
use crate::contract::context::AnswerContext;
use crate::contract::stream::WriteStream;
use crate::exchange::{Delta, PartKind, StreamEvent};
use crate::json::write_json_string;

/// Writes a stream.
pub(crate) struct StreamWriter {
    started: bool,
    /// Parts that have an open block: part, block, kind.
    open: Vec<(u32, u32, Kind)>,
    next: u32,
    usage: Option<Usage>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
    Call,
}

/// A block that has begun without an event of its own: that of text and reasoning is their
/// first delta.
const UNSAID: u32 = u32::MAX;

impl StreamWriter {
    pub(crate) fn new(_context: &AnswerContext) -> Self {
        Self {
            started: false,
            open: Vec::new(),
            next: 0,
            usage: None,
        }
    }

    fn start(&mut self, out: &mut Vec<Bytes>) {
        if !std::mem::replace(&mut self.started, true) {
            out.push(Bytes::from_static(
                b"{\"messageStart\":{\"role\":\"assistant\"}}",
            ));
        }
    }

    fn part_start(&mut self, part: u32, kind: &PartKind, out: &mut Vec<Bytes>) {
        self.start(out);
        match kind {
            PartKind::Text | PartKind::Refusal => self.open.push((part, UNSAID, Kind::Text)),
            PartKind::Reasoning => self.open.push((part, UNSAID, Kind::Reasoning)),
            PartKind::ToolCall { id, name, .. } => {
                let block = self.next;
                self.next += 1;
                self.open.push((part, block, Kind::Call));
                let mut text = String::with_capacity(160);
                text.push_str("{\"contentBlockStart\":{\"start\":{\"toolUse\":");
                let mut object = Open::object(&mut text);
                object.text("toolUseId", id, &mut text);
                object.text("name", name, &mut text);
                object.close(&mut text);
                text.push('}');
                end_block_event(text, block, out);
            }
        }
    }

    fn delta(&mut self, part: u32, delta: &Delta, out: &mut Vec<Bytes>) {
        let Some((_, block, kind)) = self.open.iter_mut().find(|(open, ..)| *open == part) else {
            return;
        };
        let mut text = String::with_capacity(128);
        text.push_str("{\"contentBlockDelta\":{\"delta\":");
        match (delta, *kind) {
            (Delta::Text(more), Kind::Text) => write_member(&["text"], more, &mut text),
            (Delta::Text(more), Kind::Reasoning) => {
                write_member(&["reasoningContent", "text"], more, &mut text);
            }
            (Delta::Text(more), Kind::Call) => write_member(&["toolUse", "input"], more, &mut text),
            (Delta::Signature(more), Kind::Reasoning) => {
                write_member(&["reasoningContent", "signature"], more, &mut text);
            }
            (Delta::Redacted(more), Kind::Reasoning) => {
                write_member(&["reasoningContent", "redactedContent"], more, &mut text);
            }
            (Delta::Citation(citation), Kind::Text) => {
                text.push_str("{\"citation\":");
                cite::write(citation, &mut text);
                text.push('}');
            }
            // Converse has no log probabilities.
            _ => return,
        }
        if *block == UNSAID {
            *block = self.next;
            self.next += 1;
        }
        end_block_event(text, *block, out);
    }

    fn part_end(&mut self, part: u32, out: &mut Vec<Bytes>) {
        let Some(at) = self.open.iter().position(|(open, ..)| *open == part) else {
            return;
        };
        let (_, block, _) = self.open.remove(at);
        // Of a block that nothing was said of there is nothing to end.
        if block != UNSAID {
            let event = format!("{{\"contentBlockStop\":{{\"contentBlockIndex\":{block}}}}}");
            out.push(event.into());
        }
    }
}

impl WriteStream for StreamWriter {
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<Bytes>) {
        match event {
            StreamEvent::Start { usage, .. } => {
                self.usage = usage.or(self.usage);
                self.start(out);
            }
            // Converse has one choice.
            StreamEvent::PartStart { choice, .. }
            | StreamEvent::PartDelta { choice, .. }
            | StreamEvent::PartEnd { choice, .. }
            | StreamEvent::Finish { choice, .. }
                if *choice > 0 => {}
            StreamEvent::PartStart { part, kind, .. } => self.part_start(*part, kind, out),
            StreamEvent::PartDelta { part, delta, .. } => self.delta(*part, delta, out),
            StreamEvent::PartEnd { part, .. } => self.part_end(*part, out),
            StreamEvent::Finish { finish, .. } => {
                self.start(out);
                let mut text = String::from("{\"messageStop\":");
                let mut object = Open::object(&mut text);
                object.text("stopReason", names::stop_reason(finish), &mut text);
                answer::stopped_by(finish, &mut object, &mut text);
                object.close(&mut text);
                text.push('}');
                out.push(text.into());
            }
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            StreamEvent::Error(said) => out.push(error::event_of(said)),
            // It comes last, and once.
            StreamEvent::End => {
                if let Some(counted) = self.usage.take() {
                    let mut text = String::from("{\"metadata\":{\"usage\":");
                    usage::write(&counted, &mut text);
                    text.push_str(",\"metrics\":{\"latencyMs\":0}}}");
                    out.push(text.into());
                }
            }
        }
    }
}

/// `{"a":{"b":"text"}}`.
pub(super) fn write_member(path: &[&str], text: &str, out: &mut String) {
    for name in path {
        out.push_str("{\"");
        out.push_str(name);
        out.push_str("\":");
    }
    write_json_string(text, out);
    out.extend(path.iter().map(|_| '}'));
}

/// What every event of a block ends with.
pub(super) fn end_block_event(mut text: String, block: u32, out: &mut Vec<Bytes>) {
    text.push_str(",\"contentBlockIndex\":");
    text.push_str(&block.to_string());
    text.push_str("}}");
    out.push(text.into());
}
