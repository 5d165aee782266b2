//! An error as a client reads it, in its own dialect.

use bytes::Bytes;
use forebay_dialect::Wire;
use forebay_dialect::door::Door;
use forebay_dialect::error::{ErrorParts, error_body};

use crate::error::GatewayError;

/// An error in the client's dialect.
pub(crate) fn body_of(wire: Wire, door: Option<Door>, error: &GatewayError) -> Bytes {
    let parts = parts_of(error);
    match door {
        Some(door) => door.error(&parts),
        None => error_body(wire, &parts),
    }
}

pub(super) fn parts_of(error: &GatewayError) -> ErrorParts<'_> {
    ErrorParts {
        status: error.status(),
        message: &error.message,
        kind: error
            .error_type
            .as_deref()
            .unwrap_or(error.kind.openai_type()),
        param: error.param.as_deref(),
        code: Some(error.code.as_deref().unwrap_or(error.kind.code())),
        sequence: 0,
    }
}
