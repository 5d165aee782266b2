//! Google's `generateContent` and `streamGenerateContent`.

use bytes::Bytes;

use super::stream_read::StreamReader;
use super::stream_write::StreamWriter;
use super::{answer, error, fold, payload, prompt, read, write, write_tools};
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
    ("frequency_penalty", "generationConfig.frequencyPenalty"),
    ("logprobs", "generationConfig.responseLogprobs"),
    ("max_tokens", "generationConfig.maxOutputTokens"),
    ("metadata", "labels"),
    ("n", "generationConfig.candidateCount"),
    ("presence_penalty", "generationConfig.presencePenalty"),
    ("reasoning", "generationConfig.thinkingConfig"),
    (
        "reasoning_effort",
        "generationConfig.thinkingConfig.thinkingLevel",
    ),
    ("response_format", "generationConfig.responseSchema"),
    ("seed", "generationConfig.seed"),
    ("stop", "generationConfig.stopSequences"),
    ("temperature", "generationConfig.temperature"),
    ("tool_choice", "toolConfig.functionCallingConfig"),
    ("top_k", "generationConfig.topK"),
    ("top_logprobs", "generationConfig.logprobs"),
    ("top_p", "generationConfig.topP"),
];

/// Google's `generateContent` and `streamGenerateContent`.
pub(crate) struct Gemini;

impl Format for Gemini {
    fn wire(&self) -> Wire {
        Wire::Gemini
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
        Some("The input token count exceeds the maximum number of tokens allowed")
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

    fn fold(&self, events: &[Bytes], _context: &AnswerContext) -> Result<Bytes, ConvertError> {
        fold::fold(events)
    }

    /// Each of its events is an answer, so the whole one is a stream already.
    fn events(
        &self,
        _answer: &ChatAnswer<'_>,
        body: &Bytes,
        _context: &AnswerContext,
    ) -> Vec<Bytes> {
        vec![body.clone()]
    }

    fn error_body(&self, error: &ErrorParts<'_>) -> Bytes {
        error::error_body(error)
    }

    fn read_error(&self, root: Value<'_>) -> Option<UpstreamErrorBody> {
        error::read_error(root)
    }
}
