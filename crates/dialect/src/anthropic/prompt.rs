//! Reads the fields of a request into the canonical prompt that policies see.

use crate::json::Value;
use crate::request::{Read, RequestError};

pub(crate) fn read(root: Value<'_>) -> Result<Read, RequestError> {
    Err(RequestError::wrong_type(
        "body",
        "a format that is spoken here",
        root,
    ))
}
