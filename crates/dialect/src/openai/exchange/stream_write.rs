//! Writes a stream of chat completion chunks.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::answer_write::{annotation, call_head, called, head, signature, usage, write_finish};
use super::media::{DRAWN, write_drawn};
use super::reasoning::write_block;
use crate::canonical::Usage;
use crate::contract::context::AnswerContext;
use crate::contract::stream::WriteStream;
use crate::exchange::{Delta, Finish, Media, PartKind, StreamEvent, logprobs_of};
use crate::json::write;
use crate::openai::error::error_body;

/// What an open part is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// Text, with the character at which it begins.
    Text(u64),
    Reasoning,
    Refusal,
    /// A call: its number in the choice, and whether it is of a custom tool.
    Call(u32, bool),
}

#[derive(Debug, Default)]
struct Choice {
    calls: u32,
    /// Images so far.
    drawn: u64,
    /// Characters of text so far.
    said: u64,
    /// The signature that came right before.
    signed: Option<String>,
    /// Parts that have begun and not ended, by number.
    open: BTreeMap<u32, Open>,
}

/// Writes a stream.
pub(crate) struct StreamWriter {
    context: AnswerContext,
    /// What each chunk begins with, up to its choices.
    head: String,
    choices: BTreeMap<u32, Choice>,
    usage: Option<Usage>,
}

impl StreamWriter {
    pub(crate) fn new(context: &AnswerContext) -> Self {
        Self {
            context: context.clone(),
            head: head("", "", None, OBJECT, context),
            choices: BTreeMap::new(),
            usage: None,
        }
    }
}

const OBJECT: &str = "chat.completion.chunk";

impl WriteStream for StreamWriter {
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<Bytes>) {
        match event {
            StreamEvent::Start {
                id,
                model,
                created,
                usage,
            } => {
                self.head = head(id, model, *created, OBJECT, &self.context);
                self.usage = usage.or(self.usage);
                self.choice(0, out);
            }
            StreamEvent::PartStart { choice, part, kind } => self.start(*choice, *part, kind, out),
            StreamEvent::PartDelta {
                choice,
                part,
                delta,
            } => self.delta(*choice, *part, delta, out),
            StreamEvent::PartEnd { choice, part } => {
                self.choice(*choice, out).open.remove(part);
            }
            StreamEvent::Finish { choice, finish } => {
                self.choice(*choice, out);
                out.push(self.chunk(*choice, 64, |_| {}, "null", Some(finish)));
            }
            StreamEvent::Usage(counted) => self.usage = Some(*counted),
            StreamEvent::Error(error) => {
                let kind = error.kind.as_deref().unwrap_or_default();
                let (param, code) = (error.param.as_deref(), error.code.as_deref());
                out.push(error_body(500, &error.message, kind, param, code));
            }
            StreamEvent::End => {
                if let Some(counted) = self.usage.take() {
                    let mut chunk = String::with_capacity(self.head.len() + 256);
                    chunk.push_str(&self.head);
                    write::list(&mut chunk, "choices", |_| {});
                    usage(&counted, &mut chunk);
                    write::close(&mut chunk);
                    out.push(chunk.into());
                }
            }
        }
    }
}

impl StreamWriter {
    /// A choice's state; a choice that is new begins with its role.
    fn choice(&mut self, index: u32, out: &mut Vec<Bytes>) -> &mut Choice {
        if !self.choices.contains_key(&index) {
            out.push(self.said(index, 96, |delta| {
                write::text(delta, "role", "assistant");
                write::text(delta, "content", "");
                write::raw(delta, "refusal", "null");
            }));
        }
        self.choices.entry(index).or_default()
    }

    /// A chunk of one choice.
    fn chunk(
        &self,
        index: u32,
        room: usize,
        delta: impl FnOnce(&mut String),
        logprobs: &str,
        finish: Option<&Finish>,
    ) -> Bytes {
        let mut chunk = String::with_capacity(self.head.len() + room + 96);
        chunk.push_str(&self.head);
        write::list(&mut chunk, "choices", |out| {
            write::braces(out, |out| {
                write::number(out, "index", index.into());
                write::object(out, "delta", delta);
                write::raw(out, "logprobs", logprobs);
                write_finish(finish, out);
            });
        });
        write::close(&mut chunk);
        chunk.into()
    }

    /// A chunk that neither ends a choice nor tells probabilities.
    fn said(&self, index: u32, room: usize, delta: impl FnOnce(&mut String)) -> Bytes {
        self.chunk(index, room, delta, "null", None)
    }

    fn start(&mut self, index: u32, part: u32, kind: &PartKind, out: &mut Vec<Bytes>) {
        if let PartKind::Media(media) = kind {
            return self.drawn(index, media, out);
        }
        let choice = self.choice(index, out);
        let open = match kind {
            PartKind::Text => Open::Text(choice.said),
            PartKind::Reasoning => Open::Reasoning,
            PartKind::Refusal => Open::Refusal,
            PartKind::ToolCall { custom, .. } => {
                choice.calls += 1;
                Open::Call(choice.calls - 1, *custom)
            }
            PartKind::Media(_) | PartKind::Opaque { .. } => return,
        };
        choice.open.insert(part, open);
        let signed = choice.signed.take();
        if let (PartKind::ToolCall { id, name, custom }, Open::Call(call, _)) = (kind, open) {
            let room = 128 + id.len() + name.len() + signed.as_ref().map_or(0, String::len);
            out.push(self.said(index, room, |delta| {
                one_call(call, delta, |out| {
                    call_head(id, name, *custom, "", out);
                    signature(signed.as_deref(), out);
                });
            }));
        }
    }

    /// An image that the model has drawn, in a chunk of its own.
    fn drawn(&mut self, index: u32, media: &Media<'_>, out: &mut Vec<Bytes>) {
        let choice = self.choice(index, out);
        let mut written = String::new();
        if media.is_image() {
            write_drawn(media, choice.drawn, &mut written);
        }
        if !written.is_empty() {
            choice.drawn += 1;
            out.push(self.said(index, 32 + written.len(), |delta| {
                write::list(delta, DRAWN, |out| out.push_str(&written));
            }));
        }
    }

    fn delta(&mut self, index: u32, part: u32, delta: &Delta, out: &mut Vec<Bytes>) {
        let choice = self.choice(index, out);
        let Some(open) = choice.open.get(&part).copied() else {
            return;
        };
        if let (Delta::Text(said), Open::Text(_)) = (delta, open) {
            choice.said += said.chars().count() as u64;
        }
        if let (Delta::Signature(signature), Open::Reasoning) = (delta, open) {
            choice.signed = Some(signature.clone());
        }
        let said = choice.said;
        let room = 64 + length(delta);
        let block = |signature, redacted| {
            self.said(index, room, |out| {
                write::list(out, "thinking_blocks", |out| {
                    write_block("", signature, redacted, out);
                });
            })
        };
        out.push(match (delta, open) {
            (Delta::Text(text), Open::Call(call, custom)) => self.said(index, room, |out| {
                let (kind, arguments) = called(custom);
                one_call(call, out, |out| {
                    write::object(out, kind, |out| write::text(out, arguments, text));
                });
            }),
            (Delta::Text(text), _) => {
                self.said(index, room, |out| write::text(out, name(open), text))
            }
            (Delta::Signature(signature), Open::Reasoning) => block(Some(signature), None),
            (Delta::Redacted(data), Open::Reasoning) => block(None, Some(data)),
            (Delta::Citation(citation), Open::Text(begin)) if citation.url.is_some() => {
                self.said(index, room, |out| {
                    write::list(out, "annotations", |out| {
                        annotation(citation, (begin, said), out);
                    });
                })
            }
            (Delta::Logprobs(items), Open::Text(_) | Open::Reasoning | Open::Refusal) => {
                let empty = |out: &mut String| write::text(out, name(open), "");
                self.chunk(index, room, empty, &logprobs_of(items), None)
            }
            _ => return,
        });
    }
}

/// `tool_calls` with a piece of one call.
fn one_call(call: u32, out: &mut String, members: impl FnOnce(&mut String)) {
    write::list(out, "tool_calls", |out| {
        write::braces(out, |out| {
            write::number(out, "index", call.into());
            members(out);
        });
    });
}

/// The member that a part's text stands in.
fn name(open: Open) -> &'static str {
    match open {
        Open::Reasoning => "reasoning_content",
        Open::Refusal => "refusal",
        _ => "content",
    }
}

fn length(delta: &Delta) -> usize {
    match delta {
        Delta::Text(text)
        | Delta::Signature(text)
        | Delta::Redacted(text)
        | Delta::Logprobs(text) => text.len() + text.len() / 16,
        Delta::Citation(_) => 256,
    }
}
