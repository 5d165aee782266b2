//! Writes a stream: Anthropic's events, each with its name first in its data.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::answer::{End, drawn, message, write_stop};
use super::usage::write_usage;
use super::{blocks, error};
use crate::canonical::Usage;
use crate::contract::context::AnswerContext;
use crate::contract::stream::WriteStream;
use crate::exchange::{Delta, Finish, PartKind, StreamEvent};
use crate::json::write;

/// A part that has begun and not ended.
struct Open {
    kind: PartKind,
    /// Its block's index, once the block has begun: whether reasoning is hidden shows later.
    index: Option<u32>,
    /// Hidden reasoning, which goes out in one piece.
    redacted: String,
}

/// Writes a stream. There is one choice; what is told of others is left out.
#[derive(Default)]
pub(crate) struct StreamWriter {
    context: AnswerContext,
    started: bool,
    /// Parts that have begun and not ended, by number.
    open: BTreeMap<u32, Open>,
    next: u32,
    refused: bool,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

impl StreamWriter {
    pub(crate) fn new(context: &AnswerContext) -> Self {
        Self {
            context: context.clone(),
            ..Self::default()
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
            } => self.delta(*part, delta, out),
            StreamEvent::PartEnd { choice: 0, part } => self.part_end(*part, out),
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
    fn start(&mut self, id: &str, model: &str, out: &mut Vec<Bytes>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let mut data = String::with_capacity(384);
        let end = End {
            usage: self.usage.unwrap_or_default(),
            ..End::default()
        };
        write::typed(&mut data, "message_start", |out| {
            write::object(out, "message", |out| {
                message((id, model), &self.context, end, out, |_| {});
            });
        });
        out.push(data.into());
    }

    fn part_start(&mut self, part: u32, kind: &PartKind, out: &mut Vec<Bytes>) {
        if let PartKind::Media(media) = kind {
            let mut block = String::new();
            if media.is_image() {
                drawn(media, &mut block);
            }
            if !block.is_empty() {
                let index = self.next;
                self.next += 1;
                out.push(block_start(index, |out| out.push_str(&block)));
                out.push(block_stop(index));
            }
            return;
        }
        if let PartKind::Opaque { .. } = kind {
            return;
        }
        self.refused |= *kind == PartKind::Refusal;
        let open = Open {
            kind: kind.clone(),
            index: None,
            redacted: String::new(),
        };
        self.open.insert(part, open);
        if *kind != PartKind::Reasoning {
            self.block_start(part, out);
        }
    }

    /// The index of a part's block, which begins here if it has not.
    fn block_start(&mut self, part: u32, out: &mut Vec<Bytes>) -> u32 {
        let next = self.next;
        let Some(open) = self.open.get_mut(&part) else {
            return next;
        };
        if let Some(index) = open.index {
            return index;
        }
        open.index = Some(next);
        self.next += 1;
        out.push(block_start(next, |out| {
            write::braces(out, |out| match &open.kind {
                PartKind::Text | PartKind::Refusal => blocks::text("", [].iter(), out),
                PartKind::Reasoning => {
                    write::text(out, "type", "thinking");
                    write::text(out, "thinking", "");
                    write::text(out, "signature", "");
                }
                PartKind::ToolCall { id, name, .. } => {
                    write::text(out, "type", "tool_use");
                    write::text(out, "id", &blocks::call_id(id));
                    write::text(out, "name", name);
                    write::object(out, "input", |_| {});
                }
                // It is told as soon as it begins.
                PartKind::Media(_) | PartKind::Opaque { .. } => {}
            });
        }));
        next
    }

    fn delta(&mut self, part: u32, delta: &Delta, out: &mut Vec<Bytes>) {
        let Some(open) = self.open.get_mut(&part) else {
            return;
        };
        let (piece, text) = match (delta, &open.kind) {
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
                    let index = self.block_start(part, out);
                    out.push(block_delta(index, CITATION, 256, |out| {
                        blocks::write_citation(citation, out);
                    }));
                }
                return;
            }
            _ => return,
        };
        let index = self.block_start(part, out);
        out.push(text_delta(index, piece, text));
    }

    fn part_end(&mut self, part: u32, out: &mut Vec<Bytes>) {
        let open = self.open.get(&part);
        let hidden = open.is_some_and(|open| !open.redacted.is_empty());
        if !hidden {
            self.block_start(part, out);
        }
        let Some(open) = self.open.remove(&part) else {
            return;
        };
        if let Some(index) = open.index {
            out.push(block_stop(index));
        }
        if hidden {
            let index = self.next;
            self.next += 1;
            out.push(block_start(index, |out| {
                blocks::redacted(&open.redacted, out)
            }));
            out.push(block_stop(index));
        }
    }

    fn end(&mut self, out: &mut Vec<Bytes>) {
        self.start("", "", out);
        while let Some((&part, _)) = self.open.first_key_value() {
            self.part_end(part, out);
        }
        let end = End {
            finish: self.finish.as_ref(),
            refused: self.refused,
            usage: self.usage.unwrap_or_default(),
        };
        let mut data = String::with_capacity(224);
        write::typed(&mut data, "message_delta", |out| {
            write::object(out, "delta", |out| write_stop(&end, out));
            write_usage(&end.usage, out);
        });
        out.push(data.into());
        out.push(message_stop());
    }
}

pub(super) fn message_stop() -> Bytes {
    Bytes::from_static(br#"{"type":"message_stop"}"#)
}

/// What a delta is: its type, and the member that holds the piece.
pub(super) type Piece = (&'static str, &'static str);

pub(super) const TEXT: Piece = ("text_delta", "text");
pub(super) const THINKING: Piece = ("thinking_delta", "thinking");
pub(super) const INPUT: Piece = ("input_json_delta", "partial_json");
pub(super) const SIGNATURE: Piece = ("signature_delta", "signature");
pub(super) const CITATION: Piece = ("citations_delta", "citation");

/// A `content_block_delta` with that text.
pub(super) fn text_delta(index: u32, piece: Piece, text: &str) -> Bytes {
    block_delta(index, piece, text.len(), |out| write::string(out, text))
}

/// A `content_block_delta` with a piece as the next value.
pub(super) fn block_delta(
    index: u32,
    (kind, member): Piece,
    room: usize,
    piece: impl FnOnce(&mut String),
) -> Bytes {
    block_event("content_block_delta", index, room, |out| {
        write::object(out, "delta", |out| {
            write::text(out, "type", kind);
            write::name(out, member);
            piece(out);
        });
    })
}

/// A `content_block_start` with a block as the next value.
pub(super) fn block_start(index: u32, block: impl FnOnce(&mut String)) -> Bytes {
    block_event("content_block_start", index, 64, |out| {
        write::name(out, "content_block");
        block(out);
    })
}

pub(super) fn block_stop(index: u32) -> Bytes {
    block_event("content_block_stop", index, 0, |_| {})
}

fn block_event(name: &str, index: u32, room: usize, more: impl FnOnce(&mut String)) -> Bytes {
    let mut data = String::with_capacity(144 + room);
    write::typed(&mut data, name, |out| {
        write::number(out, "index", index.into());
        more(out);
    });
    data.into()
}
