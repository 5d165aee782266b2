//! Anthropic's messages.

use bytes::Bytes;

use super::stream_read::StreamReader;
use super::stream_write::StreamWriter;
use super::{answer, error, fold, names, payload, prompt, read, unfold, write};
use crate::canonical::Channel;
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

const NAMES: &[(&str, &str)] = &[
    (
        "parallel_tool_calls",
        "tool_choice.disable_parallel_tool_use",
    ),
    ("reasoning", "thinking"),
    ("reasoning_effort", "output_config.effort"),
    ("response_format", "output_config.format"),
    ("stop", "stop_sequences"),
    ("user", "metadata.user_id"),
];

/// Anthropic's messages.
pub(crate) struct Messages;

impl Format for Messages {
    fn wire(&self) -> Wire {
        Wire::Messages
    }

    fn read_prompt(&self, target: &Target, root: Value<'_>) -> Result<Read, RequestError> {
        prompt::read(target, root)
    }

    fn read_request<'d>(
        &self,
        _target: &Target,
        root: Value<'d>,
    ) -> Result<ChatRequest<'d>, TranslateError> {
        Ok(read::read_request(root)?)
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

    fn too_long(&self) -> Option<&'static str> {
        Some("prompt is too long")
    }

    fn is_own_tool(&self, kind: &str) -> bool {
        names::is_own_tool(kind)
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

    fn fold(&self, events: &[Bytes], _context: &AnswerContext) -> Result<Bytes, ConvertError> {
        fold::fold(events)
    }

    fn unfold(&self, body: &Bytes, _context: &AnswerContext) -> Result<Vec<Bytes>, ConvertError> {
        unfold::unfold(body)
    }

    fn error_body(&self, error: &ErrorParts<'_>) -> Bytes {
        error::error_body(error)
    }

    fn read_error(&self, root: Value<'_>) -> Option<UpstreamErrorBody> {
        error::read_error(root)
    }
}
