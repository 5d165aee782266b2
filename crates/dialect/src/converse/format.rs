//! AWS Bedrock's Converse and ConverseStream.

use bytes::Bytes;

use super::stream_read::StreamReader;
use super::stream_write::StreamWriter;
use super::{answer, error, payload, prompt, read, write, write_tools};
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
use crate::payload::{Payload, PayloadError, UpstreamErrorBody};
use crate::request::{Read, RequestError};
use crate::wire::{Target, Wire};

const NAMES: &[(&str, &str)] = &[
    ("max_tokens", "inferenceConfig.maxTokens"),
    ("metadata", "requestMetadata"),
    ("reasoning", "additionalModelRequestFields.thinking"),
    ("reasoning_effort", "outputConfig.effort"),
    ("response_format", "outputConfig.textFormat"),
    ("stop", "inferenceConfig.stopSequences"),
    ("temperature", "inferenceConfig.temperature"),
    ("tool_choice", "toolConfig.toolChoice"),
    ("tools", "toolConfig.tools"),
    ("top_k", "additionalModelRequestFields.top_k"),
    ("top_p", "inferenceConfig.topP"),
];

/// AWS Bedrock's Converse and ConverseStream.
pub(crate) struct Converse;

impl Format for Converse {
    fn wire(&self) -> Wire {
        Wire::Converse
    }

    fn read_prompt(&self, target: &Target, root: Value<'_>) -> Result<Read, RequestError> {
        prompt::read(target, root)
    }

    fn read_request<'d>(
        &self,
        target: &Target,
        root: Value<'d>,
    ) -> Result<ChatRequest<'d>, TranslateError> {
        Ok(read::read_request(target, root)?)
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
        Some("Input is too long for requested model")
    }

    fn is_own_tool(&self, kind: &str) -> bool {
        write_tools::is_own_tool(kind)
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
        error::error_body(error)
    }

    fn error_event(&self, error: &ErrorParts<'_>) -> Bytes {
        error::error_event(error)
    }

    fn error_header(&self, status: u16) -> Option<(&'static str, &'static str)> {
        Some(("x-amzn-errortype", error::error_type(status)))
    }

    fn read_error(&self, root: Value<'_>) -> Option<UpstreamErrorBody> {
        error::read_error(root)
    }
}
