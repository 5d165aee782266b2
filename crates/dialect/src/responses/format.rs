//! OpenAI's responses.

use bytes::Bytes;

use super::stream_read::StreamReader;
use super::stream_write::StreamWriter;
use super::{answer, error, payload, prompt, read, write};
use crate::canonical::Channel;
use crate::contract::context::AnswerContext;
use crate::contract::failure::TranslateError;
use crate::contract::format::Format;
use crate::contract::refusal::ErrorParts;
use crate::contract::stream::{ReadStream, WriteStream};
use crate::exchange::answer::ChatAnswer;
use crate::exchange::request::ChatRequest;
use crate::exchange::written::{Inexpressible, WriteOptions, Written};
use crate::json::Value;
use crate::openai;
use crate::payload::{Payload, PayloadError, UpstreamErrorBody};
use crate::request::{Read, RequestError};
use crate::wire::{Target, Wire};

const NAMES: &[(&str, &str)] = &[
    ("max_tokens", "max_output_tokens"),
    ("reasoning_effort", "reasoning.effort"),
    ("response_format", "text.format"),
];

/// OpenAI's responses.
pub(crate) struct Responses;

impl Format for Responses {
    fn wire(&self) -> Wire {
        Wire::Responses
    }

    fn read_prompt(&self, _target: &Target, root: Value<'_>) -> Result<Read, RequestError> {
        prompt::read(root)
    }

    fn read_request<'d>(
        &self,
        _target: &Target,
        root: Value<'d>,
    ) -> Result<ChatRequest<'d>, TranslateError> {
        read::read_request(root)
    }

    fn write_request(
        &self,
        request: &ChatRequest<'_>,
        options: &WriteOptions,
    ) -> Result<Written, Inexpressible> {
        write::write_request(request, options)
    }

    fn names(&self) -> &'static [(&'static str, &'static str)] {
        NAMES
    }

    fn read_answer<'d>(&self, root: Value<'d>) -> Result<ChatAnswer<'d>, PayloadError> {
        answer::read_answer(root)
    }

    fn write_answer(&self, answer: &ChatAnswer<'_>, context: &AnswerContext) -> Bytes {
        answer::write_answer(answer, context)
    }

    fn reader(&self) -> Box<dyn ReadStream> {
        Box::new(StreamReader::default())
    }

    fn writer(&self, context: &AnswerContext) -> Box<dyn WriteStream> {
        Box::new(StreamWriter::new(context))
    }

    fn read_payload(&self, payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
        payload::read(payload, root)
    }

    fn synthesise(&self, payload: &Payload, texts: &[(u32, Channel, String)]) -> Vec<Bytes> {
        payload::synthesise(payload, texts)
    }

    fn error_body(&self, error: &ErrorParts<'_>) -> Bytes {
        openai::error::body_of(error)
    }

    fn error_event(&self, error: &ErrorParts<'_>) -> Bytes {
        error::error_event(error)
    }

    fn read_error(&self, root: Value<'_>) -> Option<UpstreamErrorBody> {
        error::read_error(root)
    }
}
