//! Reads a stream's events, each in union form: `{"contentBlockDelta":{…}}`.

use std::borrow::Cow;

use super::{answer, error, names, read_blocks, usage};
use crate::call_ids::MADE_UP;
use crate::contract::stream::ReadStream;
use crate::exchange::{Delta, PartKind, StreamEvent};
use crate::fields::{name_of, named};
use crate::json::{Kind, Value};
use crate::payload::{PayloadError, wrong_type};

/// Blocks that may be open at once. Bedrock opens one; beyond this the first is closed.
const MAX_OPEN: usize = 256;

/// Reads a stream.
#[derive(Default)]
pub(crate) struct StreamReader {
    started: bool,
    finished: bool,
    ended: bool,
    next: u32,
    open: Vec<Block>,
}

/// A block that has begun and not ended.
struct Block {
    /// Its number in the stream.
    index: u32,
    /// Its part's number; none for a block of a kind that is not told on.
    part: Option<u32>,
    kind: Told,
    /// Something of it has come.
    has_text: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Text,
    Reasoning,
    Call,
    Nothing,
}

impl ReadStream for StreamReader {
    fn read(
        &mut self,
        _event: Option<&str>,
        root: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        for (name, value) in named(root) {
            if let Some(error) = error::exception(&name, value) {
                out.push(StreamEvent::Error(error));
                continue;
            }
            match name.as_ref() {
                "messageStart" => self.start(out),
                "contentBlockStart" => self.block_start(value, out)?,
                "contentBlockDelta" => self.block_delta(value, out)?,
                "contentBlockStop" => {
                    let index = index_of(value)?;
                    self.close(|block| block.index == index, out);
                }
                "messageStop" => self.stop(value, out)?,
                "metadata" => {
                    let counted = value.some("usage");
                    if let Some(counted) = counted {
                        self.start(out);
                        out.push(StreamEvent::Usage(usage::read(counted)?));
                    }
                }
                // An event that came later than this.
                _ => {}
            }
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<StreamEvent>) {
        if !std::mem::replace(&mut self.ended, true) {
            self.close(|_| true, out);
            if self.finished {
                out.push(StreamEvent::End);
            }
        }
    }
}

impl StreamReader {
    fn start(&mut self, out: &mut Vec<StreamEvent>) {
        if !std::mem::replace(&mut self.started, true) {
            out.push(StreamEvent::start("", ""));
        }
    }

    fn block_start(
        &mut self,
        event: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        let index = index_of(event)?;
        let Some(start) = event.get("start") else {
            return Ok(());
        };
        let call = start.some("toolUse");
        // A call that the provider makes itself is not one that the client can answer.
        let call = call.filter(|call| call.get("type").is_none_or(Value::is_null));
        match call {
            Some(call) => {
                let text = |name: &str| call.text(name).map(Cow::into_owned);
                let id = text("toolUseId").filter(|id| !id.is_empty());
                let kind = PartKind::ToolCall {
                    id: id.unwrap_or_else(|| format!("{MADE_UP}{index}")),
                    name: text("name").unwrap_or_default(),
                    custom: false,
                };
                self.open(index, Told::Call, Some(kind), out);
            }
            None if start.members().next().is_some() => {
                self.open(index, Told::Nothing, None, out);
            }
            None => {}
        }
        Ok(())
    }

    fn block_delta(
        &mut self,
        event: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        let index = index_of(event)?;
        let deltas = event.get("delta").into_iter().flat_map(Value::members);
        for (key, value) in deltas.filter(|(_, value)| !value.is_null()) {
            let at = |rest: &str| format!("contentBlockDelta.delta.{rest}");
            match name_of(key).as_ref() {
                "text" => {
                    let delta = Delta::Text(text(value, || at("text"))?);
                    self.delta(index, Told::Text, delta, out);
                }
                "toolUse" => {
                    let Some(input) = value.some("input") else {
                        continue;
                    };
                    let more = text(input, || at("toolUse.input"))?;
                    if !more.is_empty() {
                        self.delta(index, Told::Call, Delta::Text(more), out);
                    }
                }
                "reasoningContent" => {
                    for (name, value) in named(value) {
                        let make = match name.as_ref() {
                            "text" => Delta::Text,
                            "signature" => Delta::Signature,
                            "redactedContent" => Delta::Redacted,
                            _ => continue,
                        };
                        let more = text(value, || at(&format!("reasoningContent.{name}")))?;
                        self.delta(index, Told::Reasoning, make(more), out);
                    }
                }
                "citation" if value.kind() == Kind::Object => {
                    let delta = Delta::Citation(read_blocks::citation(value).into_owned());
                    self.delta(index, Told::Text, delta, out);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn stop(&mut self, event: Value<'_>, out: &mut Vec<StreamEvent>) -> Result<(), PayloadError> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        self.start(out);
        self.close(|_| true, out);
        let reason = event.some("stopReason");
        let reason = match reason {
            Some(reason) => text(reason, || "messageStop.stopReason".to_owned())?,
            None => "end_turn".to_owned(),
        };
        out.push(StreamEvent::Finish {
            choice: 0,
            finish: names::finish_of(&reason, answer::stop_sequence(event)),
        });
        Ok(())
    }

    fn open(
        &mut self,
        index: u32,
        told: Told,
        kind: Option<PartKind>,
        out: &mut Vec<StreamEvent>,
    ) -> Option<u32> {
        self.start(out);
        self.close(|block| block.index == index, out);
        if self.open.len() >= MAX_OPEN {
            let first = self.open.first().map(|block| block.index);
            self.close(|block| Some(block.index) == first, out);
        }
        let part = kind.map(|kind| {
            let part = self.next;
            self.next += 1;
            out.push(StreamEvent::begin(0, part, kind));
            part
        });
        self.open.push(Block {
            index,
            part,
            kind: told,
            has_text: false,
        });
        part
    }

    /// A piece of a block. Blocks of text and reasoning have no start of their own.
    fn delta(&mut self, index: u32, told: Told, delta: Delta, out: &mut Vec<StreamEvent>) {
        let known = self.open.iter_mut().find(|block| block.index == index);
        let part = match known {
            Some(block) if block.kind == told => {
                block.has_text = true;
                block.part
            }
            // A result of the provider's own tool: none of it is the model's answer.
            Some(block) if block.kind == Told::Nothing => None,
            _ => match told {
                Told::Text => self.open(index, told, Some(PartKind::Text), out),
                Told::Reasoning => self.open(index, told, Some(PartKind::Reasoning), out),
                // Arguments of a call that has no name.
                Told::Call | Told::Nothing => None,
            },
        };
        if let Some(part) = part {
            out.push(StreamEvent::delta(0, part, delta));
        }
    }

    fn close(&mut self, which: impl Fn(&Block) -> bool, out: &mut Vec<StreamEvent>) {
        self.open.retain(|block| {
            let closes = which(block);
            if let (true, Some(part)) = (closes, block.part) {
                if block.kind == Told::Call && !block.has_text {
                    // A call without arguments: a stream of it tells no piece.
                    out.push(StreamEvent::delta(0, part, Delta::Text("{}".to_owned())));
                }
                out.push(StreamEvent::end(0, part));
            }
            !closes
        });
    }
}

fn index_of(event: Value<'_>) -> Result<u32, PayloadError> {
    let Some(index) = event.some("contentBlockIndex") else {
        return Ok(0);
    };
    index
        .as_integer()
        .and_then(|index| u32::try_from(index).ok())
        .ok_or_else(|| wrong_type("contentBlockIndex", "an index", index))
}

fn text(value: Value<'_>, path: impl Fn() -> String) -> Result<String, PayloadError> {
    value
        .as_str()
        .map(Cow::into_owned)
        .ok_or_else(|| wrong_type(path(), "a string", value))
}
