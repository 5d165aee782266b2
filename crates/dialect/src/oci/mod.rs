//! Oracle's generative AI chat. Upstreams only.

use crate::UpstreamErrorBody;
use crate::cross::ReadStream;
use crate::exchange::{ChatAnswer, ChatRequest, Inexpressible, StreamEvent, WriteOptions, Written};
use crate::json::Value;
use crate::payload::{PayloadError, wrong_type};

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
