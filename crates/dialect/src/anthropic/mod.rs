//! Anthropic's messages.

pub(crate) mod payload;
pub(crate) mod prompt;

use bytes::Bytes;

use crate::UpstreamErrorBody;
use crate::cross::{AnswerContext, ReadStream, WriteStream};
use crate::error::ErrorParts;
use crate::exchange::{ChatAnswer, ChatRequest, Inexpressible, StreamEvent, WriteOptions, Written};
use crate::json::Value;
use crate::payload::{PayloadError, wrong_type};
use crate::request::RequestError;

pub(crate) fn read_request<'d>(root: Value<'d>) -> Result<ChatRequest<'d>, RequestError> {
    Err(RequestError::wrong_type(
        "body",
        "a format that is spoken here",
        root,
    ))
}

pub(crate) fn write_request(
    _request: &ChatRequest<'_>,
    _options: &WriteOptions,
) -> Result<Written, Inexpressible> {
    Err(Inexpressible {
        param: "body".to_owned(),
        why: "not spoken yet".to_owned(),
    })
}

/// Reads a stream.
#[derive(Default)]
pub(crate) struct StreamReader;

impl ReadStream for StreamReader {
    fn read(
        &mut self,
        _event: Option<&str>,
        root: Value<'_>,
        _out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError> {
        Err(wrong_type("payload", "a format that is spoken here", root))
    }

    fn end(&mut self, _out: &mut Vec<StreamEvent>) {}
}

pub(crate) fn read_answer(root: Value<'_>) -> Result<ChatAnswer<'_>, PayloadError> {
    Err(wrong_type("payload", "a format that is spoken here", root))
}

pub(crate) fn read_error(_root: Value<'_>) -> Option<UpstreamErrorBody> {
    None
}

/// Writes a stream.
pub(crate) struct StreamWriter;

impl StreamWriter {
    pub(crate) fn new(_context: &AnswerContext) -> Self {
        Self
    }
}

impl WriteStream for StreamWriter {
    fn write(&mut self, _event: &StreamEvent, _out: &mut Vec<Bytes>) {}
}

pub(crate) fn write_answer(_answer: &ChatAnswer<'_>, _context: &AnswerContext) -> Bytes {
    Bytes::new()
}

pub(crate) fn error_body(_error: &ErrorParts<'_>) -> Bytes {
    Bytes::new()
}
