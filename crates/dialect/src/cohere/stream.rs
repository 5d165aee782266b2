//! Reads streams: events that name themselves in `type`, ended by `message-end`.

use super::answer::{call_of, citation, finish, read_error, usage};
use super::logprob_items;
use crate::contract::stream::ReadStream;
use crate::exchange::{Blocks, Delta, Finish, PartKind, StreamEvent};
use crate::json::{Kind, Value};
use crate::payload::{PayloadError, UpstreamErrorBody, text_of};

/// Where in Cohere's own count a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// A block of the content.
    Text(i128),
    Thinking(i128),
    Plan,
    Call(i128),
}

/// Reads a stream.
#[derive(Default)]
pub(crate) struct StreamReader {
    calls: usize,
    blocks: Blocks<Slot>,
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
        let own = root.text("type");
        let Some(kind) = own.as_deref().or(event) else {
            if let Some(error) = read_error(root) {
                self.blocks.fail(Some(error), out);
            }
            return Ok(());
        };
        let index = root.get("index").and_then(Value::as_integer).unwrap_or(0);
        let delta = root.get("delta");
        let message = delta.and_then(|delta| delta.get("message"));
        let inside = |name: &str| message.and_then(|message| message.get(name));
        match kind {
            "message-start" => {
                let id = root.text("id").unwrap_or_default();
                let start = StreamEvent::start(id.into_owned(), String::new());
                self.blocks.start(start, out);
            }
            "content-start" | "content-delta" => {
                self.content(index, kind, root, inside("content"), out)?;
            }
            "tool-plan-delta" => {
                if let Some(message) = message
                    && let Some(text) = text_of(message, "tool_plan", "delta.message.tool_plan")?
                {
                    self.open(Slot::Plan, out);
                    self.piece(Slot::Plan, text.into_owned(), out);
                }
            }
            "tool-call-start" | "tool-call-delta" => {
                if let Some(call) = inside("tool_calls").and_then(one) {
                    self.call(index, kind == "tool-call-start", call, out)?;
                }
            }
            "tool-call-end" => self.blocks.close(|slot| slot == Slot::Call(index), out),
            "citation-start" => {
                if let Some(value) = inside("citations").and_then(one) {
                    self.cite(value, out);
                }
            }
            "message-end" => self.finish(delta, out),
            "error" => {
                let error = read_error(delta.unwrap_or(root)).or_else(|| read_error(root));
                let error = error.unwrap_or_else(|| error_of("the upstream failed"));
                self.blocks.fail(Some(error), out);
            }
            // Content may still be cited after its end: it is closed by what comes next.
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _out: &mut Vec<StreamEvent>) {
        // A stream that ends without its `message-end` has been cut off.
    }
}

impl StreamReader {
    fn content(
        &mut self,
        index: i128,
        kind: &str,
        root: Value<'_>,
        content: Option<Value<'_>>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        let Some(content) = content.and_then(one) else {
            return Ok(());
        };
        let thinking = text_of(content, "thinking", "delta.message.content.thinking")?;
        let text = text_of(content, "text", "delta.message.content.text")?;
        let said_type = content.says("type", "thinking");
        let (slot, text) = match (thinking, text) {
            (Some(thinking), _) if said_type || !thinking.is_empty() => {
                (Slot::Thinking(index), Some(thinking))
            }
            (Some(_), None) => (Slot::Thinking(index), None),
            (_, text) if said_type => (Slot::Thinking(index), text),
            (_, text) => (Slot::Text(index), text),
        };
        if text.is_none() && kind == "content-delta" {
            return Ok(());
        }
        self.open(slot, out);
        self.piece(slot, text.unwrap_or_default().into_owned(), out);
        let items = root.some("logprobs");
        if let Some(items) = items.and_then(one) {
            let items = logprob_items([items].into_iter(), "logprobs");
            self.blocks.say(slot, Delta::Logprobs(items), out);
        }
        Ok(())
    }

    fn call(
        &mut self,
        index: i128,
        begins: bool,
        call: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        let (id, name, arguments) = call_of(call, self.calls)?;
        let slot = Slot::Call(index);
        // A fragment of a call that has not begun belongs nowhere.
        if begins && !self.blocks.tells(slot) {
            self.calls += 1;
            let kind = PartKind::ToolCall {
                id: id.into_owned(),
                name: name.into_owned(),
                custom: false,
            };
            self.begin(slot, kind, out);
        }
        self.piece(slot, arguments.unwrap_or_default().into_owned(), out);
        Ok(())
    }

    fn cite(&mut self, value: Value<'_>, out: &mut Vec<StreamEvent>) {
        let wanted = value.get("content_index").and_then(Value::as_integer);
        let text = |slot: Slot| match (slot, wanted) {
            (Slot::Text(index), Some(wanted)) => index == wanted,
            (Slot::Text(_), None) => true,
            _ => false,
        };
        if let Some(slot) = self.blocks.find(text) {
            let citation = Delta::Citation(citation(value).into_owned());
            self.blocks.say(slot, citation, out);
        }
    }

    fn finish(&mut self, delta: Option<Value<'_>>, out: &mut Vec<StreamEvent>) {
        let inside = |name: &str| delta.and_then(|delta| delta.get(name));
        if let Some(error) = inside("error").and_then(Value::as_str) {
            self.blocks.fail(Some(error_of(&error)), out);
            return;
        }
        let reason = inside("finish_reason").and_then(Value::as_str);
        let reason = match reason {
            Some(reason) => finish(&reason),
            None if self.calls > 0 => Finish::ToolCalls,
            None => Finish::Stop,
        };
        self.begun(out);
        self.blocks.finish(reason, out);
        out.extend(inside("usage").and_then(usage).map(StreamEvent::Usage));
        self.blocks.end(out);
    }

    fn piece(&mut self, slot: Slot, text: String, out: &mut Vec<StreamEvent>) {
        if !text.is_empty() {
            self.blocks.say(slot, Delta::Text(text), out);
        }
    }

    /// Begins a text, reasoning or a plan where it has not begun.
    fn open(&mut self, slot: Slot, out: &mut Vec<StreamEvent>) {
        if !self.blocks.tells(slot) {
            let kind = match slot {
                Slot::Text(_) => PartKind::Text,
                _ => PartKind::Reasoning,
            };
            self.begin(slot, kind, out);
        }
    }

    /// Begins a part. What is no call ends here.
    fn begin(&mut self, slot: Slot, kind: PartKind, out: &mut Vec<StreamEvent>) {
        self.blocks
            .close(|open| !matches!(open, Slot::Call(_)), out);
        self.begun(out);
        self.blocks.begin(slot, Some(kind), None, out);
    }

    /// Some proxies leave out `message-start`.
    fn begun(&mut self, out: &mut Vec<StreamEvent>) {
        self.blocks.start(StreamEvent::start("", ""), out);
    }
}

/// Cohere's events carry one call, one block, one citation each; its kin wrap it in a list.
fn one(value: Value<'_>) -> Option<Value<'_>> {
    match value.kind() {
        Kind::Object => Some(value),
        Kind::Array => value.items().next(),
        _ => None,
    }
}

fn error_of(message: &str) -> UpstreamErrorBody {
    UpstreamErrorBody {
        message: message.to_owned(),
        ..UpstreamErrorBody::default()
    }
}
