//! Writes a stream of chat completion chunks.

use std::fmt::Write;

use bytes::Bytes;

use super::answer_write::{annotation, call_head, head, usage, write_finish};
use super::reasoning::write_block;
use crate::canonical::Usage;
use crate::contract::context::AnswerContext;
use crate::contract::stream::WriteStream;
use crate::exchange::{Delta, PartKind, StreamEvent};
use crate::json::write_json_string;
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
    index: u32,
    calls: u32,
    /// Characters of text so far.
    said: u64,
    open: Vec<(u32, Open)>,
}

/// Writes a stream.
pub(crate) struct StreamWriter {
    context: AnswerContext,
    /// What each chunk begins with, up to its choices.
    head: String,
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

impl StreamWriter {
    pub(crate) fn new(context: &AnswerContext) -> Self {
        Self {
            context: context.clone(),
            head: head("", "", None, OBJECT, context),
            choices: Vec::new(),
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
                let at = self.choice(*choice, out);
                self.choices[at].open.retain(|(open, _)| open != part);
            }
            StreamEvent::Finish { choice, finish } => {
                self.choice(*choice, out);
                let mut chunk = self.begin(*choice, 64);
                chunk.push_str("},\"logprobs\":null,");
                write_finish(Some(finish), &mut chunk);
                chunk.push_str("}]}");
                out.push(chunk.into());
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
                    chunk.push_str(",\"choices\":[]");
                    usage(&counted, &mut chunk);
                    chunk.push('}');
                    out.push(chunk.into());
                }
            }
        }
    }
}

impl StreamWriter {
    /// Where a choice's state is; a choice that is new begins with its role.
    fn choice(&mut self, index: u32, out: &mut Vec<Bytes>) -> usize {
        let known = self.choices.iter().position(|choice| choice.index == index);
        known.unwrap_or_else(|| {
            self.choices.push(Choice {
                index,
                ..Choice::default()
            });
            let mut chunk = self.begin(index, 96);
            chunk.push_str("\"role\":\"assistant\",\"content\":\"\",\"refusal\":null");
            out.push(end(chunk));
            self.choices.len() - 1
        })
    }

    /// A chunk of a choice up to its delta's members.
    fn begin(&self, index: u32, room: usize) -> String {
        let mut chunk = String::with_capacity(self.head.len() + room + 96);
        chunk.push_str(&self.head);
        let _ = write!(chunk, ",\"choices\":[{{\"index\":{index},\"delta\":{{");
        chunk
    }

    fn start(&mut self, index: u32, part: u32, kind: &PartKind, out: &mut Vec<Bytes>) {
        let at = self.choice(index, out);
        let choice = &mut self.choices[at];
        let open = match kind {
            PartKind::Text => Open::Text(choice.said),
            PartKind::Reasoning => Open::Reasoning,
            PartKind::Refusal => Open::Refusal,
            PartKind::ToolCall { custom, .. } => {
                choice.calls += 1;
                Open::Call(choice.calls - 1, *custom)
            }
        };
        choice.open.push((part, open));
        if let (PartKind::ToolCall { id, name, custom }, Open::Call(call, _)) = (kind, open) {
            let mut chunk = self.begin(index, 128 + id.len() + name.len());
            let _ = write!(chunk, "\"tool_calls\":[{{\"index\":{call},");
            call_head(id, name, *custom, &mut chunk);
            chunk.push_str("\"\"}}]");
            out.push(end(chunk));
        }
    }

    fn delta(&mut self, index: u32, part: u32, delta: &Delta, out: &mut Vec<Bytes>) {
        let at = self.choice(index, out);
        let choice = &mut self.choices[at];
        let open = choice.open.iter().find(|(open, _)| *open == part);
        let Some((_, open)) = open.copied() else {
            return;
        };
        if let (Delta::Text(said), Open::Text(_)) = (delta, open) {
            choice.said += said.chars().count() as u64;
        }
        let said = choice.said;
        let mut chunk = self.begin(index, 64 + length(delta));
        match (delta, open) {
            (Delta::Text(text), Open::Call(call, custom)) => {
                let arguments = match custom {
                    true => "\"custom\":{\"input\":",
                    false => "\"function\":{\"arguments\":",
                };
                let _ = write!(chunk, "\"tool_calls\":[{{\"index\":{call},{arguments}");
                write_json_string(text, &mut chunk);
                chunk.push_str("}}]");
            }
            (Delta::Text(text), _) => {
                chunk.push_str(name(open));
                write_json_string(text, &mut chunk);
            }
            (Delta::Signature(signature), Open::Reasoning) => {
                chunk.push_str("\"thinking_blocks\":[");
                write_block("", Some(signature), None, &mut chunk);
                chunk.push(']');
            }
            (Delta::Redacted(data), Open::Reasoning) => {
                chunk.push_str("\"thinking_blocks\":[");
                write_block("", None, Some(data), &mut chunk);
                chunk.push(']');
            }
            (Delta::Citation(citation), Open::Text(begin)) if citation.url.is_some() => {
                chunk.push_str("\"annotations\":[");
                annotation(citation, (begin, said), &mut chunk);
                chunk.push(']');
            }
            (Delta::Logprobs(items), Open::Text(_) | Open::Reasoning | Open::Refusal) => {
                chunk.push_str(name(open));
                chunk.push_str("\"\"},\"logprobs\":{\"content\":");
                chunk.push_str(items);
                chunk.push_str(",\"refusal\":null},\"finish_reason\":null}]}");
                out.push(chunk.into());
                return;
            }
            _ => return,
        }
        out.push(end(chunk));
    }
}

/// The member that a part's text stands in, up to its value.
fn name(open: Open) -> &'static str {
    match open {
        Open::Reasoning => "\"reasoning_content\":",
        Open::Refusal => "\"refusal\":",
        _ => "\"content\":",
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

/// A chunk whose delta is complete.
fn end(mut chunk: String) -> Bytes {
    chunk.push_str("},\"logprobs\":null,\"finish_reason\":null}]}");
    chunk.into()
}
