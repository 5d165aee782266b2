//! OpenAI's responses.

use bytes::Bytes;

use super::echo::ECHOED;
use super::stream_read::StreamReader;
use super::stream_write::StreamWriter;
use super::{answer, error, fold, payload, place, prompt, read, write};
use crate::canonical::Channel;
use crate::contract::context::AnswerContext;
use crate::contract::failure::{ConvertError, TranslateError};
use crate::contract::format::{Format, crossing};
use crate::contract::refusal::ErrorParts;
use crate::contract::ways::{Makers, ResultMedia, ToolNames, Ways, Where};
use crate::exchange::request::ChatRequest;
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

const WAYS: Ways = Ways {
    names: NAMES,
    locate: Some(place::locate),
    output_limits: &[(None, "max_output_tokens")],
    echoed: ECHOED,
    hides_thinking: true,
    makers: Makers::OpenAi,
    tool_names: Some(ToolNames {
        most: 64,
        marks: "_-",
        letter_first: false,
    }),
    custom_tools: Where::Everywhere,
    ran: &[
        "code_interpreter_call",
        "file_search_call",
        "image_generation_call",
        "mcp_call",
        "mcp_list_tools",
        "web_search_call",
    ],
    reads_arguments: Where::Elsewhere,
    result_media: ResultMedia::Seen,
    ..Ways::PLAIN
};

impl Format for Responses {
    fn wire(&self) -> Wire {
        Wire::Responses
    }

    fn ways(&self) -> &'static Ways {
        &WAYS
    }

    crossing!(
        write::write_request;
        answer::read_answer, answer::write_answer;
        StreamReader, StreamWriter
    );

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

    fn read_payload(&self, payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
        payload::read(payload, root)
    }

    fn synthesise(&self, payload: &Payload, texts: &[(u32, Channel, String)]) -> Vec<Bytes> {
        payload::synthesise(payload, texts)
    }

    fn fold(&self, events: &[Bytes], context: &AnswerContext) -> Result<Bytes, ConvertError> {
        match fold::fold(events)? {
            Some(whole) => Ok(whole),
            None => self.fold_by_reading(events, context),
        }
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
