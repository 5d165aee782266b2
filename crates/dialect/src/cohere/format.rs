//! Cohere's `/v2/chat`. Upstreams only.

use bytes::Bytes;

use super::stream::StreamReader;
use super::{answer, write};
use crate::contract::context::AnswerContext;
use crate::contract::embedding::EmbeddingForm;
use crate::contract::format::{Format, upstream};
use crate::contract::refusal::ErrorParts;
use crate::contract::stream::WriteStream;
use crate::contract::ways::{Forms, ResultMedia, ToolNames, Ways, Where};
use crate::exchange::answer::ChatAnswer;
use crate::json::Value;
use crate::openai;
use crate::payload::UpstreamErrorBody;
use crate::wire::Wire;

/// Cohere's `/v2/chat`. Upstreams only.
pub(crate) struct Cohere;

const WAYS: Ways = Ways {
    tool_names: Some(ToolNames {
        most: 64,
        marks: "_",
        letter_first: true,
    }),
    names_tool: false,
    text_files: Where::Everywhere,
    result_media: ResultMedia::Files,
    forms: Forms::WithoutTools,
    ..Ways::PLAIN
};

impl Format for Cohere {
    fn wire(&self) -> Wire {
        Wire::Cohere
    }

    fn ways(&self) -> &'static Ways {
        &WAYS
    }

    fn embeds(&self, _model: &str) -> Option<EmbeddingForm> {
        Some(EmbeddingForm::Cohere)
    }

    upstream!(write::write_request; answer::read_answer; StreamReader);

    // No client speaks it: what is written is OpenAI's.
    fn write_answer(&self, answer: &ChatAnswer<'_>, context: &AnswerContext) -> Bytes {
        openai::format::Chat.write_answer(answer, context)
    }

    fn writer(&self, context: &AnswerContext) -> Box<dyn WriteStream> {
        openai::format::Chat.writer(context)
    }

    fn error_body(&self, error: &ErrorParts<'_>) -> Bytes {
        openai::error::body_of(error)
    }

    fn read_error(&self, root: Value<'_>) -> Option<UpstreamErrorBody> {
        answer::read_error(root)
    }
}
