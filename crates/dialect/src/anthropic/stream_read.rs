//! Reads a stream: Anthropic's named events, whose data say their name again.

use super::usage::Counts;
use super::{blocks, error, names};
use crate::contract::stream::ReadStream;
use crate::exchange::{Blocks, Delta, PartKind, StreamEvent};
use crate::fields::given;
use crate::json::{Kind, Value};
use crate::payload::{PayloadError, string, usage_in, wrong_type};

/// Reads a stream.
#[derive(Default)]
pub(crate) struct StreamReader {
    counts: Counts,
    /// By their `index`.
    blocks: Blocks<u32>,
    started: bool,
    /// Above the numbers of all blocks that have begun.
    next: u32,
}

impl ReadStream for StreamReader {
    fn read(
        &mut self,
        event: Option<&str>,
        root: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        if self.blocks.is_ended() {
            return Ok(());
        }
        let kind = root.text("type");
        match kind.as_deref().or(event).unwrap_or_default() {
            "message_start" => self.start(root, out),
            "content_block_start" => self.block_start(root, out),
            "content_block_delta" => self.block_delta(root, out),
            "content_block_stop" => {
                let index = index(root)?;
                self.blocks.close(|of| of == index, out);
                Ok(())
            }
            "message_delta" => self.message_delta(root, out),
            "message_stop" => {
                self.blocks.end(out);
                Ok(())
            }
            "error" => {
                self.blocks.fail(error::read_error(root), out);
                Ok(())
            }
            "" => {
                // An engine that fails may send its error as it would without a stream.
                if let Some(error) = error::read_error(root) {
                    self.blocks.fail(Some(error), out);
                }
                Ok(())
            }
            // Pings, and what may yet come.
            _ => Ok(()),
        }
    }

    /// Only `message_stop` ends a stream.
    fn end(&mut self, _out: &mut Vec<StreamEvent>) {}

    fn end_of_body(&mut self, out: &mut Vec<StreamEvent>) {
        if self.blocks.is_finished() {
            self.blocks.end(out);
        }
    }
}

impl StreamReader {
    fn start(&mut self, root: Value<'_>, out: &mut Vec<StreamEvent>) -> Result<(), PayloadError> {
        let message = object(root, "message")?;
        if std::mem::replace(&mut self.started, true) {
            return Ok(());
        }
        let text = |name: &str| {
            let value = message.text(name);
            value.unwrap_or_default().into_owned()
        };
        let usage = usage_in(message);
        usage.map_or(Ok(()), |usage| self.counts.take(usage))?;
        let start = StreamEvent::Start {
            id: text("id"),
            model: text("model"),
            created: None,
            usage: usage.map(|_| self.counts.usage()),
        };
        self.blocks.start(start, out);
        Ok(())
    }

    fn block_start(
        &mut self,
        root: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        let index = index(root)?;
        let block = object(root, "content_block")?;
        let text = |name: &str| {
            let value = block.text(name);
            value.unwrap_or_default().into_owned()
        };
        let mut input = None;
        let mut deltas = Vec::new();
        let kind = match text("type").as_str() {
            "text" => {
                deltas.push(Delta::Text(text("text")));
                let citations = block.get("citations").into_iter();
                let citations = citations.flat_map(|citations| citations.items());
                deltas.extend(citations.map(|c| Delta::Citation(blocks::citation(c).into_owned())));
                Some(PartKind::Text)
            }
            "thinking" => {
                deltas.push(Delta::Text(text("thinking")));
                deltas.push(Delta::Signature(text("signature")));
                Some(PartKind::Reasoning)
            }
            "redacted_thinking" => {
                deltas.push(Delta::Redacted(text("data")));
                Some(PartKind::Reasoning)
            }
            "tool_use" => {
                input = Some(given(block.get("input")).into_owned());
                Some(PartKind::ToolCall {
                    id: text("id"),
                    name: text("name"),
                    custom: false,
                })
            }
            _ => None,
        };
        self.next = self.next.max(index.saturating_add(1));
        self.blocks.begin(index, kind, input, out);
        for delta in deltas.into_iter().filter(says_something) {
            self.blocks.say(index, delta, out);
        }
        Ok(())
    }

    fn block_delta(
        &mut self,
        root: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        let index = index(root)?;
        let given = object(root, "delta")?;
        if index == self.next {
            self.begin_unsaid(index, given, out);
        }
        if !self.blocks.tells(index) {
            return Ok(());
        }
        let text = |name: &str| match given.get(name) {
            Some(value) => string(value, || format!("delta.{name}")).map(Into::into),
            None => Ok(String::new()),
        };
        let kind = given.text("type");
        let delta = match kind.as_deref().unwrap_or_default() {
            "text_delta" => Delta::Text(text("text")?),
            "thinking_delta" => Delta::Text(text("thinking")?),
            "signature_delta" => Delta::Signature(text("signature")?),
            "input_json_delta" => Delta::Text(text("partial_json")?),
            "citations_delta" => match given.get("citation") {
                Some(citation) => Delta::Citation(blocks::citation(citation).into_owned()),
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        if says_something(&delta) {
            self.blocks.say(index, delta, out);
        }
        Ok(())
    }

    /// Some servers leave out where a text begins: then it is the next block.
    fn begin_unsaid(&mut self, index: u32, delta: Value<'_>, out: &mut Vec<StreamEvent>) {
        let kind = match delta.text("type").as_deref() {
            Some("text_delta") => PartKind::Text,
            Some("thinking_delta") => PartKind::Reasoning,
            _ => return,
        };
        self.next = index.saturating_add(1);
        self.blocks.begin(index, Some(kind), None, out);
    }

    fn message_delta(
        &mut self,
        root: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        let delta = object(root, "delta")?;
        let text = |name: &str| delta.text(name);
        if let Some(reason) = text("stop_reason") {
            let sequence = text("stop_sequence").map(Into::into);
            self.blocks.finish(names::finish(&reason, sequence), out);
        }
        if let Some(usage) = usage_in(root) {
            self.counts.take(usage)?;
            out.push(StreamEvent::Usage(self.counts.usage()));
        }
        Ok(())
    }
}

fn says_something(delta: &Delta) -> bool {
    match delta {
        Delta::Text(text) | Delta::Signature(text) => !text.is_empty(),
        _ => true,
    }
}

pub(super) fn index(root: Value<'_>) -> Result<u32, PayloadError> {
    let index = root.get("index").unwrap_or(root);
    let number = index.whole();
    number.ok_or_else(|| wrong_type("index", "a block's index", index))
}

fn object<'d>(root: Value<'d>, name: &str) -> Result<Value<'d>, PayloadError> {
    match root.get(name) {
        Some(value) if value.kind() == Kind::Object => Ok(value),
        value => Err(wrong_type(name, "an object", value.unwrap_or(root))),
    }
}
