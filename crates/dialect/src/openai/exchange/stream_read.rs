//! Reads a stream of chat completion chunks.

use super::answer_read::{chunk, citation, created, finish, has, index_of, logprobs};
use super::calls::{Calls, Fragment};
use super::media::{DRAWN, drawn, sound};
use super::reasoning;
use crate::contract::stream::ReadStream;
use crate::exchange::{Content, Delta, Finish, PartKind, PartTracker, StreamEvent, Thought};
use crate::fields::said;
use crate::json::{Kind, Value};
use crate::openai::payload::{error_of, usage};
use crate::payload::{PayloadError, wrong_type};

/// Reads a stream.
#[derive(Default)]
pub(crate) struct StreamReader {
    started: bool,
    tracker: PartTracker,
    calls: Calls,
}

impl ReadStream for StreamReader {
    fn read(
        &mut self,
        _event: Option<&str>,
        root: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        if let Some(error) = error_of(root) {
            out.push(StreamEvent::Error(error));
            return Ok(());
        }
        let choices = root.some("choices");
        if let Some(choices) = choices.filter(|choices| choices.kind() != Kind::Array) {
            return Err(wrong_type("choices", "an array", choices));
        }
        let usage = usage(root)?;
        let id = said(root, "id");
        let has_choice = choices.is_some_and(|choices| choices.items().next().is_some());
        // Azure's first chunk tells what its filters say of the prompt, and nothing else.
        if !self.started && (id.is_some() || has_choice || usage.is_some()) {
            self.started = true;
            out.push(StreamEvent::Start {
                id: id.unwrap_or_default().into_owned(),
                model: said(root, "model").unwrap_or_default().into_owned(),
                created: created(root),
                usage: None,
            });
        }
        let choices = choices.into_iter().flat_map(Value::items);
        for (position, choice) in choices.enumerate() {
            let index = index_of(choice, position)?;
            self.choice(index, choice, out)?;
        }
        out.extend(usage.map(StreamEvent::Usage));
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<StreamEvent>) {
        if !self.started {
            return;
        }
        for choice in self.tracker.unfinished() {
            // The stream ends well, though it does not say why this choice does.
            let finish = match self.calls.has_any(choice) {
                true => Finish::ToolCalls,
                false => Finish::Stop,
            };
            self.finish(choice, finish, out);
        }
        out.push(StreamEvent::End);
    }

    fn end_of_body(&mut self, out: &mut Vec<StreamEvent>) {
        if self.tracker.all_finished() {
            self.end(out);
        }
    }
}

impl StreamReader {
    fn choice(
        &mut self,
        index: u32,
        choice: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        if self.tracker.is_finished(index) {
            return Ok(());
        }
        // Some servers send a whole answer in one event of a stream.
        let delta = choice.some("delta").or_else(|| choice.some("message"));
        if let Some(delta) = delta {
            if delta.kind() != Kind::Object {
                return Err(wrong_type("choices[].delta", "an object", delta));
            }
            self.delta(index, delta, choice, out)?;
        }
        if let Some(finish) = finish(choice)? {
            self.finish(index, finish, out);
        }
        Ok(())
    }

    fn finish(&mut self, index: u32, finish: Finish, out: &mut Vec<StreamEvent>) {
        self.calls.flush(index, &mut self.tracker, out);
        self.tracker.finish(index, finish, out);
    }

    fn delta(
        &mut self,
        index: u32,
        delta: Value<'_>,
        choice: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        self.reasoning(index, delta, out);
        self.content(index, delta, out)?;
        if let Some(refusal) = said(delta, "refusal") {
            self.say(index, PartKind::Refusal, &refusal, out);
        }
        let sound = delta.some("audio").and_then(sound);
        for media in delta.some(DRAWN).into_iter().flat_map(drawn).chain(sound) {
            let kind = PartKind::Media(Box::new(media.into_owned()));
            self.tracker.whole(index, kind, None, out);
        }
        if let Some(items) = logprobs(choice)
            && let Some(kind) = told_kind(delta)
        {
            let items = Delta::Logprobs(items.raw().to_owned());
            self.tracker.piece(index, kind, items, out);
        }
        for annotation in delta.some("annotations").into_iter().flat_map(Value::items) {
            if let Some(citation) = citation(annotation) {
                let citation = Delta::Citation(citation.into_owned());
                self.tracker.piece(index, PartKind::Text, citation, out);
            }
        }
        let list = delta.some("tool_calls");
        if let Some(list) = list.filter(|list| list.kind() != Kind::Array) {
            return Err(wrong_type("choices[].delta.tool_calls", "an array", list));
        }
        let listed = list.into_iter().flat_map(Value::items);
        let listed = listed.filter(|call| !call.is_null()).map(Fragment::read);
        let older = delta.some("function_call");
        let older = older.map(|called| Fragment::called(called, "arguments"));
        for fragment in listed.chain(older) {
            self.calls.push(index, fragment?, &mut self.tracker, out);
        }
        Ok(())
    }

    fn say(&mut self, index: u32, kind: PartKind, said: &str, out: &mut Vec<StreamEvent>) {
        let said = Delta::Text(said.to_owned());
        self.tracker.piece(index, kind, said, out);
    }

    fn reasoning(&mut self, index: u32, delta: Value<'_>, out: &mut Vec<StreamEvent>) {
        if reasoning::is_absent(delta) {
            return;
        }
        let plain = reasoning::plain(delta);
        if let Some(said) = &plain {
            self.say(index, PartKind::Reasoning, said, out);
        }
        for block in reasoning::blocks(delta) {
            self.block(index, &block, plain.is_none(), out);
        }
    }

    /// A block of reasoning, whose text counts unless the delta has told it already.
    fn block(
        &mut self,
        index: u32,
        block: &Thought<'_>,
        with_text: bool,
        out: &mut Vec<StreamEvent>,
    ) {
        if with_text && !block.text.is_empty() {
            self.say(index, PartKind::Reasoning, &block.text, out);
        }
        for delta in block.pieces() {
            self.tracker.piece(index, PartKind::Reasoning, delta, out);
        }
    }

    fn content(
        &mut self,
        index: u32,
        delta: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        match delta.some("content") {
            Some(content) if content.kind() == Kind::String => {
                if let Some(said) = said(delta, "content") {
                    self.say(index, PartKind::Text, &said, out);
                }
            }
            Some(content) if content.kind() == Kind::Array => {
                for part in content.items().filter_map(chunk) {
                    match &part {
                        Content::Text { text, .. } => self.say(index, PartKind::Text, text, out),
                        Content::Reasoning(block) => self.block(index, block, true, out),
                        _ => {}
                    }
                }
            }
            Some(content) => {
                return Err(wrong_type("choices[].delta.content", "a string", content));
            }
            None => {
                let sound = delta.some("audio");
                if let Some(said) = sound.and_then(|sound| said(sound, "transcript")) {
                    self.say(index, PartKind::Text, &said, out);
                }
            }
        }
        Ok(())
    }
}

/// What the log probabilities beside a delta are of.
fn told_kind(delta: Value<'_>) -> Option<PartKind> {
    // An empty content beside log probabilities is a token that is half a character.
    if said(delta, "content").is_some() {
        Some(PartKind::Text)
    } else if has(delta, &["reasoning_content", "reasoning"]) {
        Some(PartKind::Reasoning)
    } else if has(delta, &["refusal"]) {
        Some(PartKind::Refusal)
    } else {
        has(delta, &["content"]).then_some(PartKind::Text)
    }
}
