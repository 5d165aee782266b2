//! Reads a stream. Pieces are passed on as they come; what an event tells again as a whole is
//! used only where its pieces never came.

use std::collections::{BTreeMap, HashMap};

use super::answer;
use super::error::read_error;
use super::stream_pieces::{Known, Piece, Slot, piece};
use super::{content, items};
use crate::contract::stream::ReadStream;
use crate::exchange::{ChatAnswer, Choice, Delta, PartKind, StreamEvent, replay};
use crate::fields::given;
use crate::fit::join_namespace;
use crate::json::{Kind, Value};
use crate::payload::{PayloadError, UpstreamErrorBody, object, text_of};

/// Reads a stream.
#[derive(Default)]
pub(crate) struct StreamReader {
    started: bool,
    ended: bool,
    calls: bool,
    next: u32,
    /// Those that have begun, in the order of their beginning.
    parts: Vec<Known>,
    /// Where in `parts` each is, by its item and its place there.
    at: BTreeMap<(u64, Slot), usize>,
    /// Of each item that goes on, the parts that have begun since it was last closed.
    begun: HashMap<u64, Vec<usize>>,
}

impl ReadStream for StreamReader {
    fn read(
        &mut self,
        event: Option<&str>,
        root: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        object(root, "payload")?;
        if self.ended {
            return Ok(());
        }
        let kind = text_of(root, "type", "type")?;
        let kind = kind.unwrap_or_else(|| event.unwrap_or_default().into());
        if let Some((piece, member, whole)) = piece(&kind) {
            return self.piece(piece, root, member, whole, out);
        }
        match kind.as_ref() {
            "response.created" | "response.in_progress" | "response.queued" => {
                self.start(root.get("response"), out);
            }
            "response.output_item.added" => self.item(root, false, out),
            "response.output_item.done" => self.item(root, true, out),
            "response.content_part.added" => self.content_part(root, out),
            "response.content_part.done" => {
                let slot = Slot::Content(index_of(root, "content_index"));
                self.close(index_of(root, "output_index"), Some(slot), out);
            }
            "response.output_text.annotation.added" => {
                let annotation = root.get("annotation").filter(|a| a.kind() == Kind::Object);
                if let Some(annotation) = annotation {
                    let at = self.text_part(root, PartKind::Text, out);
                    let citation = content::citation(annotation).into_owned();
                    self.push(at, Delta::Citation(citation), out);
                }
            }
            "response.completed"
            | "response.done"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled" => self.finish(&kind, root, out)?,
            _ => {
                if let Some(error) = read_error(root) {
                    self.fail(error, out);
                }
            }
        }
        Ok(())
    }

    /// The last event has said it already.
    fn end(&mut self, _out: &mut Vec<StreamEvent>) {}
}

impl StreamReader {
    fn start(&mut self, response: Option<Value<'_>>, out: &mut Vec<StreamEvent>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let text = |name: &str| {
            let value = response.and_then(|response| response.get(name));
            value
                .and_then(Value::as_str)
                .map(std::borrow::Cow::into_owned)
                .unwrap_or_default()
        };
        out.push(StreamEvent::Start {
            id: text("id"),
            model: text("model"),
            created: response.and_then(answer::created),
            usage: None,
        });
    }

    fn known(&self, index: u64, slot: Slot) -> Option<usize> {
        self.at.get(&(index, slot)).copied()
    }

    fn begin(
        &mut self,
        index: u64,
        slot: Slot,
        kind: PartKind,
        out: &mut Vec<StreamEvent>,
    ) -> usize {
        self.start(None, out);
        let part = self.next;
        self.next += 1;
        self.at.insert((index, slot), self.parts.len());
        self.begun.entry(index).or_default().push(self.parts.len());
        self.parts.push(Known {
            part,
            said: false,
            open: true,
            told: None,
        });
        out.push(StreamEvent::begin(0, part, kind));
        self.parts.len() - 1
    }

    fn push(&mut self, at: usize, delta: Delta, out: &mut Vec<StreamEvent>) {
        if let Some(known) = self.parts.get_mut(at).filter(|known| known.open) {
            known.said |= matches!(delta, Delta::Text(_));
            out.push(StreamEvent::delta(0, known.part, delta));
        }
    }

    /// The message's part that an event is about; it begins here if it has not yet.
    fn text_part(&mut self, root: Value<'_>, kind: PartKind, out: &mut Vec<StreamEvent>) -> usize {
        let index = index_of(root, "output_index");
        let slot = Slot::Content(index_of(root, "content_index"));
        match self.known(index, slot) {
            Some(at) => at,
            None => self.begin(index, slot, kind, out),
        }
    }

    fn content_part(&mut self, root: Value<'_>, out: &mut Vec<StreamEvent>) {
        let Some(part) = root.get("part") else {
            return;
        };
        let is = |kind: &str| part.says("type", kind);
        let is_text = is("output_text") || is("text");
        let (kind, member) = match (is_text, is("refusal")) {
            (true, _) => (PartKind::Text, "text"),
            (_, true) => (PartKind::Refusal, "refusal"),
            // Reasoning began with its item.
            _ => return,
        };
        let at = self.text_part(root, kind, out);
        let said = part.text(member).unwrap_or_default();
        if !said.is_empty() {
            self.push(at, Delta::Text(said.into_owned()), out);
        }
    }

    fn piece(
        &mut self,
        piece: Piece,
        root: Value<'_>,
        member: &str,
        whole: bool,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        let text = text_of(root, member, member)?.unwrap_or_default();
        let index = index_of(root, "output_index");
        let at = match piece {
            Piece::Text => self.text_part(root, PartKind::Text, out),
            Piece::Refusal => self.text_part(root, PartKind::Refusal, out),
            Piece::ReasoningText | Piece::ReasoningSummary => {
                let at = match self.known(index, Slot::Item) {
                    Some(at) => at,
                    None => self.begin(index, Slot::Item, PartKind::Reasoning, out),
                };
                self.reasoning(at, piece, root, &text, whole, out);
                return Ok(());
            }
            // Without its item a call has no name: nothing can be made of it.
            Piece::Call => match self.known(index, Slot::Item) {
                Some(at) => at,
                None => return Ok(()),
            },
        };
        if whole && self.parts.get(at).is_some_and(|known| known.said) {
            return Ok(());
        }
        if !text.is_empty() {
            self.push(at, Delta::Text(text.into_owned()), out);
        }
        let logprobs = root.get("logprobs");
        if let Some(items) = logprobs.filter(|items| items.items().next().is_some()) {
            self.push(at, Delta::Logprobs(items.raw().to_owned()), out);
        }
        Ok(())
    }

    /// A piece of reasoning. One item may tell its text or a summary in parts; it is one part
    /// here, and what comes of the other kind is left out.
    fn reasoning(
        &mut self,
        at: usize,
        piece: Piece,
        root: Value<'_>,
        text: &str,
        whole: bool,
        out: &mut Vec<StreamEvent>,
    ) {
        let is_summary = matches!(piece, Piece::ReasoningSummary);
        let number = match is_summary {
            true => index_of(root, "summary_index"),
            false => index_of(root, "content_index"),
        };
        let Some(known) = self.parts.get_mut(at).filter(|_| !text.is_empty()) else {
            return;
        };
        let mut text = text.to_owned();
        match known.told {
            Some((summary, _)) if summary != is_summary => return,
            // This part of it has been told already, piece by piece.
            Some((_, last)) if whole && number <= last => return,
            Some((true, last)) if number > last => text.insert_str(0, items::BETWEEN_SUMMARIES),
            _ => {}
        }
        known.told = Some((is_summary, number));
        self.push(at, Delta::Text(text), out);
    }

    fn item(&mut self, root: Value<'_>, done: bool, out: &mut Vec<StreamEvent>) {
        let Some(item) = root.get("item").filter(|item| item.kind() == Kind::Object) else {
            return;
        };
        let index = index_of(root, "output_index");
        let of_item = (index, Slot::Item)..=(index, Slot::Content(u64::MAX));
        let is_new = self.at.range(of_item).next().is_none();
        if done && is_new {
            self.whole_item(index, item, out);
            return;
        }
        let text = |name: &str| item.text(name).unwrap_or_default();
        let kind = text("type");
        let at = self.known(index, Slot::Item);
        match kind.as_ref() {
            // Some servers name the tool once the call is complete: then all of it is told there.
            "function_call" | "custom_tool_call" if at.is_none() && text("name").is_empty() => {}
            "function_call" | "custom_tool_call" => {
                let custom = kind == "custom_tool_call";
                self.calls = true;
                let at = at.unwrap_or_else(|| {
                    let id = match text("call_id") {
                        id if id.is_empty() => text("id"),
                        id => id,
                    };
                    let kind = PartKind::ToolCall {
                        id: id.into_owned(),
                        name: join_namespace(Some(&text("namespace")), text("name")).into_owned(),
                        custom,
                    };
                    self.begin(index, Slot::Item, kind, out)
                });
                let said = match custom {
                    true => text("input"),
                    false => given(item.get("arguments")),
                };
                let some = self.parts.get(at).is_some_and(|known| known.said);
                if done && !some && !said.is_empty() {
                    self.push(at, Delta::Text(said.into_owned()), out);
                }
            }
            "reasoning" => {
                let at =
                    at.unwrap_or_else(|| self.begin(index, Slot::Item, PartKind::Reasoning, out));
                if done {
                    let some = self.parts.get(at).is_some_and(|known| known.said);
                    let whole = items::reasoning_text(item);
                    if !some && !whole.is_empty() {
                        self.push(at, Delta::Text(whole.into_owned()), out);
                    }
                    let (signature, redacted) = super::unseal(text("encrypted_content"));
                    if let Some(signature) = signature {
                        self.push(at, Delta::Signature(signature.into_owned()), out);
                    }
                    if let Some(redacted) = redacted {
                        self.push(at, Delta::Redacted(redacted.into_owned()), out);
                    }
                }
            }
            _ => {}
        }
        if done {
            self.close(index, None, out);
        }
    }

    /// An item of which nothing was told before it was complete.
    fn whole_item(&mut self, index: u64, item: Value<'_>, out: &mut Vec<StreamEvent>) {
        let mut parts = Vec::new();
        let mut logprobs = String::new();
        answer::read_item(item, &mut parts, &mut logprobs);
        let answer = ChatAnswer {
            choices: vec![Choice {
                parts,
                finish: None,
                logprobs: answer::logprobs(&logprobs),
            }],
            ..ChatAnswer::default()
        };
        self.start(None, out);
        let first = self.next;
        for step in replay(&answer) {
            match step {
                StreamEvent::PartStart { part, kind, .. } => {
                    self.calls |= matches!(kind, PartKind::ToolCall { .. });
                    self.begin(index, Slot::Content(u64::from(part)), kind, out);
                }
                StreamEvent::PartDelta { part, delta, .. } => {
                    out.push(StreamEvent::delta(0, first + part, delta))
                }
                _ => {}
            }
        }
        self.close(index, None, out);
    }

    /// Closes an item's parts, or one of them.
    fn close(&mut self, index: u64, slot: Option<Slot>, out: &mut Vec<StreamEvent>) {
        let ending = match slot {
            Some(slot) => self.known(index, slot).into_iter().collect(),
            None => self.begun.remove(&index).unwrap_or_default(),
        };
        for at in ending {
            if let Some(known) = self.parts.get_mut(at).filter(|known| known.open) {
                known.open = false;
                out.push(StreamEvent::end(0, known.part));
            }
        }
    }

    fn finish(
        &mut self,
        kind: &str,
        root: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        let response = root.get("response").unwrap_or(root);
        self.start(Some(response), out);
        if kind == "response.failed" || response.says("status", "failed") {
            let error = read_error(root).unwrap_or_else(|| UpstreamErrorBody {
                message: "the upstream's answer failed, and it does not say why".to_owned(),
                code: Some("server_error".to_owned()),
                ..UpstreamErrorBody::default()
            });
            self.fail(error, out);
            return Ok(());
        }
        // Some servers tell an answer, or its calls, only here.
        let (silent, calls) = (self.parts.is_empty(), self.calls);
        for (index, item) in (0..).zip(response.each("output")) {
            if silent || (!calls && answer::is_call(item)) {
                self.whole_item(index, item, out);
            }
        }
        for known in self.parts.iter_mut().filter(|known| known.open) {
            known.open = false;
            out.push(StreamEvent::end(0, known.part));
        }
        let finish = answer::finish(response, self.calls).unwrap_or(match kind {
            "response.incomplete" => crate::exchange::Finish::Length,
            _ => crate::exchange::Finish::Stop,
        });
        out.push(StreamEvent::Finish { choice: 0, finish });
        out.extend(answer::usage(response)?.map(StreamEvent::Usage));
        out.push(StreamEvent::End);
        self.ended = true;
        Ok(())
    }

    fn fail(&mut self, error: UpstreamErrorBody, out: &mut Vec<StreamEvent>) {
        out.push(StreamEvent::Error(error));
        self.ended = true;
    }
}

/// A place among items or parts; servers leave it out where it is 0.
fn index_of(root: Value<'_>, name: &str) -> u64 {
    root.get(name).and_then(Value::whole).unwrap_or_default()
}
