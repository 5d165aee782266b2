//! OpenAI's embeddings: texts in, vectors out; and the same at upstreams of another form.

use bytes::Bytes;

use crate::cross::{AnswerContext, TranslateError};
use crate::exchange::{Inexpressible, WriteOptions, Written};
use crate::json::Value;
use crate::payload::{Payload, PayloadError, wrong_type};
use crate::request::{Read, Request, RequestError};
use crate::wire::Wire;

pub(crate) fn read(root: Value<'_>) -> Result<Read, RequestError> {
    Err(RequestError::wrong_type(
        "body",
        "a format that is spoken here",
        root,
    ))
}

pub(crate) fn read_payload(_payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
    Err(wrong_type("payload", "a format that is spoken here", root))
}

/// An embeddings request in the format of an upstream.
pub(crate) fn translate(
    _request: &Request,
    _root: Value<'_>,
    _to: Wire,
    _options: &WriteOptions,
) -> Result<Written, TranslateError> {
    Err(Inexpressible {
        param: "input".to_owned(),
        why: "not spoken yet".to_owned(),
    }
    .into())
}

/// An upstream's vectors as OpenAI's.
pub(crate) fn translate_answer(
    _from: Wire,
    body: &Bytes,
    _context: &AnswerContext,
) -> Result<Bytes, PayloadError> {
    Ok(body.clone())
}
