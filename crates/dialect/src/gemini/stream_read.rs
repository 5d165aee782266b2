//! Reads a stream: each event is an answer that holds what came since the last.

use std::collections::HashMap;

use super::candidate::{finish, index, is_blocked, reason, usage};
use super::error::read_error;
use super::logprobs::logprobs;
use super::names::{each, get, text};
use super::sources::citations;
use super::view::{View, arguments, made_up_id};
use crate::canonical::Usage;
use crate::contract::stream::ReadStream;
use crate::exchange::{Citation, Content, Delta, Finish, PartKind, StreamEvent};
use crate::json::{Kind, Value};
use crate::payload::{PayloadError, wrong_type};
use crate::rfc3339;

/// Reads a stream.
#[derive(Default)]
pub(crate) struct StreamReader {
    started: bool,
    id: String,
    /// By index. An upstream may have very many.
    candidates: HashMap<u32, Candidate>,
    /// How many of them have not ended.
    unfinished: usize,
    /// Counted, and not told yet: the last count is the whole, so it is told once.
    usage: Option<Usage>,
    failed: bool,
}

/// The part of a candidate that is being told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Text(u32),
    Reasoning(u32),
}

#[derive(Default)]
struct Candidate {
    open: Option<Open>,
    /// How many parts have begun.
    parts: u32,
    calls: u32,
    finished: bool,
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
            self.candidate(candidate, out);
        }
        if !any && is_blocked(root) {
            let (choice, finish) = (0, Finish::Refused);
            if !std::mem::replace(&mut self.state(choice).finished, true) {
                self.unfinished -= 1;
                out.push(StreamEvent::Finish { choice, finish });
            }
        }
        if self.has_finished() {
            out.extend(self.usage.take().map(StreamEvent::Usage));
        }
        Ok(())
    }

    /// Google has no event that ends a stream: its body ends, after reasons to finish.
    fn end(&mut self, out: &mut Vec<StreamEvent>) {
        if self.has_finished() && !self.failed {
            out.extend(self.usage.take().map(StreamEvent::Usage));
            out.push(StreamEvent::End);
        }
    }
}

impl StreamReader {
    fn has_finished(&self) -> bool {
        !self.candidates.is_empty() && self.unfinished == 0
    }

    fn state(&mut self, choice: u32) -> &mut Candidate {
        self.candidates.entry(choice).or_insert_with(|| {
            self.unfinished += 1;
            Candidate::default()
        })
    }

    fn candidate(&mut self, candidate: Value<'_>, out: &mut Vec<StreamEvent>) {
        let choice = index(candidate);
        let id = std::mem::take(&mut self.id);
        let state = self.state(choice);
        if !state.finished {
            let mut told = Telling { choice, state, out };
            told.content(candidate, &id);
            told.about(candidate);
            self.unfinished -= usize::from(state.finished);
        }
        self.id = id;
    }
}

/// The part that a medium is.
fn drawn(content: Content<'_>) -> Option<PartKind> {
    match content {
        Content::Image(media)
        | Content::Audio(media)
        | Content::Video(media)
        | Content::File(media) => Some(PartKind::Media(Box::new(media.into_owned()))),
        _ => None,
    }
}

/// A candidate's pieces on their way out.
struct Telling<'t> {
    choice: u32,
    state: &'t mut Candidate,
    out: &'t mut Vec<StreamEvent>,
}

impl Telling<'_> {
    /// The parts of this event, and the sources of its text: those come with or after the
    /// text, but what follows it may have ended it already.
    fn content(&mut self, candidate: Value<'_>, answer: &str) {
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
        if last.is_none() && matches!(self.state.open, Some(Open::Text(_))) {
            self.cite(std::mem::take(&mut sources));
        }
        for (position, part) in parts().enumerate() {
            self.part(part, answer);
            if last == Some(position) {
                self.cite(std::mem::take(&mut sources));
            }
        }
        self.cite(sources);
    }

    /// Sources go to the text that is open, or else to one that holds nothing but them.
    fn cite(&mut self, sources: Vec<Citation<'_>>) {
        if sources.is_empty() {
            return;
        }
        let part = self.text();
        for citation in sources {
            // Google counts bytes of the whole text, which is not kept here.
            let citation = Citation {
                range: None,
                ..citation.into_owned()
            };
            self.delta(part, Delta::Citation(citation));
        }
    }

    fn part(&mut self, part: Value<'_>, answer: &str) {
        let mut view = View::of(part);
        let mut signature = view.signature.take();
        if !view.thought {
            self.sign(signature.take().map(Into::into));
        }
        if let Some(said) = view.text.and_then(Value::as_str) {
            if !said.is_empty() {
                self.say(said.into_owned(), view.thought);
            }
            self.sign(signature.map(Into::into));
        } else if let Some(call) = view.call {
            self.close();
            let id = text(call, "id");
            let id = match id.is_empty() {
                true => made_up_id(answer, self.choice, self.state.calls),
                false => id.into_owned(),
            };
            self.state.calls += 1;
            let part = self.start(PartKind::ToolCall {
                id,
                name: text(call, "name").into_owned(),
                custom: false,
            });
            self.delta(part, Delta::Text(arguments(call).to_owned()));
            self.end(part);
        } else if let Some(media) = view.media().filter(|_| !view.thought) {
            self.close();
            if let Some(kind) = drawn(media) {
                let part = self.start(kind);
                self.end(part);
            }
        }
        // Code that was executed has no place in a stream of the others, and images in thoughts are
        // drafts.
    }

    fn say(&mut self, text: String, thought: bool) {
        let part = match thought {
            true => self.reasoning(),
            false => self.text(),
        };
        self.delta(part, Delta::Text(text));
    }

    /// A signature ends the thoughts that it proves (see [`super::contents::sign`]).
    fn sign(&mut self, signature: Option<String>) {
        let Some(signature) = signature else {
            return;
        };
        let part = self.reasoning();
        self.delta(part, Delta::Signature(signature));
        self.close();
    }

    /// The open thoughts, or new ones.
    fn reasoning(&mut self) -> u32 {
        if let Some(Open::Reasoning(part)) = self.state.open {
            return part;
        }
        self.close();
        let part = self.start(PartKind::Reasoning);
        self.state.open = Some(Open::Reasoning(part));
        part
    }

    /// The open text, or a new one.
    fn text(&mut self) -> u32 {
        if let Some(Open::Text(part)) = self.state.open {
            return part;
        }
        self.close();
        let part = self.start(PartKind::Text);
        self.state.open = Some(Open::Text(part));
        part
    }

    /// What stands beside a candidate's content, and its end.
    fn about(&mut self, candidate: Value<'_>) {
        if let Some(items) = logprobs(candidate) {
            let part = match self.state.open {
                Some(Open::Text(part)) => part,
                _ => self.state.parts.saturating_sub(1),
            };
            self.delta(part, Delta::Logprobs(items));
        }
        if let Some(reason) = reason(candidate) {
            self.close();
            self.state.finished = true;
            let finish = finish(&reason, self.state.calls > 0);
            let choice = self.choice;
            self.out.push(StreamEvent::Finish { choice, finish });
        }
    }

    fn start(&mut self, kind: PartKind) -> u32 {
        let (choice, part) = (self.choice, self.state.parts);
        self.state.parts += 1;
        self.out.push(StreamEvent::begin(choice, part, kind));
        part
    }

    fn delta(&mut self, part: u32, delta: Delta) {
        let choice = self.choice;
        self.out.push(StreamEvent::delta(choice, part, delta));
    }

    fn end(&mut self, part: u32) {
        let choice = self.choice;
        self.out.push(StreamEvent::end(choice, part));
    }

    fn close(&mut self) {
        if let Some(Open::Text(part) | Open::Reasoning(part)) = self.state.open.take() {
            self.end(part);
        }
    }
}
