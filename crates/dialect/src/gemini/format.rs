//! Google's `generateContent` and `streamGenerateContent`.

use bytes::Bytes;

use super::stream_read::StreamReader;
use super::stream_write::StreamWriter;
use super::{answer, error, fold, payload, prompt, read, write, write_tools};
use crate::canonical::Channel;
use crate::contract::context::AnswerContext;
use crate::contract::embedding::EmbeddingForm;
use crate::contract::failure::{ConvertError, TranslateError};
use crate::contract::format::{Format, crossing};
use crate::contract::place::in_turns;
use crate::contract::refusal::ErrorParts;
use crate::contract::ways::{Makers, ResultMedia, ToolNames, Ways};
use crate::exchange::answer::ChatAnswer;
use crate::exchange::request::ChatRequest;
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

const WAYS: Ways = Ways {
    names: NAMES,
    locate: Some(|request, place| {
        in_turns(request, place, "systemInstruction", "contents", "parts")
    }),
    too_long: Some("The input token count exceeds the maximum number of tokens allowed"),
    output_limits: &[
        (Some("generationConfig"), "maxOutputTokens"),
        (Some("generation_config"), "max_output_tokens"),
    ],
    hides_thinking: true,
    makers: Makers::Google,
    tool_names: Some(ToolNames {
        most: 64,
        marks: "_-.:",
        letter_first: true,
    }),
    ran: &[
        "codeExecutionResult",
        "executableCode",
        "toolCall",
        "toolResponse",
    ],
    strict_turns: true,
    result_media: ResultMedia::Seen,
    marks_failure: true,
    describes_forms: false,
    ..Ways::PLAIN
};

impl Format for Gemini {
    fn wire(&self) -> Wire {
        Wire::Gemini
    }

    fn ways(&self) -> &'static Ways {
        &WAYS
    }

    fn embeds(&self, _model: &str) -> Option<EmbeddingForm> {
        Some(EmbeddingForm::Gemini)
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
