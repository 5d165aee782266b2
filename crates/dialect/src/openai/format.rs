//! OpenAI's chat completions, completions and embeddings: their rows in the table of formats.

use bytes::Bytes;

use super::{convert, embeddings, error, exchange, payload, prompt, rewrite};
use crate::canonical::{Channel, Operation};
use crate::contract::context::AnswerContext;
use crate::contract::failure::{ConvertError, TranslateError};
use crate::contract::format::Format;
use crate::contract::refusal::ErrorParts;
use crate::contract::stream::{ReadStream, WriteStream};
use crate::exchange::answer::ChatAnswer;
use crate::exchange::request::ChatRequest;
use crate::exchange::written::{Inexpressible, WriteOptions, Written};
use crate::json::Value;
use crate::payload::{Payload, PayloadError, UpstreamErrorBody};
use crate::request::{Read, RequestError};
use crate::wire::{Target, Wire};

/// OpenAI's chat completions.
pub(crate) struct Chat;
/// OpenAI's completions.
pub(crate) struct Completions;
/// OpenAI's embeddings.
pub(crate) struct Embeddings;

/// What all three have in common: errors, and how answers cross.
macro_rules! common {
    () => {
        fn read_answer<'d>(&self, root: Value<'d>) -> Result<ChatAnswer<'d>, PayloadError> {
            exchange::read_answer(root)
        }

        fn write_answer(&self, answer: &ChatAnswer<'_>, context: &AnswerContext) -> Bytes {
            exchange::write_answer(answer, context)
        }

        fn reader(&self) -> Box<dyn ReadStream> {
            Box::new(exchange::StreamReader::default())
        }

        fn writer(&self, context: &AnswerContext) -> Box<dyn WriteStream> {
            Box::new(exchange::StreamWriter::new(context))
        }

        fn error_body(&self, error: &ErrorParts<'_>) -> Bytes {
            error::body_of(error)
        }

        fn read_error(&self, root: Value<'_>) -> Option<UpstreamErrorBody> {
            payload::error_of(root)
        }
    };
}

impl Format for Chat {
    fn wire(&self) -> Wire {
        Wire::Chat
    }

    fn read_prompt(&self, _target: &Target, root: Value<'_>) -> Result<Read, RequestError> {
        prompt::read(Operation::Chat, root)
    }
    fn read_request<'d>(
        &self,
        _target: &Target,
        root: Value<'d>,
    ) -> Result<ChatRequest<'d>, TranslateError> {
        Ok(exchange::read_request(root)?)
    }

    fn write_request(
        &self,
        request: &ChatRequest<'_>,
        options: &WriteOptions,
    ) -> Result<Written, Inexpressible> {
        exchange::write_request(request, options)
    }

    fn read_payload(&self, payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
        payload::read(payload, root)
    }

    fn synthesise(&self, payload: &Payload, texts: &[(u32, Channel, String)]) -> Vec<Bytes> {
        vec![rewrite::synthesise(payload, texts)]
    }

    fn fold(&self, events: &[Bytes], _context: &AnswerContext) -> Result<Bytes, ConvertError> {
        convert::fold(Operation::Chat, events)
    }

    fn unfold(&self, body: &Bytes, _context: &AnswerContext) -> Result<Vec<Bytes>, ConvertError> {
        convert::unfold(Operation::Chat, body)
    }

    common!();
}

impl Format for Completions {
    fn wire(&self) -> Wire {
        Wire::Completions
    }

    fn read_prompt(&self, _target: &Target, root: Value<'_>) -> Result<Read, RequestError> {
        prompt::read(Operation::Completion, root)
    }
    fn read_payload(&self, payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
        payload::read(payload, root)
    }

    fn synthesise(&self, payload: &Payload, texts: &[(u32, Channel, String)]) -> Vec<Bytes> {
        vec![rewrite::synthesise(payload, texts)]
    }

    fn fold(&self, events: &[Bytes], _context: &AnswerContext) -> Result<Bytes, ConvertError> {
        convert::fold(Operation::Completion, events)
    }

    fn unfold(&self, body: &Bytes, _context: &AnswerContext) -> Result<Vec<Bytes>, ConvertError> {
        convert::unfold(Operation::Completion, body)
    }

    common!();
}

impl Format for Embeddings {
    fn wire(&self) -> Wire {
        Wire::Embeddings
    }

    fn read_prompt(&self, _target: &Target, root: Value<'_>) -> Result<Read, RequestError> {
        embeddings::read(root)
    }

    fn read_payload(&self, payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
        embeddings::read_payload(payload, root)
    }

    common!();
}
