//! Reads streams of all three forms: each event is a piece of a choice, the last of which says
//! why it ended; usage may follow. The body's end ends the stream.

use std::collections::HashMap;

use super::answer::{call_of, citations_of, finish, logprob_items, read_error, text_of, usage};
use crate::call_ids::MADE_UP;
use crate::contract::stream::ReadStream;
use crate::exchange::{Delta, PartKind, PartTracker, StreamEvent};
use crate::json::{Kind, Value};
use crate::payload::PayloadError;
use crate::payload::UpstreamErrorBody;

/// Reads a stream.
#[derive(Debug, Default)]
pub(crate) struct StreamReader {
    started: bool,
    ended: bool,
    tracker: PartTracker,
    /// By index. An upstream may have very many.
    choices: HashMap<u32, Choice>,
}

/// What of a choice has come.
#[derive(Debug, Default)]
struct Choice {
    /// How many calls it has.
    calls: usize,
    /// The place of each call among them, by its id.
    by_id: HashMap<String, usize>,
    text: Said,
    /// Some reasoning has been told.
    thought: bool,
}

/// How much text has been said, and its FNV-1a hash: enough to know it when it is said again.
#[derive(Debug)]
struct Said {
    bytes: usize,
    hash: u64,
}

impl Default for Said {
    fn default() -> Self {
        Self {
            bytes: 0,
            hash: 0xcbf2_9ce4_8422_2325,
        }
    }
}

impl Said {
    fn add(&mut self, text: &str) {
        self.bytes += text.len();
        self.hash = hash(self.hash, text);
    }

    /// What a text says beyond what has been said, where it repeats all of that.
    fn beyond<'t>(&self, text: &'t str) -> Option<&'t str> {
        let (known, rest) = text.split_at_checked(self.bytes)?;
        (hash(Said::default().hash, known) == self.hash).then_some(rest)
    }
}

fn hash(seed: u64, text: &str) -> u64 {
    text.bytes().fold(seed, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl ReadStream for StreamReader {
    fn read(
        &mut self,
        _event: Option<&str>,
        root: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        if self.ended {
            return Ok(());
        }
        if let Some(error) = read_error(root) {
            self.fail(error, out);
            return Ok(());
        }
        if !std::mem::replace(&mut self.started, true) {
            let text = |name: &str| {
                let text = root.text(name);
                text.unwrap_or_default().into_owned()
            };
            out.push(StreamEvent::start(text("id"), text("modelId")));
        }
        match root
            .get("choices")
            .filter(|choices| choices.kind() == Kind::Array)
        {
            Some(choices) => {
                for choice in choices.items() {
                    self.choice(choice, out)?;
                }
            }
            None => self.choice(root, out)?,
        }
        if let Some(usage) = root.get("usage").and_then(usage) {
            out.push(StreamEvent::Usage(usage));
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<StreamEvent>) {
        if !self.ended && self.tracker.has_finished() {
            self.ended = true;
            out.push(StreamEvent::End);
        }
    }
}

impl StreamReader {
    fn choice(&mut self, piece: Value<'_>, out: &mut Vec<StreamEvent>) -> Result<(), PayloadError> {
        let index = piece.get("index").and_then(Value::as_integer).unwrap_or(0);
        let index = u32::try_from(index).unwrap_or(0);
        let choice = self.choices.entry(index).or_default();
        let reason = piece.text("finishReason");
        let message = piece.some("message");
        let said = message.unwrap_or(piece);
        // Cohere's forms tell everything once more when they end.
        let format = piece.text("apiFormat");
        let cohere = piece.get("text").is_some() || format.is_some_and(|f| f.starts_with("COHERE"));
        let begun = choice.text.bytes > 0 || choice.thought || choice.calls > 0;
        let again = cohere && reason.is_some() && begun;
        let tracker = &mut self.tracker;
        if let Some(text) = text_of(said, "reasoningContent")? {
            let delta = Delta::Text(text.into_owned());
            tracker.piece(index, PartKind::Reasoning, delta, out);
        }
        let flat = text_of(piece, "text")?.map(|text| (PartKind::Text, text));
        let mut blocks = Vec::new();
        for block in said.each("content") {
            let thinking = text_of(block, "thinking")?.map(|text| (PartKind::Reasoning, text));
            let text = text_of(block, "text")?.map(|text| (PartKind::Text, text));
            blocks.extend(thinking.or(text));
        }
        if let Some(text) = text_of(said, "toolPlan")? {
            blocks.push((PartKind::Reasoning, text));
        }
        if let Some(text) = text_of(said, "refusal")? {
            blocks.push((PartKind::Refusal, text));
        }
        let thought_again = again && choice.thought;
        for (kind, text) in flat.into_iter().chain(blocks) {
            let text = match kind {
                PartKind::Text if again => choice.text.beyond(&text).unwrap_or_default(),
                PartKind::Reasoning if thought_again => "",
                _ => &text,
            };
            if text.is_empty() {
                continue;
            }
            match kind {
                PartKind::Text => choice.text.add(text),
                _ => choice.thought = true,
            }
            tracker.piece(index, kind, Delta::Text(text.to_owned()), out);
        }
        if choice.text.bytes > 0 {
            for citation in citations_of(said) {
                let delta = Delta::Citation(citation.into_owned());
                tracker.piece(index, PartKind::Text, delta, out);
            }
        }
        if !again || choice.calls == 0 {
            for (place, call) in said.each("toolCalls").enumerate() {
                fragment((index, choice), tracker, place, call, out)?;
            }
        }
        let logprobs = piece
            .get("logprobs")
            .or_else(|| piece.get("logProbabilities"));
        if let Some(items) = logprobs
            .and_then(logprob_items)
            .filter(|_| !again && choice.text.bytes > 0)
        {
            let delta = Delta::Logprobs(items);
            tracker.piece(index, PartKind::Text, delta, out);
        }
        if let Some(reason) = reason {
            if let Some(message) = text_of(piece, "errorMessage")? {
                let error = UpstreamErrorBody {
                    message: message.into_owned(),
                    code: Some(reason.into_owned()),
                    ..UpstreamErrorBody::default()
                };
                self.fail(error, out);
                return Ok(());
            }
            tracker.finish(index, finish(&reason, choice.calls > 0), out);
        }
        Ok(())
    }

    fn fail(&mut self, error: UpstreamErrorBody, out: &mut Vec<StreamEvent>) {
        self.ended = true;
        out.push(StreamEvent::Error(error));
    }
}

/// A call or a fragment of one. Nothing numbers them: a new id or a name begins a call, a known
/// id goes on with it, and what has neither goes on with the last.
fn fragment(
    (index, choice): (u32, &mut Choice),
    tracker: &mut PartTracker,
    place: usize,
    call: Value<'_>,
    out: &mut Vec<StreamEvent>,
) -> Result<(), PayloadError> {
    let call = call_of(call)?;
    let known = match (&call.id, &call.name) {
        (Some(id), _) => choice.by_id.get(id.as_ref()).copied(),
        (None, Some(_)) => None,
        (None, None) if place > 0 && place < choice.calls => Some(place),
        (None, None) => choice.calls.checked_sub(1),
    };
    let begins = call.id.is_some() || call.name.is_some();
    let at = match known {
        Some(at) => at,
        // A fragment of a call that has not begun belongs nowhere.
        None if !begins => return Ok(()),
        None => {
            let at = choice.calls;
            choice.calls += 1;
            let id = call.id.map_or_else(|| format!("{MADE_UP}{at}"), Into::into);
            choice.by_id.insert(id.clone(), at);
            let kind = PartKind::ToolCall {
                id,
                name: call.name.unwrap_or_default().into_owned(),
                custom: false,
            };
            tracker.call(index, at as u32, kind, out);
            at
        }
    };
    if let Some(arguments) = call.arguments {
        tracker.arguments(index, at as u32, arguments.into_owned(), out);
    }
    Ok(())
}
