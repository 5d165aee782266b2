//! Cohere's `/v2/chat`. Upstreams only.

use bytes::Bytes;

use super::stream::StreamReader;
use super::{answer, write};
use crate::contract::context::AnswerContext;
use crate::contract::format::{Format, upstream};
use crate::contract::refusal::ErrorParts;
use crate::contract::stream::WriteStream;
use crate::exchange::answer::ChatAnswer;
use crate::json::Value;
use crate::openai;
use crate::payload::UpstreamErrorBody;
use crate::wire::Wire;

/// Cohere's `/v2/chat`. Upstreams only.
pub(crate) struct Cohere;

impl Format for Cohere {
    fn wire(&self) -> Wire {
        Wire::Cohere
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
