//! Writes a stream's events, each in union form.

use std::collections::HashMap;

use bytes::Bytes;

use super::{answer, cite, error, usage};
use crate::canonical::Usage;
use crate::contract::stream::WriteStream;
use crate::exchange::{Delta, Media, PartKind, StreamEvent};
use crate::json::write;

/// Writes a stream.
#[derive(Default)]
pub(crate) struct StreamWriter {
    started: bool,
    /// Parts that have an open block: its number and kind.
    open: HashMap<u32, (u32, Kind)>,
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
    fn start(&mut self, out: &mut Vec<Bytes>) {
        if !std::mem::replace(&mut self.started, true) {
            out.push(Bytes::from_static(
                br#"{"messageStart":{"role":"assistant"}}"#,
            ));
        }
    }

    fn part_start(&mut self, part: u32, kind: &PartKind, out: &mut Vec<Bytes>) {
        self.start(out);
        match kind {
            PartKind::Text | PartKind::Refusal => _ = self.open.insert(part, (UNSAID, Kind::Text)),
            PartKind::Reasoning => _ = self.open.insert(part, (UNSAID, Kind::Reasoning)),
            PartKind::Media(media) => self.drawn(media, out),
            PartKind::Opaque { .. } => {}
            PartKind::ToolCall { id, name, .. } => {
                let block = self.next;
                self.next += 1;
                self.open.insert(part, (block, Kind::Call));
                out.push(block_event("contentBlockStart", block, 64, |out| {
                    write::object(out, "start", |out| {
                        write::object(out, "toolUse", |out| {
                            write::text(out, "toolUseId", id);
                            write::text(out, "name", name);
                        });
                    });
                }));
            }
        }
    }

    /// An image that the model has drawn: a block of its own.
    fn drawn(&mut self, media: &Media<'_>, out: &mut Vec<Bytes>) {
        let Some((format, data)) = answer::drawing(media).filter(|_| media.is_image()) else {
            return;
        };
        let block = self.next;
        self.next += 1;
        out.push(block_event("contentBlockStart", block, 64, |out| {
            write::object(out, "start", |out| {
                write::object(out, "image", |out| write::text(out, "format", format));
            });
        }));
        out.push(block_event("contentBlockDelta", block, data.len(), |out| {
            write::object(out, "delta", |out| {
                write::object(out, "image", |out| {
                    write::object(out, "source", |out| write::text(out, "bytes", data));
                });
            });
        }));
        out.push(block_event("contentBlockStop", block, 0, |_| {}));
    }

    fn delta(&mut self, part: u32, delta: &Delta, out: &mut Vec<Bytes>) {
        let Some((block, kind)) = self.open.get_mut(&part) else {
            return;
        };
        let mut cited = String::new();
        let (path, said): (&[_], _) = match (delta, *kind) {
            (Delta::Text(more), Kind::Text) => (TEXT, more),
            (Delta::Text(more), Kind::Reasoning) => (THOUGHT, more),
            (Delta::Text(more), Kind::Call) => (INPUT, more),
            (Delta::Signature(more), Kind::Reasoning) => (SIGNATURE, more),
            (Delta::Redacted(more), Kind::Reasoning) => (REDACTED, more),
            (Delta::Citation(citation), Kind::Text) => {
                cite::write(citation, &mut cited);
                (&["citation"], &cited)
            }
            // Converse has no log probabilities.
            _ => return,
        };
        if *block == UNSAID {
            *block = self.next;
            self.next += 1;
        }
        out.push(match cited.is_empty() {
            true => text_delta(*block, path, said),
            false => block_delta(*block, path, said.len(), |out, name| {
                write::raw(out, name, said)
            }),
        });
    }

    fn part_end(&mut self, part: u32, out: &mut Vec<Bytes>) {
        let Some((block, _)) = self.open.remove(&part) else {
            return;
        };
        // Of a block that nothing was said of there is nothing to end.
        if block != UNSAID {
            out.push(block_event("contentBlockStop", block, 0, |_| {}));
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
                let mut text = String::new();
                write::union(&mut text, "messageStop", |out| {
                    answer::write_stop(finish, out)
                });
                out.push(text.into());
            }
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            StreamEvent::Error(said) => out.push(error::event_of(said)),
            // It comes last, and once.
            StreamEvent::End => {
                if let Some(counted) = self.usage.take() {
                    let mut text = String::new();
                    write::union(&mut text, "metadata", |out| {
                        usage::write(&counted, out);
                        answer::metrics(out);
                    });
                    out.push(text.into());
                }
            }
        }
    }
}

/// Where a delta has its text.
pub(super) type Path = &'static [&'static str];

pub(super) const TEXT: Path = &["text"];
pub(super) const THOUGHT: Path = &["reasoningContent", "text"];
pub(super) const INPUT: Path = &["toolUse", "input"];
pub(super) const SIGNATURE: Path = &["reasoningContent", "signature"];
pub(super) const REDACTED: Path = &["reasoningContent", "redactedContent"];

/// A `contentBlockDelta` with a text at that path.
pub(super) fn text_delta(block: u32, path: &[&str], text: &str) -> Bytes {
    block_delta(block, path, text.len(), |out, name| {
        write::text(out, name, text)
    })
}

/// A `contentBlockDelta` whose innermost member is written by `member`.
fn block_delta(
    block: u32,
    path: &[&str],
    room: usize,
    member: impl FnOnce(&mut String, &str),
) -> Bytes {
    block_event("contentBlockDelta", block, room, |out| {
        write::object(out, "delta", |out| match path {
            [outer, name] => write::object(out, outer, |out| member(out, name)),
            [name] => member(out, name),
            _ => {}
        });
    })
}

/// An event of a block, in union form.
fn block_event(kind: &str, block: u32, room: usize, members: impl FnOnce(&mut String)) -> Bytes {
    let mut text = String::with_capacity(96 + room);
    write::union(&mut text, kind, |out| {
        members(out);
        write::number(out, "contentBlockIndex", block.into());
    });
    text.into()
}
