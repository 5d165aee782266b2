//! Reads a stream's events, each in union form: `{"contentBlockDelta":{…}}`.

use std::borrow::Cow;

use super::{answer, error, names, read_blocks, usage};
use crate::call_ids::MADE_UP;
use crate::contract::stream::ReadStream;
use crate::exchange::{Blocks, Delta, PartKind, StreamEvent};
use crate::fields::{name_of, named};
use crate::json::{Kind, Value};
use crate::payload::{PayloadError, index, string, text_of, usage_in};

/// Reads a stream.
#[derive(Default)]
pub(crate) struct StreamReader {
    /// By their numbers, and what they are.
    blocks: Blocks<(u32, Told)>,
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
                    self.blocks.close(|(of, _)| of == index, out);
                }
                "messageStop" => self.stop(value, out)?,
                "metadata" => {
                    if let Some(counted) = usage_in(value) {
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
        self.blocks.end(out);
    }
}

impl StreamReader {
    fn start(&mut self, out: &mut Vec<StreamEvent>) {
        self.blocks.start(StreamEvent::start("", ""), out);
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
        self.start(out);
        let reason = text_of(event, "stopReason", "messageStop.stopReason")?;
        let reason = reason.as_deref().unwrap_or("end_turn");
        let finish = names::finish_of(reason, answer::stop_sequence(event));
        self.blocks.finish(finish, out);
        Ok(())
    }

    fn open(&mut self, index: u32, told: Told, kind: Option<PartKind>, out: &mut Vec<StreamEvent>) {
        self.start(out);
        self.blocks.close(|(of, _)| of == index, out);
        // A call without arguments: a stream of it tells no piece.
        let unsaid = (told == Told::Call).then(|| "{}".to_owned());
        self.blocks.begin((index, told), kind, unsaid, out);
    }

    /// A piece of a block. Blocks of text and reasoning have no start of their own.
    fn delta(&mut self, index: u32, told: Told, delta: Delta, out: &mut Vec<StreamEvent>) {
        let known = self.blocks.find(|(of, _)| of == index);
        match (known.map(|(_, kind)| kind), told) {
            (Some(kind), _) if kind == told => {}
            // A result of the provider's own tool: none of it is the model's answer.
            (Some(Told::Nothing), _) => return,
            (_, Told::Text) => self.open(index, told, Some(PartKind::Text), out),
            (_, Told::Reasoning) => self.open(index, told, Some(PartKind::Reasoning), out),
            // Arguments of a call that has no name.
            (_, Told::Call | Told::Nothing) => return,
        }
        self.blocks.say((index, told), delta, out);
    }
}

fn index_of(event: Value<'_>) -> Result<u32, PayloadError> {
    let known = event.some("contentBlockIndex");
    known.map_or(Ok(0), |known| index(known, "contentBlockIndex"))
}

fn text(value: Value<'_>, path: impl Fn() -> String) -> Result<String, PayloadError> {
    string(value, path).map(Cow::into_owned)
}
