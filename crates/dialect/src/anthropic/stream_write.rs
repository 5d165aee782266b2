//! Writes a stream: Anthropic's events, each with its name first in its data.

use bytes::Bytes;

use super::answer::{begin_message, write_stop};
use super::usage::write_usage;
use super::{blocks, error};
use crate::canonical::Usage;
use crate::contract::context::AnswerContext;
use crate::contract::stream::WriteStream;
use crate::exchange::{Delta, Finish, PartKind, StreamEvent};
use crate::json::write;
use crate::json::write_json_string;

/// A part that has begun and not ended.
struct Open {
    part: u32,
    kind: PartKind,
    /// Its block's index, once the block has begun: whether reasoning is hidden shows later.
    index: Option<u32>,
    /// Hidden reasoning, which goes out in one piece.
    redacted: String,
}

/// Writes a stream. There is one choice; what is told of others is left out.
pub(crate) struct StreamWriter {
    context: AnswerContext,
    started: bool,
    open: Vec<Open>,
    next: u32,
    refused: bool,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

impl StreamWriter {
    pub(crate) fn new(context: &AnswerContext) -> Self {
        Self {
            context: context.clone(),
            started: false,
            open: Vec::new(),
            next: 0,
            refused: false,
            finish: None,
            usage: None,
        }
    }
}

impl WriteStream for StreamWriter {
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<Bytes>) {
        match event {
            StreamEvent::Start {
                id, model, usage, ..
            } => {
                self.usage = *usage;
                self.start(id, model, out);
            }
            StreamEvent::PartStart {
                choice: 0,
                part,
                kind,
            } => {
                self.start("", "", out);
                self.part_start(*part, kind, out);
            }
            StreamEvent::PartDelta {
                choice: 0,
                part,
                delta,
            } => {
                if let Some(at) = self.position(*part) {
                    self.delta(at, delta, out);
                }
            }
            StreamEvent::PartEnd { choice: 0, part } => {
                if let Some(at) = self.position(*part) {
                    self.part_end(at, out);
                }
            }
            StreamEvent::Finish { choice: 0, finish } => self.finish = Some(finish.clone()),
            // OpenAI counts after the end; Anthropic's end has both.
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            StreamEvent::Error(error) => out.push(error::upstream_error(error)),
            StreamEvent::End => self.end(out),
            _ => {}
        }
    }
}

impl StreamWriter {
    fn position(&self, part: u32) -> Option<usize> {
        self.open.iter().position(|open| open.part == part)
    }

    fn start(&mut self, id: &str, model: &str, out: &mut Vec<Bytes>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let mut data = String::with_capacity(384);
        data.push_str("{\"type\":\"message_start\",\"message\":");
        begin_message(id, model, &self.context, &mut data);
        data.push_str("],");
        write_stop(None, false, &mut data);
        data.push_str(",\"usage\":");
        write_usage(&self.usage.unwrap_or_default(), &mut data);
        data.push_str("}}");
        out.push(data.into());
    }

    fn part_start(&mut self, part: u32, kind: &PartKind, out: &mut Vec<Bytes>) {
        self.refused |= *kind == PartKind::Refusal;
        self.open.push(Open {
            part,
            kind: kind.clone(),
            index: None,
            redacted: String::new(),
        });
        if *kind != PartKind::Reasoning {
            self.block_start(self.open.len() - 1, out);
        }
    }

    /// The index of a part's block, which begins here if it has not.
    fn block_start(&mut self, at: usize, out: &mut Vec<Bytes>) -> u32 {
        let next = self.next;
        let Some(open) = self.open.get_mut(at) else {
            return next;
        };
        if let Some(index) = open.index {
            return index;
        }
        open.index = Some(next);
        self.next += 1;
        let mut data = block_event("content_block_start", next, "\"content_block\":");
        match &open.kind {
            PartKind::Text | PartKind::Refusal => data.push_str("{\"type\":\"text\",\"text\":\"\""),
            PartKind::Reasoning => {
                data.push_str("{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"");
            }
            PartKind::ToolCall { id, name, .. } => {
                write::tagged(&mut data, "tool_use");
                write::text(&mut data, "id", &blocks::call_id(id));
                write::text(&mut data, "name", name);
                data.push_str(",\"input\":{}");
            }
        }
        data.push_str("}}");
        out.push(data.into());
        next
    }

    fn delta(&mut self, at: usize, delta: &Delta, out: &mut Vec<Bytes>) {
        let Some(open) = self.open.get_mut(at) else {
            return;
        };
        let (begin, text) = match (delta, &open.kind) {
            (Delta::Redacted(data), _) => {
                open.redacted.push_str(data);
                return;
            }
            (Delta::Text(text), PartKind::Text | PartKind::Refusal) => (TEXT, text),
            (Delta::Text(text), PartKind::Reasoning) => (THINKING, text),
            (Delta::Text(text), PartKind::ToolCall { .. }) => (INPUT, text),
            (Delta::Signature(text), PartKind::Reasoning) => (SIGNATURE, text),
            (Delta::Citation(citation), _) => {
                if blocks::can_write(citation) {
                    let index = self.block_start(at, out);
                    let mut data = block_event("content_block_delta", index, CITATION);
                    blocks::write_citation(citation, &mut data);
                    data.push_str("}}");
                    out.push(data.into());
                }
                return;
            }
            _ => return,
        };
        let index = self.block_start(at, out);
        out.push(text_delta(index, begin, text));
    }

    fn part_end(&mut self, at: usize, out: &mut Vec<Bytes>) {
        let hidden = self
            .open
            .get(at)
            .is_some_and(|open| !open.redacted.is_empty());
        if !hidden {
            self.block_start(at, out);
        }
        let open = self.open.remove(at);
        if let Some(index) = open.index {
            out.push(block_stop(index));
        }
        if hidden {
            let index = self.next;
            self.next += 1;
            let mut data = block_event("content_block_start", index, "\"content_block\":");
            blocks::write_redacted(&open.redacted, &mut data);
            data.push('}');
            out.push(data.into());
            out.push(block_stop(index));
        }
    }

    fn end(&mut self, out: &mut Vec<Bytes>) {
        self.start("", "", out);
        while !self.open.is_empty() {
            self.part_end(0, out);
        }
        let mut data = String::with_capacity(224);
        data.push_str("{\"type\":\"message_delta\",\"delta\":{");
        write_stop(self.finish.as_ref(), self.refused, &mut data);
        data.push_str("},\"usage\":");
        write_usage(&self.usage.unwrap_or_default(), &mut data);
        data.push('}');
        out.push(data.into());
        out.push(Bytes::from_static(b"{\"type\":\"message_stop\"}"));
    }
}

pub(super) const TEXT: &str = "\"delta\":{\"type\":\"text_delta\",\"text\":";
pub(super) const THINKING: &str = "\"delta\":{\"type\":\"thinking_delta\",\"thinking\":";
pub(super) const INPUT: &str = "\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":";
pub(super) const SIGNATURE: &str = "\"delta\":{\"type\":\"signature_delta\",\"signature\":";
pub(super) const CITATION: &str = "\"delta\":{\"type\":\"citations_delta\",\"citation\":";

/// A `content_block_delta` with that text.
pub(super) fn text_delta(index: u32, begin: &str, text: &str) -> Bytes {
    let mut data = block_event("content_block_delta", index, begin);
    data.reserve(text.len() + 4);
    write_json_string(text, &mut data);
    data.push_str("}}");
    data.into()
}

pub(super) fn block_event(name: &str, index: u32, begin: &str) -> String {
    use std::fmt::Write;

    let mut data = String::with_capacity(144);
    // Writing into a String can't fail.
    let _ = write!(data, "{{\"type\":\"{name}\",\"index\":{index},{begin}");
    data
}

pub(super) fn block_stop(index: u32) -> Bytes {
    let mut data = block_event("content_block_stop", index, "");
    data.pop();
    data.push('}');
    data.into()
}
