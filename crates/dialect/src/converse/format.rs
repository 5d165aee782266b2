//! AWS Bedrock's Converse and ConverseStream.

use bytes::Bytes;

use super::cache::Marks;
use super::stream_read::StreamReader;
use super::stream_write::StreamWriter;
use super::{answer, error, payload, prompt, read, write, write_tools};
use crate::canonical::Channel;
use crate::contract::cache::CacheMarks;
use crate::contract::embedding::EmbeddingForm;
use crate::contract::failure::TranslateError;
use crate::contract::format::{Format, crossing};
use crate::contract::place::in_messages;
use crate::contract::refusal::ErrorParts;
use crate::contract::ways::{Makers, ResultMedia, ToolNames, Ways};
use crate::exchange::request::ChatRequest;
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

const WAYS: Ways = Ways {
    names: NAMES,
    locate: Some(in_messages),
    too_long: Some("Input is too long for requested model"),
    output_limits: &[(Some("inferenceConfig"), "maxTokens")],
    shows_thinking: true,
    bytes_only: true,
    adapts: true,
    makers: Makers::Bedrock,
    tool_names: Some(ToolNames {
        most: 64,
        marks: "_-",
        letter_first: false,
    }),
    calls_need_tools: true,
    strict_turns: true,
    refuses_blanks: true,
    refuses_silence: true,
    system_first: true,
    result_media: ResultMedia::Seen,
    marks_failure: true,
    ..Ways::PLAIN
};

impl Format for Converse {
    fn wire(&self) -> Wire {
        Wire::Converse
    }

    fn ways(&self) -> &'static Ways {
        &WAYS
    }

    fn cache_marks(&self) -> Option<&'static dyn CacheMarks> {
        Some(&Marks)
    }

    /// Profiles of several regions stand before a model's maker: `eu.cohere.embed-v4:0`.
    fn embeds(&self, model: &str) -> Option<EmbeddingForm> {
        Some(match model.contains("cohere.") {
            true => EmbeddingForm::BedrockCohere,
            false => EmbeddingForm::Titan,
        })
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
        target: &Target,
        root: Value<'d>,
    ) -> Result<ChatRequest<'d>, TranslateError> {
        Ok(read::read_request(target, root)?)
    }

    fn is_own_tool(&self, kind: &str) -> bool {
        write_tools::is_own_tool(kind)
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
