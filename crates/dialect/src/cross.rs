//! Brings requests, answers and streams from one wire format into another: which reader and
//! which writer meet. Formats meet only in the types of [`crate::exchange`].

use std::sync::Arc;

use bytes::Bytes;

use crate::call_ids::CallIds;
use crate::canonical::Operation;
use crate::exchange::fetched::{put_in, takes_bytes_only, urls};
use crate::exchange::{
    ChatAnswer, ChatRequest, Collector, Inexpressible, Profile, StreamEvent, WriteOptions, Written,
    replay,
};
use crate::fit::{self, Aim, Back, Seen, Undo};
use crate::json::{Document, Value};
use crate::naming::client_name;
use crate::openai::convert::{self, ConvertError};
use crate::payload::{PayloadError, is_done_marker, wrong_type};
use crate::request::{Request, RequestError};
use crate::wire::{Terminal, Wire};
use crate::{anthropic, cohere, converse, gemini, oci, openai, responses};

/// Why a request can't be brought into another format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// The client's request is at fault.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The target can't take it.
    #[error(transparent)]
    Inexpressible(#[from] Inexpressible),
}

/// What a translated answer says where the upstream says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerContext {
    /// An id, without a prefix: letters and digits.
    pub id: String,
    /// The model, as the client named it.
    pub model: String,
    /// Now, in seconds since 1970.
    pub created: u64,
    /// The client's request had tools of its own that matter to the answer's form; JSON of the
    /// request's fields that the answer repeats (OpenAI's responses), an object or empty.
    pub echo: String,
    /// What has to be undone in the answer, of the request that was translated for its upstream.
    pub back: Arc<Back>,
    /// What was seen in the answer that an operator should know of.
    pub seen: Arc<Seen>,
}

/// Reads a stream of one format. `root` is an event's data, `event` its name where it has one.
pub(crate) trait ReadStream: Send {
    fn read(
        &mut self,
        event: Option<&str>,
        root: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError>;

    /// The body has ended, or the event came that says so: what is still open is closed and
    /// [`StreamEvent::End`] said, if the format's own end has been seen.
    fn end(&mut self, out: &mut Vec<StreamEvent>);

    /// The body has ended without the format's own end. Where all choices have said why they
    /// ended, nothing is missing but that end, and [`StreamEvent::End`] is said; else nothing.
    fn end_of_body(&mut self, _out: &mut Vec<StreamEvent>) {}
}

/// Writes a stream of one format: each step becomes no, one or several events' data.
pub(crate) trait WriteStream: Send {
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<Bytes>);
}

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
    if request.wire() == Wire::Embeddings || to == Wire::Embeddings {
        return openai::embeddings::translate(request, document.root(), to, options);
    }
    let mut read = read_request(request, document.root())?;
    put_in(&mut read, &options.fetched);
    show_thinking(request.wire(), to, &mut read);
    let asked = read.model.clone();
    let mut fitted = fit::fit(&mut read, &Aim::new(to, options, &asked));
    let written = write_request(&read, to, options);
    // What the client calls a field: told by the request as the client sent it.
    let named = |params: Vec<String>| -> Result<Vec<String>, TranslateError> {
        // Only a place among the messages is counted in what the client sent.
        let placed = params.iter().any(|param| param.starts_with("messages["));
        let read = match placed && request.wire() != Wire::Chat {
            true => read_request(request, document.root())?,
            false => ChatRequest::default(),
        };
        let name = |(at, param): (usize, String)| match at < MAX_NAMED {
            true => client_name(request.wire(), &read, &param),
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
        Err(TranslateError::Inexpressible(error)) => {
            let param = named(vec![fitted.unfitted(error.param)])?.pop();
            Err(Inexpressible {
                param: param.unwrap_or_default(),
                why: error.why,
            }
            .into())
        }
        Err(error) => Err(error),
    }
}

/// Anthropic's and Converse's clients see what a model thinks unless they say otherwise; other
/// formats have to ask for that.
fn show_thinking(from: Wire, to: Wire, request: &mut ChatRequest<'_>) {
    let claudes = |wire| matches!(wire, Wire::Messages | Wire::Converse);
    let Some(reasoning) = &mut request.reasoning else {
        return;
    };
    let thinks = reasoning.adaptive || reasoning.budget.is_some_and(|budget| budget > 0);
    if claudes(from) && matches!(to, Wire::Gemini | Wire::Responses) && thinks {
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
    if !takes_bytes_only(to, profile)
        || request.wire() == to
        || request.prompt.operation != Operation::Chat
    {
        return Ok(Vec::new());
    }
    let document = Document::parse(&request.body).map_err(RequestError::from)?;
    Ok(urls(&read_request(request, document.root())?))
}

pub(crate) fn read_request<'d>(
    request: &Request,
    root: Value<'d>,
) -> Result<ChatRequest<'d>, TranslateError> {
    let target = &request.target;
    Ok(match target.wire {
        Wire::Chat => openai::exchange::read_request(root)?,
        Wire::Responses => responses::read_request(root)?,
        Wire::Messages => anthropic::read_request(root)?,
        Wire::Gemini => gemini::read_request(target, root)?,
        Wire::Converse => converse::read_request(target, root)?,
        wire @ (Wire::Completions | Wire::Embeddings | Wire::Cohere | Wire::Oci) => {
            return Err(Inexpressible {
                param: "body".to_owned(),
                why: format!(
                    "a request of the form '{}' can only go where that form is spoken",
                    wire.as_str()
                ),
            }
            .into());
        }
    })
}

pub(crate) fn write_request(
    request: &ChatRequest<'_>,
    to: Wire,
    options: &WriteOptions,
) -> Result<Written, TranslateError> {
    Ok(match to {
        Wire::Chat => openai::exchange::write_request(request, options)?,
        Wire::Responses => responses::write_request(request, options)?,
        Wire::Messages => anthropic::write_request(request, options)?,
        Wire::Gemini => gemini::write_request(request, options)?,
        Wire::Converse => converse::write_request(request, options)?,
        Wire::Cohere => cohere::write_request(request, options)?,
        Wire::Oci => oci::write_request(request, options)?,
        Wire::Completions | Wire::Embeddings => {
            return Err(Inexpressible {
                param: "messages".to_owned(),
                why: "this upstream continues texts, it does not answer conversations".to_owned(),
            }
            .into());
        }
    })
}

/// The reader of a format's streams.
pub(crate) fn reader(wire: Wire) -> Box<dyn ReadStream> {
    match wire {
        Wire::Chat | Wire::Completions | Wire::Embeddings => {
            Box::new(openai::exchange::StreamReader::default())
        }
        Wire::Responses => Box::new(responses::StreamReader::default()),
        Wire::Messages => Box::new(anthropic::StreamReader::default()),
        Wire::Gemini => Box::new(gemini::StreamReader::default()),
        Wire::Converse => Box::new(converse::StreamReader::default()),
        Wire::Cohere => Box::new(cohere::StreamReader::default()),
        Wire::Oci => Box::new(oci::StreamReader::default()),
    }
}

/// The writer of a format's streams.
pub(crate) fn writer(wire: Wire, context: &AnswerContext) -> Box<dyn WriteStream> {
    match wire {
        Wire::Responses => Box::new(responses::StreamWriter::new(context)),
        Wire::Messages => Box::new(anthropic::StreamWriter::new(context)),
        Wire::Gemini => Box::new(gemini::StreamWriter::new(context)),
        Wire::Converse => Box::new(converse::StreamWriter::new(context)),
        _ => Box::new(openai::exchange::StreamWriter::new(context)),
    }
}

fn read_answer(wire: Wire, root: Value<'_>) -> Result<ChatAnswer<'_>, PayloadError> {
    match wire {
        Wire::Chat | Wire::Completions | Wire::Embeddings => openai::exchange::read_answer(root),
        Wire::Responses => responses::read_answer(root),
        Wire::Messages => anthropic::read_answer(root),
        Wire::Gemini => gemini::read_answer(root),
        Wire::Converse => converse::read_answer(root),
        Wire::Cohere => cohere::read_answer(root),
        Wire::Oci => oci::read_answer(root),
    }
}

fn write_answer(wire: Wire, answer: &ChatAnswer<'_>, context: &AnswerContext) -> Bytes {
    match wire {
        Wire::Responses => responses::write_answer(answer, context),
        Wire::Messages => anthropic::write_answer(answer, context),
        Wire::Gemini => gemini::write_answer(answer, context),
        Wire::Converse => converse::write_answer(answer, context),
        _ => openai::exchange::write_answer(answer, context),
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
    if (from, to) != (Wire::Embeddings, Wire::Embeddings)
        && (from == Wire::Embeddings || to == Wire::Embeddings)
    {
        return openai::embeddings::translate_answer(from, body, context);
    }
    let document = Document::parse(body)?;
    let mut answer = read_answer(from, document.root())?;
    CallIds::new(&context.id).answer(&mut answer);
    context.back.answer(&mut answer, &context.seen);
    Ok(write_answer(to, &answer, context))
}

/// A stream of one format on its way into another, event by event.
pub struct StreamTranslation {
    terminal: Terminal,
    reader: Box<dyn ReadStream>,
    writer: Box<dyn WriteStream>,
    events: Vec<StreamEvent>,
    ids: CallIds,
    undo: Undo,
    undone: Vec<StreamEvent>,
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
            reader: reader(from),
            writer: writer(to, context),
            events: Vec::new(),
            ids: CallIds::new(&context.id),
            undo: Undo::new(context.back.clone(), context.seen.clone()),
            undone: Vec::new(),
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
        for mut event in self.events.drain(..) {
            self.ids.step(&mut event);
            self.undo.step(event, &mut self.undone);
        }
        for event in self.undone.drain(..) {
            self.ended |= event == StreamEvent::End;
            self.writer.write(&event, out);
        }
    }
}

/// Folds the data of a stream's events into the body that the same answer has without a stream.
///
/// # Errors
///
/// When an event is no payload or an error, or there is nothing in any, see [`ConvertError`].
pub fn fold(wire: Wire, events: &[Bytes], context: &AnswerContext) -> Result<Bytes, ConvertError> {
    if matches!(wire, Wire::Chat | Wire::Completions) {
        return convert::fold(wire.operation(), events);
    }
    if wire == Wire::Messages {
        return anthropic::fold(events);
    }
    if wire == Wire::Gemini {
        return gemini::fold(events);
    }
    let mut reader = reader(wire);
    let mut collector = Collector::default();
    let mut steps = Vec::new();
    for event in events {
        let document = Document::parse(event).map_err(PayloadError::from)?;
        reader.read(None, document.root(), &mut steps)?;
        for step in steps.drain(..) {
            if matches!(step, StreamEvent::Error(_)) {
                return Err(ConvertError::Upstream);
            }
            collector.push(&step);
        }
    }
    let answer = collector.finish();
    if answer.choices.is_empty() {
        return Err(ConvertError::Empty);
    }
    Ok(write_answer(wire, &answer, context))
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
    if matches!(wire, Wire::Chat | Wire::Completions) {
        return convert::unfold(wire.operation(), body);
    }
    if wire == Wire::Messages {
        return anthropic::unfold(body);
    }
    if crate::Payload::parse(wire, body.clone())?.error().is_some() {
        return Err(ConvertError::Upstream);
    }
    let document = Document::parse(body).map_err(PayloadError::from)?;
    let answer = read_answer(wire, document.root())?;
    if answer.choices.is_empty() {
        return Err(ConvertError::Empty);
    }
    if wire == Wire::Gemini {
        // Each of its events is an answer, so the whole one is a stream already.
        return Ok(vec![body.clone()]);
    }
    let mut writer = writer(wire, context);
    let mut out = Vec::new();
    for step in replay(&answer) {
        writer.write(&step, &mut out);
    }
    Ok(out)
}
