//! Reads streams: events that name themselves in `type`, ended by `message-end`.

use super::answer::{call_of, citation, finish, read_error, text_of, usage};
use super::logprob_items;
use crate::contract::stream::ReadStream;
use crate::exchange::{Delta, Finish, PartKind, StreamEvent};
use crate::json::{Kind, Value};
use crate::payload::PayloadError;
use crate::payload::UpstreamErrorBody;

/// Parts that may be open at once. Cohere opens one; beyond this the first is closed.
const MAX_OPEN: usize = 256;

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
#[derive(Debug, Default)]
pub(crate) struct StreamReader {
    started: bool,
    ended: bool,
    calls: usize,
    next: u32,
    open: Vec<(Slot, u32)>,
}

impl ReadStream for StreamReader {
    fn read(
        &mut self,
        event: Option<&str>,
        root: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        if self.ended {
            return Ok(());
        }
        let own = root.text("type");
        let Some(kind) = own.as_deref().or(event) else {
            if let Some(error) = read_error(root) {
                self.fail(error, out);
            }
            return Ok(());
        };
        let index = root.get("index").and_then(Value::as_integer).unwrap_or(0);
        let delta = root.get("delta");
        let message = delta.and_then(|delta| delta.get("message"));
        let inside = |name: &str| message.and_then(|message| message.get(name));
        match kind {
            "message-start" => self.start(root, out),
            "content-start" | "content-delta" => {
                self.content(index, kind, root, inside("content"), out)?;
            }
            "tool-plan-delta" => {
                if let Some(message) = message
                    && let Some(text) = text_of(message, "tool_plan", "delta.message.tool_plan")?
                {
                    self.piece(Slot::Plan, text.into_owned(), out);
                }
            }
            "tool-call-start" | "tool-call-delta" => {
                if let Some(call) = inside("tool_calls").and_then(one) {
                    self.call(index, kind == "tool-call-start", call, out)?;
                }
            }
            "tool-call-end" => self.close(|slot| slot == Slot::Call(index), out),
            "citation-start" => {
                if let Some(value) = inside("citations").and_then(one) {
                    self.cite(value, out);
                }
            }
            "message-end" => self.finish(delta, out),
            "error" => {
                let error = read_error(delta.unwrap_or(root)).or_else(|| read_error(root));
                self.fail(
                    error.unwrap_or_else(|| error_of("the upstream failed")),
                    out,
                );
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
    fn start(&mut self, root: Value<'_>, out: &mut Vec<StreamEvent>) {
        if !std::mem::replace(&mut self.started, true) {
            let id = root.text("id").unwrap_or_default();
            out.push(StreamEvent::start(id.into_owned(), String::new()));
        }
    }

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
        let part = self.part(slot, out);
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            push(part, Delta::Text(text.into_owned()), out);
        }
        let items = root.some("logprobs");
        if let Some(items) = items.and_then(one) {
            let items = logprob_items([items].into_iter(), "logprobs");
            push(part, Delta::Logprobs(items), out);
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
        let known = self
            .open
            .iter()
            .find(|(slot, _)| *slot == Slot::Call(index));
        let part = match known {
            Some((_, part)) => *part,
            // A fragment of a call that has not begun belongs nowhere.
            None if !begins => return Ok(()),
            None => {
                self.calls += 1;
                self.close(|slot| !matches!(slot, Slot::Call(_)), out);
                let kind = PartKind::ToolCall {
                    id: id.into_owned(),
                    name: name.into_owned(),
                    custom: false,
                };
                self.begin(Slot::Call(index), kind, out)
            }
        };
        if let Some(arguments) = arguments.filter(|arguments| !arguments.is_empty()) {
            push(part, Delta::Text(arguments.into_owned()), out);
        }
        Ok(())
    }

    fn cite(&mut self, value: Value<'_>, out: &mut Vec<StreamEvent>) {
        let wanted = value.get("content_index").and_then(Value::as_integer);
        let text = |slot: Slot| match (slot, wanted) {
            (Slot::Text(index), Some(wanted)) => index == wanted,
            (Slot::Text(_), None) => true,
            _ => false,
        };
        if let Some((_, part)) = self.open.iter().find(|(slot, _)| text(*slot)) {
            push(*part, Delta::Citation(citation(value).into_owned()), out);
        }
    }

    fn finish(&mut self, delta: Option<Value<'_>>, out: &mut Vec<StreamEvent>) {
        let inside = |name: &str| delta.and_then(|delta| delta.get(name));
        if let Some(error) = inside("error").and_then(Value::as_str) {
            self.fail(error_of(&error), out);
            return;
        }
        let reason = inside("finish_reason").and_then(Value::as_str);
        let reason = match reason {
            Some(reason) => finish(&reason),
            None if self.calls > 0 => Finish::ToolCalls,
            None => Finish::Stop,
        };
        self.begun(out);
        self.close(|_| true, out);
        out.push(StreamEvent::Finish {
            choice: 0,
            finish: reason,
        });
        out.extend(inside("usage").and_then(usage).map(StreamEvent::Usage));
        out.push(StreamEvent::End);
        self.ended = true;
    }

    fn fail(&mut self, error: UpstreamErrorBody, out: &mut Vec<StreamEvent>) {
        self.ended = true;
        out.push(StreamEvent::Error(error));
    }

    fn piece(&mut self, slot: Slot, text: String, out: &mut Vec<StreamEvent>) {
        let part = self.part(slot, out);
        if !text.is_empty() {
            push(part, Delta::Text(text), out);
        }
    }

    /// The part of a text, of reasoning or of a plan, begun where it has not.
    fn part(&mut self, slot: Slot, out: &mut Vec<StreamEvent>) -> u32 {
        if let Some((_, part)) = self.open.iter().find(|(open, _)| *open == slot) {
            return *part;
        }
        self.close(|open| !matches!(open, Slot::Call(_)), out);
        let kind = match slot {
            Slot::Text(_) => PartKind::Text,
            _ => PartKind::Reasoning,
        };
        self.begin(slot, kind, out)
    }

    fn begin(&mut self, slot: Slot, kind: PartKind, out: &mut Vec<StreamEvent>) -> u32 {
        self.begun(out);
        if self.open.len() >= MAX_OPEN {
            let (_, first) = self.open.remove(0);
            out.push(StreamEvent::end(0, first));
        }
        let part = self.next;
        self.next += 1;
        self.open.push((slot, part));
        out.push(StreamEvent::begin(0, part, kind));
        part
    }

    /// Some proxies leave out `message-start`.
    fn begun(&mut self, out: &mut Vec<StreamEvent>) {
        if !std::mem::replace(&mut self.started, true) {
            out.push(StreamEvent::start("", ""));
        }
    }

    fn close(&mut self, which: impl Fn(Slot) -> bool, out: &mut Vec<StreamEvent>) {
        self.open.retain(|(slot, part)| {
            let closes = which(*slot);
            if closes {
                out.push(StreamEvent::end(0, *part));
            }
            !closes
        });
    }
}

fn push(part: u32, delta: Delta, out: &mut Vec<StreamEvent>) {
    out.push(StreamEvent::delta(0, part, delta));
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
