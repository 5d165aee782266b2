//! What a format can do: reading and writing requests, answers, streams and errors. A method
//! that a format leaves out stands for what it does not have.

use bytes::Bytes;

use crate::canonical::Channel;
use crate::contract::cache::CacheMarks;
use crate::contract::context::AnswerContext;
use crate::contract::embedding::EmbeddingForm;
use crate::contract::failure::{ConvertError, TranslateError};
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

/// A wire format.
pub(crate) trait Format: Sync {
    /// Which one it is.
    fn wire(&self) -> Wire;

    /// A client's request as policies see it.
    fn read_prompt(&self, _target: &Target, _root: Value<'_>) -> Result<Read, RequestError> {
        Err(RequestError::NotForClients {
            wire: self.wire().as_str(),
        })
    }

    /// A client's request as it goes to an upstream of another format.
    fn read_request<'d>(
        &self,
        _target: &Target,
        _root: Value<'d>,
    ) -> Result<ChatRequest<'d>, TranslateError> {
        Err(Inexpressible::new(
            "body",
            format!(
                "a request of the form '{}' can only go where that form is spoken",
                self.wire().as_str()
            ),
        )
        .into())
    }

    fn write_request(
        &self,
        request: &ChatRequest<'_>,
        options: &WriteOptions,
    ) -> Result<Written, Inexpressible>;

    /// What is peculiar to it.
    fn ways(&self) -> &'static Ways {
        &Ways::PLAIN
    }

    /// Whether the provider runs a tool of that kind itself.
    fn is_own_tool(&self, _kind: &str) -> bool {
        false
    }

    fn read_answer<'d>(&self, root: Value<'d>) -> Result<ChatAnswer<'d>, PayloadError>;

    fn write_answer(&self, answer: &ChatAnswer<'_>, context: &AnswerContext) -> Bytes;

    fn reader(&self) -> Box<dyn ReadStream>;

    fn writer(&self, context: &AnswerContext) -> Box<dyn WriteStream>;

    /// What a payload says to those who meter and guard it. The answers of formats that no
    /// client speaks are never handed out: they are translated first.
    fn read_payload(&self, _payload: &mut Payload, _root: Value<'_>) -> Result<(), PayloadError> {
        Ok(())
    }

    /// See [`Payload::synthesise`].
    fn synthesise(&self, _payload: &Payload, _texts: &[(u32, Channel, String)]) -> Vec<Bytes> {
        Vec::new()
    }

    /// Its prompt cache, where a request marks what is to be kept in it.
    fn cache_marks(&self) -> Option<&'static dyn CacheMarks> {
        None
    }

    /// How its upstreams embed texts by that model, where they do.
    fn embeds(&self, _model: &str) -> Option<EmbeddingForm> {
        None
    }

    /// See [`crate::fold`].
    fn fold(&self, events: &[Bytes], context: &AnswerContext) -> Result<Bytes, ConvertError> {
        self.fold_by_reading(events, context)
    }

    /// Reads the events as the format's stream, and writes the answer that they amount to.
    fn fold_by_reading(
        &self,
        events: &[Bytes],
        context: &AnswerContext,
    ) -> Result<Bytes, ConvertError> {
        let mut reader = self.reader();
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
        Ok(self.write_answer(&answer, context))
    }

    /// See [`crate::unfold`].
    fn unfold(&self, body: &Bytes, context: &AnswerContext) -> Result<Vec<Bytes>, ConvertError> {
        let read = |payload: &mut Payload, root: Value<'_>| self.read_payload(payload, root);
        let payload = Payload::read_by(self.wire(), body.clone(), read)?;
        if payload.error().is_some() {
            return Err(ConvertError::Upstream);
        }
        let document = Document::parse(body).map_err(PayloadError::from)?;
        let answer = self.read_answer(document.root())?;
        if answer.choices.is_empty() {
            return Err(ConvertError::Empty);
        }
        Ok(self.events(&answer, body, context))
    }

    /// The events that a stream of a whole answer would have; `body` is the answer as it came.
    fn events(
        &self,
        answer: &ChatAnswer<'_>,
        _body: &Bytes,
        context: &AnswerContext,
    ) -> Vec<Bytes> {
        let mut writer = self.writer(context);
        let mut out = Vec::new();
        for step in replay(answer) {
            writer.write(&step, &mut out);
        }
        out
    }

    /// The body of a refusal.
    fn error_body(&self, error: &ErrorParts<'_>) -> Bytes;

    /// The data of the event that reports an error in a stream that has begun.
    fn error_event(&self, error: &ErrorParts<'_>) -> Bytes {
        self.error_body(error)
    }

    /// The header that the format's clients read an error's type from.
    fn error_header(&self, _status: u16) -> Option<(&'static str, &'static str)> {
        None
    }

    /// What an upstream's refusal says. None where it is no error of this format.
    fn read_error(&self, root: Value<'_>) -> Option<UpstreamErrorBody>;
}

/// The methods by which requests, answers and streams are written and answers and streams are read,
/// from what does it in the format's folder.
macro_rules! crossing {
    ($write:path; $read_answer:path, $write_answer:path; $reader:ty, $writer:ty) => {
        $crate::contract::format::upstream!($write; $read_answer; $reader);

        fn write_answer(
            &self,
            answer: &$crate::exchange::ChatAnswer<'_>,
            context: &$crate::contract::context::AnswerContext,
        ) -> ::bytes::Bytes {
            $write_answer(answer, context)
        }

        fn writer(
            &self,
            context: &$crate::contract::context::AnswerContext,
        ) -> Box<dyn $crate::contract::stream::WriteStream> {
            Box::new(<$writer>::new(context))
        }
    };
}
pub(crate) use crossing;

/// The same of a format that no client speaks.
macro_rules! upstream {
    ($write:path; $read_answer:path; $reader:ty) => {
        fn write_request(
            &self,
            request: &$crate::exchange::ChatRequest<'_>,
            options: &$crate::exchange::WriteOptions,
        ) -> Result<$crate::exchange::Written, $crate::exchange::Inexpressible> {
            $write(request, options)
        }

        fn read_answer<'d>(
            &self,
            root: $crate::json::Value<'d>,
        ) -> Result<$crate::exchange::ChatAnswer<'d>, $crate::payload::PayloadError> {
            $read_answer(root)
        }

        fn reader(&self) -> Box<dyn $crate::contract::stream::ReadStream> {
            Box::new(<$reader>::default())
        }
    };
}
pub(crate) use upstream;
