//! What a format can do: reading and writing requests, answers, streams and errors, each by a
//! function in the format's folder. What a row leaves out stands for what the format does not have.

use bytes::Bytes;

use crate::canonical::Channel;
use crate::cased;
use crate::contract::cache::CacheMarks;
use crate::contract::context::AnswerContext;
use crate::contract::embedding::EmbeddingForm;
use crate::contract::failure::{ConvertError, TranslateError};
use crate::contract::mend::{MendAnswer, MendRequest, StreamMender};
use crate::contract::refusal::ErrorParts;
use crate::contract::stream::{ReadStream, WriteStream};
use crate::contract::ways::Ways;
use crate::exchange::answer::ChatAnswer;
use crate::exchange::collect::{Collector, replay};
use crate::exchange::event::StreamEvent;
use crate::exchange::request::ChatRequest;
use crate::exchange::written::{Inexpressible, WriteOptions, Written};
use crate::json::{Document, Value};
use crate::payload::{Payload, PayloadError, UpstreamErrorBody};
use crate::request::{Read, RequestError};
use crate::wire::{Target, Wire};

type ReadPrompt = fn(&Target, Value<'_>) -> Result<Read, RequestError>;
type ReadRequest = for<'d> fn(&Target, Value<'d>) -> Result<ChatRequest<'d>, TranslateError>;
type Synthesise = fn(&Payload, &[(u32, Channel, String)]) -> Vec<Bytes>;
type Fold = fn(&[Bytes]) -> Result<Option<Bytes>, ConvertError>;
type Unfold = fn(&Bytes) -> Result<Vec<Bytes>, ConvertError>;

/// How requests are written, and answers and streams read and written: what every format has.
#[derive(Clone, Copy)]
pub(crate) struct Crossing {
    pub(crate) write_request: fn(&ChatRequest<'_>, &WriteOptions) -> Result<Written, Inexpressible>,
    /// Members of a whole answer: what has none of them is no answer of the format.
    pub(crate) answers: &'static [&'static str],
    pub(crate) read_answer: fn(Value<'_>) -> Result<ChatAnswer<'_>, PayloadError>,
    pub(crate) write_answer: fn(&ChatAnswer<'_>, &AnswerContext) -> Bytes,
    pub(crate) reader: fn() -> Box<dyn ReadStream>,
    pub(crate) writer: fn(&AnswerContext) -> Box<dyn WriteStream>,
    /// The body of a refusal.
    pub(crate) error_body: fn(&ErrorParts<'_>) -> Bytes,
    /// What an upstream's refusal says. None where it is no error of this format.
    pub(crate) read_error: fn(Value<'_>) -> Option<UpstreamErrorBody>,
}

/// A wire format: a row of the table of formats.
#[derive(Clone, Copy)]
pub(crate) struct Format {
    /// Which one it is.
    pub(crate) wire: Wire,
    pub(crate) crossing: Crossing,
    /// What is peculiar to it.
    pub(crate) ways: &'static Ways,
    /// A client's request as policies see it. None where no client speaks the format.
    pub(crate) read_prompt: Option<ReadPrompt>,
    /// A client's request as it goes to an upstream of another format.
    pub(crate) read_request: Option<ReadRequest>,
    /// What is mended in a request that can't be read.
    pub(crate) mend_request: Option<MendRequest>,
    /// What is mended in an answer that passes in the format.
    pub(crate) mend_answer: Option<MendAnswer>,
    /// What is mended in a stream that passes in the format.
    pub(crate) mend_stream: Option<StreamMender>,
    /// Whether the provider runs a tool of that kind itself.
    pub(crate) is_own_tool: fn(&str) -> bool,
    /// What a payload says to those who meter and guard it. The answers of formats that no
    /// client speaks are never handed out: they are translated first.
    pub(crate) read_payload: fn(&mut Payload, Value<'_>) -> Result<(), PayloadError>,
    /// See [`Payload::synthesise`].
    pub(crate) synthesise: Synthesise,
    /// Its prompt cache, where a request marks what is to be kept in it.
    pub(crate) cache_marks: Option<&'static dyn CacheMarks>,
    /// How its upstreams embed texts by that model, where they do.
    pub(crate) embeds: fn(&str) -> Option<EmbeddingForm>,
    /// See [`crate::fold`]. None: [`Format::fold_by_reading`], also where this gives none.
    pub(crate) fold: Option<Fold>,
    /// See [`crate::unfold`]. None: what is written of the answer that was read.
    pub(crate) unfold: Option<Unfold>,
    /// Each event of a stream is an answer, so the whole one is a stream already.
    pub(crate) streams_answers: bool,
    /// The data of the event that reports an error in a stream that has begun, where it is not the
    /// body of a refusal.
    pub(crate) error_event: Option<fn(&ErrorParts<'_>) -> Bytes>,
    /// The header that the format's clients read an error's type from.
    pub(crate) error_header: fn(u16) -> Option<(&'static str, &'static str)>,
}

impl Format {
    /// A format with nothing but what every format has.
    pub(crate) const fn of(wire: Wire, crossing: Crossing) -> Self {
        Self {
            wire,
            crossing,
            ways: &Ways::PLAIN,
            read_prompt: None,
            read_request: None,
            mend_request: None,
            mend_answer: None,
            mend_stream: None,
            is_own_tool: |_| false,
            read_payload: |_, _| Ok(()),
            synthesise: |_, _| Vec::new(),
            cache_marks: None,
            embeds: |_| None,
            fold: None,
            unfold: None,
            streams_answers: false,
            error_event: None,
            error_header: |_| None,
        }
    }

    /// A client's request as policies see it.
    pub(crate) fn read_prompt(
        &self,
        target: &Target,
        root: Value<'_>,
    ) -> Result<Read, RequestError> {
        let wire = self.wire.as_str();
        let read = self.read_prompt;
        let read = read.ok_or(RequestError::NotForClients { wire })?;
        cased::check(root)?;
        read(target, root)
    }

    /// A client's request as it goes to an upstream of another format.
    pub(crate) fn read_request<'d>(
        &self,
        target: &Target,
        root: Value<'d>,
    ) -> Result<ChatRequest<'d>, TranslateError> {
        let Some(read) = self.read_request else {
            let wire = self.wire.as_str();
            let why = format!(
                "a request in the format '{wire}' can only go to an upstream that uses that format"
            );
            return Err(Inexpressible::new("body", why).into());
        };
        read(target, root)
    }

    /// See [`crate::fold`].
    pub(crate) fn fold(
        &self,
        events: &[Bytes],
        context: &AnswerContext,
    ) -> Result<Bytes, ConvertError> {
        match self.fold.map(|fold| fold(events)).transpose()?.flatten() {
            Some(whole) => Ok(whole),
            None => self.fold_by_reading(events, context),
        }
    }

    /// Reads the events as the format's stream, and writes the answer that they amount to.
    fn fold_by_reading(
        &self,
        events: &[Bytes],
        context: &AnswerContext,
    ) -> Result<Bytes, ConvertError> {
        let mut reader = (self.crossing.reader)();
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
        Ok((self.crossing.write_answer)(&answer, context))
    }

    /// See [`crate::unfold`].
    pub(crate) fn unfold(
        &self,
        body: &Bytes,
        context: &AnswerContext,
    ) -> Result<Vec<Bytes>, ConvertError> {
        if let Some(unfold) = self.unfold {
            return unfold(body);
        }
        let payload = Payload::read_by(self.wire, body.clone(), self.read_payload)?;
        if payload.error().is_some() {
            return Err(ConvertError::Upstream);
        }
        let document = Document::parse(body).map_err(PayloadError::from)?;
        let answer = (self.crossing.read_answer)(document.root())?;
        if answer.choices.is_empty() {
            return Err(ConvertError::Empty);
        }
        if self.streams_answers {
            return Ok(vec![body.clone()]);
        }
        let mut writer = (self.crossing.writer)(context);
        let mut out = Vec::new();
        for step in replay(&answer) {
            writer.write(&step, &mut out);
        }
        Ok(out)
    }
}
