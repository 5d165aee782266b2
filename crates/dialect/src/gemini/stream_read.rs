//! Reads a stream: each event is an answer that holds what came since the last.

use std::borrow::Cow;
use std::collections::HashMap;

use super::candidate::{finish, index, is_blocked, reason, usage};
use super::error::read_error;
use super::logprobs::logprobs;
use super::names::{each, get, text};
use super::sources::citations;
use super::view::{View, made_up_id};
use crate::canonical::Usage;
use crate::contract::stream::ReadStream;
use crate::exchange::{Citation, Delta, Finish, PartKind, PartTracker, StreamEvent};
use crate::fields::given;
use crate::json::{Kind, Value};
use crate::payload::{PayloadError, wrong_type};
use crate::rfc3339;

/// Reads a stream.
#[derive(Default)]
pub(crate) struct StreamReader {
    started: bool,
    id: String,
    tracker: PartTracker,
    /// How many calls each candidate has made.
    calls: HashMap<u32, u32>,
    /// Counted, and not told yet: the last count is the whole, so it is told once.
    usage: Option<Usage>,
    failed: bool,
    /// Its only event is a whole answer.
    whole: bool,
}

impl ReadStream for StreamReader {
    fn read(
        &mut self,
        _event: Option<&str>,
        root: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        if let Some(error) = read_error(root) {
            self.failed = true;
            out.push(StreamEvent::Error(error));
            return Ok(());
        }
        if !std::mem::replace(&mut self.started, true) {
            self.id = text(root, "responseId").into_owned();
            out.push(StreamEvent::Start {
                id: self.id.clone(),
                model: text(root, "modelVersion").into_owned(),
                created: rfc3339::seconds(&text(root, "createTime")),
                usage: None,
            });
        }
        self.usage = usage(root).or(self.usage);
        let mut any = false;
        for candidate in get(root, "candidates").into_iter().flat_map(each) {
            if candidate.kind() != Kind::Object {
                return Err(wrong_type("candidates", "an array of objects", candidate));
            }
            any = true;
            let choice = index(candidate);
            if !self.tracker.is_finished(choice) {
                self.content(choice, candidate, out);
                self.about(choice, candidate, out);
            }
        }
        if !any && is_blocked(root) {
            self.tracker.finish(0, Finish::Refused, out);
        }
        if self.tracker.all_finished() {
            out.extend(self.usage.take().map(StreamEvent::Usage));
        }
        Ok(())
    }

    /// Google has no event that ends a stream: its body ends, after reasons to finish.
    fn end(&mut self, out: &mut Vec<StreamEvent>) {
        if self.tracker.all_finished() && !self.failed {
            out.extend(self.usage.take().map(StreamEvent::Usage));
            out.push(StreamEvent::End);
        }
    }
}

impl StreamReader {
    /// A reader of a whole answer.
    pub(super) fn of_whole() -> Self {
        Self {
            whole: true,
            ..Self::default()
        }
    }

    /// The parts of this event, and the sources of its text: those come with or after the
    /// text, but what follows it may have ended it already.
    fn content(&mut self, choice: u32, candidate: Value<'_>, out: &mut Vec<StreamEvent>) {
        let content = get(candidate, "content");
        let parts = || {
            let parts = content.and_then(|content| get(content, "parts"));
            parts.into_iter().flat_map(each)
        };
        let mut sources = citations(candidate);
        let is_text = |part: Value<'_>| {
            let said = get(part, "text").is_some_and(|text| !text.is_str(""));
            said && get(part, "thought").and_then(Value::as_bool) != Some(true)
        };
        let last = match sources.is_empty() {
            true => None,
            false => parts()
                .enumerate()
                .filter(|(_, part)| is_text(*part))
                .last(),
        };
        let last = last.map(|(position, _)| position);
        if last.is_none() && self.tracker.has_text(choice) {
            self.cite(choice, std::mem::take(&mut sources), out);
        }
        for (position, part) in parts().enumerate() {
            self.part(choice, part, out);
            if last == Some(position) {
                self.cite(choice, std::mem::take(&mut sources), out);
            }
        }
        self.cite(choice, sources, out);
    }

    /// Sources go to the text that is open, or else to one that holds nothing but them.
    fn cite(&mut self, choice: u32, sources: Vec<Citation<'_>>, out: &mut Vec<StreamEvent>) {
        for citation in sources {
            // Google counts bytes of the whole text, which is not kept here.
            let citation = Delta::Citation(Citation {
                range: citation.range.filter(|_| self.whole),
                ..citation.into_owned()
            });
            self.tracker.piece(choice, PartKind::Text, citation, out);
        }
    }

    fn part(&mut self, choice: u32, part: Value<'_>, out: &mut Vec<StreamEvent>) {
        let mut view = View::of(part);
        let mut signature = view.signature.take();
        if !view.thought {
            self.sign(choice, signature.take(), out);
        }
        if let Some(said) = view.text.and_then(Value::as_str) {
            let kind = match view.thought {
                true => PartKind::Reasoning,
                false => PartKind::Text,
            };
            if !said.is_empty() {
                let said = Delta::Text(said.into_owned());
                self.tracker.piece(choice, kind, said, out);
            }
            self.sign(choice, signature, out);
        } else if let Some(call) = view.call {
            let calls = self.calls.entry(choice).or_default();
            let id = text(call, "id");
            let kind = PartKind::ToolCall {
                id: match id.is_empty() {
                    true => made_up_id(&self.id, choice, *calls),
                    false => id.into_owned(),
                },
                name: text(call, "name").into_owned(),
                custom: false,
            };
            *calls += 1;
            let said = Delta::Text(given(get(call, "args")).into_owned());
            self.tracker.whole(choice, kind, Some(said), out);
        } else if let Some(content) = view.media().filter(|_| !view.thought)
            && let Some(media) = content.media()
        {
            let kind = PartKind::Media(Box::new(media.clone().into_owned()));
            self.tracker.whole(choice, kind, None, out);
        } else if let Some((kind, _)) = view.other {
            let kind = PartKind::Opaque {
                kind: kind.into_owned(),
                json: part.raw().to_owned(),
            };
            self.tracker.whole(choice, kind, None, out);
        }
        // Images in thoughts are drafts.
    }

    /// A signature ends the thoughts that it proves (see [`super::contents::sign`]).
    fn sign(&mut self, choice: u32, given: Option<Cow<'_, str>>, out: &mut Vec<StreamEvent>) {
        if let Some(given) = given {
            let given = Delta::Signature(given.into_owned());
            self.tracker.piece(choice, PartKind::Reasoning, given, out);
            self.tracker.close(choice, out);
        }
    }

    /// What stands beside a candidate's content, and its end.
    fn about(&mut self, choice: u32, candidate: Value<'_>, out: &mut Vec<StreamEvent>) {
        if let Some(items) = logprobs(candidate) {
            self.tracker.logprobs(choice, items, out);
        }
        if let Some(reason) = reason(candidate) {
            let calls = self.calls.contains_key(&choice);
            self.tracker.finish(choice, finish(&reason, calls), out);
        }
    }
}
