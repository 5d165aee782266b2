//! Streams of `/v2/chat`: events that name themselves in `type`.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::answer::{finish_reason, write_block, write_call, write_usage};
use crate::canonical::Usage;
use crate::door::said::{Call, Piece, pieces};
use crate::door::told::{DoorStream, LEFT_OUT, Told};
use crate::json::write;

/// Writes a stream.
pub(crate) struct Events {
    told: Told,
    started: bool,
    /// The type of the block of content that is open, and how many there are.
    block: Option<&'static str>,
    blocks: u64,
    /// The call that is told as it comes, by the upstream's number, and those that wait for its
    /// end: Cohere tells one after another, and elsewhere pieces of several may come in turns, with
    /// content between them. Content does not end a call: more of it may follow.
    live: Option<u64>,
    waiting: BTreeMap<u64, Call>,
    calls: u64,
    finish: String,
    tokens: Option<Usage>,
    left_out: Option<&'static str>,
}

impl Events {
    pub(crate) fn new(told: Told) -> Self {
        Self {
            told,
            started: false,
            block: None,
            blocks: 0,
            live: None,
            waiting: BTreeMap::new(),
            calls: 0,
            finish: String::new(),
            tokens: None,
            left_out: None,
        }
    }

    fn start(&mut self, out: &mut Vec<Bytes>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let id = &self.told.id;
        out.push(event("message-start", None, |out| {
            write::text(out, "id", id);
            write::object(out, "delta", |out| {
                write::object(out, "message", |out| {
                    write::text(out, "role", "assistant");
                    for list in ["content", "tool_calls", "citations"] {
                        write::raw(out, list, "[]");
                    }
                    write::text(out, "tool_plan", "");
                });
            });
        }));
    }

    fn close_block(&mut self, out: &mut Vec<Bytes>) {
        if self.block.take().is_some() {
            out.push(event("content-end", Some(self.blocks - 1), |_| {}));
        }
    }

    fn close(&mut self, out: &mut Vec<Bytes>) {
        self.close_block(out);
        if self.live.take().is_some() {
            self.end_call(out);
        }
        for call in std::mem::take(&mut self.waiting).into_values() {
            self.start_call(&call, out);
            self.arguments(&call.arguments, out);
            self.end_call(out);
        }
    }

    fn text(&mut self, kind: &'static str, text: &str, out: &mut Vec<Bytes>) {
        if self.block != Some(kind) {
            self.close_block(out);
            self.block = Some(kind);
            self.blocks += 1;
            out.push(event("content-start", Some(self.blocks - 1), |out| {
                inside(out, "content", |out| write_block(kind, "", out));
            }));
        }
        out.push(event("content-delta", Some(self.blocks - 1), |out| {
            inside(out, "content", |out| {
                write::braces(out, |out| write::text(out, kind, text))
            });
        }));
    }

    fn call(&mut self, number: u64, piece: Call, out: &mut Vec<Bytes>) {
        if self.live.is_none() {
            self.close_block(out);
            self.live = Some(number);
            self.start_call(&piece, out);
        }
        match self.live == Some(number) {
            true => self.arguments(&piece.arguments, out),
            false => self.waiting.entry(number).or_default().add(piece),
        }
    }

    fn start_call(&mut self, call: &Call, out: &mut Vec<Bytes>) {
        self.calls += 1;
        let begun = Call {
            arguments: String::new(),
            ..call.clone()
        };
        out.push(event("tool-call-start", Some(self.calls - 1), |out| {
            inside(out, "tool_calls", |out| write_call(&begun, out));
        }));
    }

    fn arguments(&self, piece: &str, out: &mut Vec<Bytes>) {
        if piece.is_empty() {
            return;
        }
        out.push(event("tool-call-delta", Some(self.calls - 1), |out| {
            inside(out, "tool_calls", |out| {
                write::union(out, "function", |out| write::text(out, "arguments", piece));
            });
        }));
    }

    fn end_call(&self, out: &mut Vec<Bytes>) {
        out.push(event("tool-call-end", Some(self.calls - 1), |_| {}));
    }
}

impl DoorStream for Events {
    fn event(&mut self, data: &Bytes, out: &mut Vec<Bytes>) {
        self.start(out);
        for piece in pieces(data) {
            match piece {
                Piece::Text(text) => self.text("text", &text, out),
                Piece::Reasoning(text) => self.text("thinking", &text, out),
                Piece::Call(number, piece) => self.call(number, piece, out),
                Piece::Finish(finish) => self.finish = finish,
                Piece::Tokens(tokens) => {
                    let known = self.tokens.unwrap_or_default();
                    self.tokens = Some(known.followed_by(tokens));
                }
                // Its own are numbers beside token ids, which nobody else tells.
                Piece::Logprobs(_) => {}
            }
        }
    }

    fn end(&mut self, out: &mut Vec<Bytes>) {
        self.start(out);
        self.close(out);
        let reason = finish_reason(&self.finish, self.calls > 0);
        let (id, tokens, left_out) = (&self.told.id, self.tokens, self.left_out);
        out.push(event("message-end", None, |out| {
            write::text(out, "id", id);
            write::object(out, "delta", |out| {
                write::text(out, "finish_reason", reason);
                write_usage(tokens, out);
            });
            write::text_if(out, LEFT_OUT, left_out);
        }));
    }

    fn leave_out(&mut self, medium: &'static str) {
        self.left_out = Some(medium);
    }
}

pub(super) fn event(kind: &str, index: Option<u64>, more: impl FnOnce(&mut String)) -> Bytes {
    let event = write::document(|out| {
        write::text(out, "type", kind);
        write::plain_if(out, "index", index);
        more(out);
    });
    event.into()
}

/// A member of `delta.message`.
fn inside(out: &mut String, name: &str, value: impl FnOnce(&mut String)) {
    write::object(out, "delta", |out| {
        write::object(out, "message", |out| {
            write::name(out, name);
            value(out);
        });
    });
}
