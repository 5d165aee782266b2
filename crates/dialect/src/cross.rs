//! Brings requests, answers and streams from one wire format into another: which reader and
//! which writer meet. Formats meet only in the types of [`crate::exchange`].

use std::sync::Arc;

use bytes::Bytes;

use crate::call_ids::CallIds;
use crate::canonical::{Operation, Usage};
use crate::contract::context::AnswerContext;
use crate::contract::embedding::EmbeddingForm;
use crate::contract::failure::{ConvertError, TranslateError};
use crate::contract::stream::{ReadStream, WriteStream};
use crate::contract::ways::Ways;
use crate::exchange::fetched::{put_in, urls};
use crate::exchange::{
    ChatRequest, Collector, Content, Inexpressible, PartKind, Profile, StreamEvent, WriteOptions,
    Written, replay,
};
use crate::fields::name_of;
use crate::fit::back::Seen;
use crate::fit::{self, Aim, Undo};
use crate::formats::{format, ran_by_provider};
use crate::json::{Document, Value, write};
use crate::naming::client_name;
use crate::openai;
use crate::payload::{PayloadError, is_done_marker, wrong_type};
use crate::request::{Request, RequestError};
use crate::silent_calls::SilentCalls;
use crate::wire::{Terminal, Wire};

/// The most losses that are named in the client's own words: each is sought among all messages.
const MAX_NAMED: usize = 256;

/// The request in the format of an upstream.
///
/// # Errors
///
/// When the upstream's format can't say it at all, see [`TranslateError`].
pub fn translate_request(
    request: &Request,
    to: Wire,
    options: &WriteOptions,
) -> Result<Written, TranslateError> {
    let document = Document::parse(&request.body).map_err(RequestError::from)?;
    if embeds(request.wire()) || embeds(to) {
        let form = EmbeddingForm::of(to, &options.model);
        return openai::embeddings::translate(request, document.root(), (to, form), options);
    }
    let mut read = read_request(request, document.root())?;
    put_in(&mut read, &options.fetched);
    let ways = format(request.wire()).ways;
    show_thinking(ways, format(to).ways, &mut read);
    let asked = read.model.clone();
    let aim = Aim::new(
        format(to),
        options,
        &asked,
        format(request.wire()),
        ran_by_provider,
    );
    let mut fitted = fit::fit(&mut read, &aim);
    let written = (format(to).crossing.write_request)(&read, options);
    // What the client calls a field: told by the request as the client sent it.
    let named = |params: Vec<String>| -> Result<Vec<String>, TranslateError> {
        // Only a place among the messages is counted in what the client sent.
        let placed = params.iter().any(|param| param.starts_with("messages["));
        let read = match placed && ways.locate.is_some() {
            true => read_request(request, document.root())?,
            false => ChatRequest::default(),
        };
        let name = |(at, param): (usize, String)| match at < MAX_NAMED {
            true => client_name(ways, &read, &param),
            false => param,
        };
        Ok(params.into_iter().enumerate().map(name).collect())
    };
    match written {
        Ok(mut written) => {
            for lost in &mut written.lost {
                lost.param = fitted.unfitted(std::mem::take(&mut lost.param));
            }
            let mut lost = std::mem::take(&mut fitted.lost);
            lost.append(&mut written.lost);
            let params = lost.iter_mut().map(|lost| std::mem::take(&mut lost.param));
            let params = params.collect();
            for (lost, param) in lost.iter_mut().zip(named(params)?) {
                lost.param = param;
            }
            Ok(Written {
                lost,
                back: fitted.back,
                ..written
            })
        }
        Err(error) => {
            let param = named(vec![fitted.unfitted(error.param)])?.pop();
            Err(Inexpressible::new(param.unwrap_or_default(), error.why).into())
        }
    }
}

/// Anthropic's and Converse's clients see what a model thinks unless they say otherwise; other
/// formats have to ask for that.
fn show_thinking(from: &Ways, to: &Ways, request: &mut ChatRequest<'_>) {
    let Some(reasoning) = &mut request.reasoning else {
        return;
    };
    let thinks = reasoning.adaptive || reasoning.budget.is_some_and(|budget| budget > 0);
    if from.shows_thinking && to.hides_thinking && thinks {
        reasoning.summary.get_or_insert("auto".into());
    }
}

/// The URLs of media in a request that an upstream of that format takes as bytes only.
///
/// # Errors
///
/// When the request can't be read.
pub fn media_urls(
    request: &Request,
    to: Wire,
    profile: Profile,
) -> Result<Vec<String>, TranslateError> {
    let fetched = format(to).ways.bytes_only || profile.is_in_cloud();
    if !fetched || request.wire() == to || request.prompt.operation != Operation::Chat {
        return Ok(Vec::new());
    }
    let document = Document::parse(&request.body).map_err(RequestError::from)?;
    Ok(urls(&read_request(request, document.root())?))
}

fn embeds(wire: Wire) -> bool {
    wire.operation() == Operation::Embedding
}

fn read_request<'d>(request: &Request, root: Value<'d>) -> Result<ChatRequest<'d>, TranslateError> {
    let target = &request.target;
    format(target.wire).read_request(target, root)
}

impl Request {
    /// The fields that decide how an answer in the client's format looks, or that it repeats,
    /// as JSON for [`AnswerContext::echo`]. Empty where the format has none.
    pub fn answer_echo(&self) -> String {
        let echoed = format(self.wire()).ways.echoed;
        let mut out = String::new();
        if echoed.is_empty() {
            return out;
        }
        let Ok(document) = Document::parse(&self.body) else {
            return out;
        };
        write::braces(&mut out, |out| {
            for (key, value) in document.root().members() {
                let name = name_of(key);
                if echoed.iter().any(|(echoed, _)| *echoed == name) {
                    write::raw(out, &name, value.raw());
                }
            }
        });
        out
    }
}

/// A whole answer of `from` as one of `to`.
///
/// # Errors
///
/// When the body is no answer of its format.
pub fn translate_answer(
    from: Wire,
    to: Wire,
    body: &Bytes,
    context: &AnswerContext,
) -> Result<Bytes, PayloadError> {
    if from != to && (embeds(from) || embeds(to)) {
        return openai::embeddings::translate_answer(EmbeddingForm::of(from, ""), body, context);
    }
    let document = Document::parse(body)?;
    let (crossing, root) = (&format(from).crossing, document.root());
    if !crossing.answers.iter().any(|name| root.get(name).is_some()) {
        return Err(PayloadError::NoAnswer);
    }
    let mut answer = (crossing.read_answer)(root)?;
    let parts = answer
        .choices
        .iter_mut()
        .flat_map(|choice| &mut choice.parts);
    for part in parts {
        // Clients parse what they get, and nothing is no JSON.
        if let Content::ToolCall(call) = &mut part.content
            && !call.custom
            && call.arguments.trim().is_empty()
        {
            call.arguments = "{}".into();
        }
    }
    let mut crossing = Steps::new(to, context);
    let mut crossed = Collector::default();
    for step in replay(&answer) {
        crossing.step(step, |step| crossed.push(&step));
    }
    Ok((format(to).crossing.write_answer)(
        &crossed.finish(),
        context,
    ))
}

/// What becomes of an answer's steps on their way into another format.
struct Steps {
    ids: CallIds,
    /// What is counted so far.
    usage: Usage,
    undo: Undo,
    undone: Vec<StreamEvent>,
    seen: Arc<Seen>,
    /// Media that the client's format shows.
    shown: &'static [&'static str],
}

impl Steps {
    fn new(to: Wire, context: &AnswerContext) -> Self {
        Self {
            ids: CallIds::new(&context.id),
            usage: Usage::default(),
            undo: Undo::new(context.back.clone(), context.seen.clone()),
            undone: Vec::new(),
            seen: context.seen.clone(),
            shown: format(to).ways.shows,
        }
    }

    /// Takes a step, and gives those that it becomes.
    fn step(&mut self, mut step: StreamEvent, mut told: impl FnMut(StreamEvent)) {
        self.ids.step(&mut step);
        // A later count that tells less takes nothing back.
        if let StreamEvent::Usage(counted)
        | StreamEvent::Start {
            usage: Some(counted),
            ..
        } = &mut step
        {
            *counted = self.usage.followed_by(*counted);
            self.usage = *counted;
        }
        self.undo.step(step, &mut self.undone);
        for step in self.undone.drain(..) {
            if let StreamEvent::PartStart {
                kind: PartKind::Media(media),
                ..
            } = &step
            {
                self.seen.medium(media.kind(), self.shown);
            }
            told(step);
        }
    }
}

/// A stream of one format on its way into another, event by event.
pub struct StreamTranslation {
    terminal: Terminal,
    reader: Box<dyn ReadStream>,
    writer: Box<dyn WriteStream>,
    events: Vec<StreamEvent>,
    silent: SilentCalls,
    steps: Steps,
    ended: bool,
}

impl std::fmt::Debug for StreamTranslation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamTranslation")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl StreamTranslation {
    /// A translation of a stream of `from` for a client of `to`.
    pub fn new(from: Wire, to: Wire, context: &AnswerContext) -> Self {
        Self {
            terminal: from.terminal(),
            reader: (format(from).crossing.reader)(),
            writer: (format(to).crossing.writer)(context),
            events: Vec::new(),
            silent: SilentCalls::default(),
            steps: Steps::new(to, context),
            ended: false,
        }
    }

    /// Takes one event and appends the data of the events that it becomes.
    ///
    /// # Errors
    ///
    /// When the event is none of its format.
    pub fn push(
        &mut self,
        event: Option<&str>,
        data: &Bytes,
        out: &mut Vec<Bytes>,
    ) -> Result<(), PayloadError> {
        if self.ended {
            return Ok(());
        }
        if is_done_marker(data) {
            self.reader.end(&mut self.events);
        } else {
            let document = Document::parse(data)?;
            if document.root().kind() != crate::json::Kind::Object {
                return Err(wrong_type("payload", "an object", document.root()));
            }
            self.reader.read(event, document.root(), &mut self.events)?;
        }
        self.drain(out);
        Ok(())
    }

    /// The upstream's body has ended. What that means depends on the format; whether the
    /// stream has ended well is then told by [`StreamTranslation::has_ended`].
    pub fn end_of_body(&mut self, out: &mut Vec<Bytes>) {
        if self.ended {
            return;
        }
        match self.terminal {
            Terminal::Eof => self.reader.end(&mut self.events),
            Terminal::Done | Terminal::Payload => self.reader.end_of_body(&mut self.events),
        }
        self.drain(out);
    }

    /// Whether the upstream has ended its stream properly.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    fn drain(&mut self, out: &mut Vec<Bytes>) {
        self.silent.complete(&mut self.events);
        for event in self.events.drain(..) {
            self.steps.step(event, |event| {
                self.ended |= event == StreamEvent::End;
                self.writer.write(&event, out);
            });
        }
    }
}

/// Folds the data of a stream's events into the body that the same answer has without a stream.
///
/// # Errors
///
/// When an event is no payload or an error, or there is nothing in any, see [`ConvertError`].
pub fn fold(wire: Wire, events: &[Bytes], context: &AnswerContext) -> Result<Bytes, ConvertError> {
    format(wire).fold(events, context)
}

/// Unfolds a whole answer into the data of the events that a stream of it would have, without
/// a terminal `[DONE]`.
///
/// # Errors
///
/// When the body is no answer or an error, see [`ConvertError`].
pub fn unfold(
    wire: Wire,
    body: &Bytes,
    context: &AnswerContext,
) -> Result<Vec<Bytes>, ConvertError> {
    format(wire).unfold(body, context)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn media_are_fetched_only_for_targets_that_take_no_url() {
        let body = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a/b.png"}}]}]}"#;
        let request = Request::parse(Wire::Chat, body.into()).unwrap();
        let fetched = |to, profile| media_urls(&request, to, profile).unwrap();
        let url = ["https://a/b.png".to_owned()];
        assert_eq!(fetched(Wire::Converse, Profile::Standard), url);
        assert_eq!(fetched(Wire::Messages, Profile::VertexRaw), url);
        assert_eq!(fetched(Wire::Messages, Profile::BedrockInvoke), url);
        assert!(fetched(Wire::Messages, Profile::Standard).is_empty());
        assert!(fetched(Wire::Gemini, Profile::Standard).is_empty());
    }
}
