//! Reads the fields of a request into the canonical prompt that policies see.

use crate::json::Value;
use crate::request::{Read, RequestError};
use crate::wire::Target;

pub(crate) fn read(_target: &Target, root: Value<'_>) -> Result<Read, RequestError> {
    Err(RequestError::wrong_type(
        "body",
        "a format that is spoken here",
        root,
    ))
}
