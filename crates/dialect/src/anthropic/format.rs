//! Anthropic's messages.

use bytes::Bytes;

use super::cache::Marks;
use super::stream_read::StreamReader;
use super::stream_write::StreamWriter;
use super::{answer, error, fold, names, payload, prompt, read, unfold, write};
use crate::canonical::Channel;
use crate::contract::cache::CacheMarks;
use crate::contract::context::AnswerContext;
use crate::contract::failure::{ConvertError, TranslateError};
use crate::contract::format::{Format, crossing};
use crate::contract::place::in_messages;
use crate::contract::refusal::ErrorParts;
use crate::contract::ways::{Forms, Makers, ResultMedia, ToolNames, Ways};
use crate::exchange::request::ChatRequest;
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

const WAYS: Ways = Ways {
    names: NAMES,
    locate: Some(in_messages),
    too_long: Some("prompt is too long"),
    output_limits: &[(None, "max_tokens")],
    needs_limit: true,
    shows_thinking: true,
    makers: Makers::Anthropic,
    tool_names: Some(ToolNames {
        most: 128,
        marks: "_-",
        letter_first: false,
    }),
    ran: &[
        "bash_code_execution_tool_result",
        "code_execution_tool_result",
        "mcp_tool_result",
        "mcp_tool_use",
        "server_tool_use",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "web_fetch_tool_result",
        "web_search_tool_result",
    ],
    calls_need_tools: true,
    strict_turns: true,
    refuses_blanks: true,
    own_parts: true,
    result_media: ResultMedia::Seen,
    marks_failure: true,
    forms: Forms::Unknown,
    describes_forms: false,
    ..Ways::PLAIN
};

impl Format for Messages {
    fn wire(&self) -> Wire {
        Wire::Messages
    }

    fn ways(&self) -> &'static Ways {
        &WAYS
    }

    fn cache_marks(&self) -> Option<&'static dyn CacheMarks> {
        Some(&Marks)
    }

    crossing!(
        write::write_request;
        answer::read_answer, answer::write_answer;
        StreamReader, StreamWriter
    );

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

    fn is_own_tool(&self, kind: &str) -> bool {
        names::is_own_tool(kind)
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
