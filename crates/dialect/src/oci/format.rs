//! Oracle's `/20231130/actions/chat`. Upstreams only.

use bytes::Bytes;

use super::stream::StreamReader;
use super::{answer, write};
use crate::contract::context::AnswerContext;
use crate::contract::format::Format;
use crate::contract::refusal::ErrorParts;
use crate::contract::stream::{ReadStream, WriteStream};
use crate::exchange::answer::ChatAnswer;
use crate::exchange::request::ChatRequest;
use crate::exchange::written::{Inexpressible, WriteOptions, Written};
use crate::json::Value;
use crate::openai;
use crate::payload::{PayloadError, UpstreamErrorBody};
use crate::wire::Wire;

/// Oracle's `/20231130/actions/chat`. Upstreams only.
pub(crate) struct Oci;

impl Format for Oci {
    fn wire(&self) -> Wire {
        Wire::Oci
    }

    fn write_request(
        &self,
        request: &ChatRequest<'_>,
        options: &WriteOptions,
    ) -> Result<Written, Inexpressible> {
        write::write_request(request, options)
    }

    fn read_answer<'d>(&self, root: Value<'d>) -> Result<ChatAnswer<'d>, PayloadError> {
        answer::read_answer(root)
    }

    fn reader(&self) -> Box<dyn ReadStream> {
        Box::new(StreamReader::default())
    }

    // No client speaks it: what is written is OpenAI's.
    fn write_answer(&self, answer: &ChatAnswer<'_>, context: &AnswerContext) -> Bytes {
        openai::exchange::write_answer(answer, context)
    }

    fn writer(&self, context: &AnswerContext) -> Box<dyn WriteStream> {
        Box::new(openai::exchange::StreamWriter::new(context))
    }

    fn error_body(&self, error: &ErrorParts<'_>) -> Bytes {
        openai::error::body_of(error)
    }

    fn read_error(&self, root: Value<'_>) -> Option<UpstreamErrorBody> {
        answer::read_error(root)
    }
}
