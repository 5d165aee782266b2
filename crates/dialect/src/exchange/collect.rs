//! From a stream's steps to the whole answer and back.

use std::borrow::Cow;

use super::answer::{ChatAnswer, Choice, logprob_items, logprobs_of};
use super::event::{Delta, PartKind, StreamEvent};
use super::part::{Content, Part, Thought, ToolCall};
use crate::json::write;

/// Gathers a stream's steps into the answer they amount to.
#[derive(Debug, Default)]
pub struct Collector {
    answer: ChatAnswer<'static>,
    logprobs: Vec<String>,
}

impl Collector {
    /// Takes one step.
    pub fn push(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Start {
                id,
                model,
                created,
                usage,
            } => {
                self.answer.id = Cow::Owned(id.clone());
                self.answer.model = Cow::Owned(model.clone());
                self.answer.created = *created;
                self.answer.usage = usage.or(self.answer.usage);
            }
            StreamEvent::PartStart { choice, kind, .. } => {
                let content = begun(kind);
                self.choice(*choice).parts.push(Part::new(content));
            }
            StreamEvent::PartDelta {
                choice,
                part,
                delta,
            } => self.delta(*choice, *part, delta),
            StreamEvent::Finish { choice, finish } => {
                self.choice(*choice).finish = Some(finish.clone());
            }
            StreamEvent::Usage(usage) => self.answer.usage = Some(*usage),
            StreamEvent::PartEnd { .. } | StreamEvent::Error(_) | StreamEvent::End => {}
        }
    }

    /// The answer.
    pub fn finish(mut self) -> ChatAnswer<'static> {
        for (choice, items) in self.answer.choices.iter_mut().zip(self.logprobs) {
            if !items.is_empty() {
                let mut list = String::with_capacity(items.len() + 2);
                write::brackets(&mut list, |out| out.push_str(&items));
                choice.logprobs = Some(logprobs_of(&list).into());
            }
        }
        self.answer
    }

    fn choice(&mut self, index: u32) -> &mut Choice<'static> {
        let index = (index as usize).min(MAX_CHOICES);
        while self.answer.choices.len() <= index {
            self.answer.choices.push(Choice::default());
            self.logprobs.push(String::new());
        }
        &mut self.answer.choices[index]
    }

    fn delta(&mut self, choice: u32, part: u32, delta: &Delta) {
        if let Delta::Logprobs(items) = delta {
            let _ = self.choice(choice);
            let gathered = &mut self.logprobs[(choice as usize).min(MAX_CHOICES)];
            let inside = items.trim().trim_start_matches('[').trim_end_matches(']');
            if !inside.is_empty() {
                write::value(gathered, inside);
            }
            return;
        }
        let Some(part) = self.choice(choice).parts.get_mut(part as usize) else {
            return;
        };
        match (&mut part.content, delta) {
            (Content::Text { text, .. }, Delta::Text(more))
            | (Content::Reasoning(Thought { text, .. }), Delta::Text(more))
            | (Content::Refusal(text), Delta::Text(more)) => text.to_mut().push_str(more),
            (Content::ToolCall(call), Delta::Text(more)) => {
                call.arguments.to_mut().push_str(more);
            }
            (Content::Text { citations, .. }, Delta::Citation(citation)) => {
                citations.push(citation.clone());
            }
            (Content::Reasoning(of), Delta::Signature(more)) => {
                of.signature.get_or_insert_default().to_mut().push_str(more);
            }
            (Content::Reasoning(of), Delta::Redacted(more)) => {
                of.redacted.get_or_insert_default().to_mut().push_str(more);
            }
            _ => {}
        }
    }
}

/// More choices than any provider gives; a number beyond it joins the last.
const MAX_CHOICES: usize = 127;

fn begun(kind: &PartKind) -> Content<'static> {
    match kind {
        PartKind::Text => Content::text(""),
        PartKind::Reasoning => Content::Reasoning(Thought::default()),
        PartKind::Refusal => Content::Refusal(Cow::Borrowed("")),
        PartKind::ToolCall { id, name, custom } => Content::ToolCall(ToolCall {
            id: Cow::Owned(id.clone()),
            name: Cow::Owned(name.clone()),
            arguments: Cow::Borrowed(""),
            custom: *custom,
        }),
        PartKind::Media(media) => media.as_ref().clone().into_content(),
        PartKind::Opaque { kind, json } => Content::Opaque {
            kind: Cow::Owned(kind.clone()),
            json: Cow::Owned(json.clone()),
        },
    }
}

/// The steps of a stream that tells a whole answer: each part in one piece.
pub fn replay(answer: &ChatAnswer<'_>) -> Vec<StreamEvent> {
    let mut out = vec![StreamEvent::Start {
        id: answer.id.clone().into_owned(),
        model: answer.model.clone().into_owned(),
        created: answer.created,
        usage: None,
    }];
    for (index, choice) in (0_u32..).zip(&answer.choices) {
        replay_choice(index, choice, &mut out);
    }
    out.extend(answer.usage.map(StreamEvent::Usage));
    out.push(StreamEvent::End);
    out
}

fn replay_choice(index: u32, choice: &Choice<'_>, out: &mut Vec<StreamEvent>) {
    let mut logprobs = choice.logprobs.as_deref().and_then(logprob_items);
    let parts: Vec<_> = choice
        .parts
        .iter()
        .filter_map(|p| pieces(&p.content))
        .collect();
    // They are of the first text, or else of whatever was said last.
    let text = parts.iter().position(|(kind, _)| *kind == PartKind::Text);
    let drawn = text.or(parts.len().checked_sub(1));
    for ((at, number), (kind, deltas)) in (0..).zip(0..).zip(parts) {
        out.push(StreamEvent::begin(index, number, kind));
        let with = logprobs.take_if(|_| drawn == Some(at)).map(Delta::Logprobs);
        let deltas = deltas.into_iter().chain(with);
        out.extend(deltas.map(|delta| StreamEvent::delta(index, number, delta)));
        out.push(StreamEvent::end(index, number));
    }
    out.push(StreamEvent::Finish {
        choice: index,
        finish: choice.finish.clone().unwrap_or(super::answer::Finish::Stop),
    });
}

impl Thought<'_> {
    /// What of it is told beside its text.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Delta> {
        let redacted = self.redacted.as_deref();
        let signature = self.signature.as_deref();
        let redacted = redacted.map(|data| Delta::Redacted(data.to_owned()));
        let signature = signature.map(|proof| Delta::Signature(proof.to_owned()));
        redacted.into_iter().chain(signature)
    }
}

/// What a part of an answer begins as, and its pieces. None for what no stream tells.
fn pieces(content: &Content<'_>) -> Option<(PartKind, Vec<Delta>)> {
    let text = |text: &Cow<'_, str>| match text.is_empty() {
        true => Vec::new(),
        false => vec![Delta::Text(text.clone().into_owned())],
    };
    Some(match content {
        Content::Text {
            text: said,
            citations,
        } => {
            let mut deltas = text(said);
            deltas.extend(
                citations
                    .iter()
                    .map(|c| Delta::Citation(c.clone().into_owned())),
            );
            (PartKind::Text, deltas)
        }
        Content::Reasoning(thought) => {
            let mut deltas = text(&thought.text);
            deltas.extend(thought.pieces());
            (PartKind::Reasoning, deltas)
        }
        Content::Refusal(said) => (PartKind::Refusal, text(said)),
        Content::ToolCall(call) => (
            PartKind::ToolCall {
                id: call.id.clone().into_owned(),
                name: call.name.clone().into_owned(),
                custom: call.custom,
            },
            text(&call.arguments),
        ),
        Content::Opaque { kind, json } => (
            PartKind::Opaque {
                kind: kind.clone().into_owned(),
                json: json.clone().into_owned(),
            },
            Vec::new(),
        ),
        content => {
            let media = content.media()?.clone().into_owned();
            (PartKind::Media(Box::new(media)), Vec::new())
        }
    })
}
