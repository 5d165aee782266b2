//! Errors in each dialect's shape, for clients, and read from each upstream's.

use bytes::Bytes;

use crate::json::{Document, Kind};
use crate::payload::UpstreamErrorBody;
use crate::wire::Wire;
use crate::{anthropic, cohere, converse, gemini, oci, openai, responses};

/// What a client is told of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorParts<'a> {
    /// The HTTP status; within a stream the one it would have had.
    pub status: u16,
    /// What went wrong, for people.
    pub message: &'a str,
    /// OpenAI's `type`; empty: the one that goes with the status.
    pub kind: &'a str,
    /// The field at fault.
    pub param: Option<&'a str>,
    /// A stable code for machines.
    pub code: Option<&'a str>,
    /// How many events of its stream went out before it; OpenAI's responses number theirs.
    pub sequence: u64,
}

/// The body of a refusal.
pub fn error_body(wire: Wire, error: &ErrorParts<'_>) -> Bytes {
    match wire {
        Wire::Messages => anthropic::error_body(error),
        Wire::Gemini => gemini::error_body(error),
        Wire::Converse => converse::error_body(error),
        _ => openai::error::error_body(
            error.status,
            error.message,
            error.kind,
            error.param,
            error.code,
        ),
    }
}

/// The data of the event that reports an error in a stream that has begun.
pub fn error_event(wire: Wire, error: &ErrorParts<'_>) -> Bytes {
    match wire {
        Wire::Messages => anthropic::error_body(error),
        Wire::Responses => responses::error_event(error),
        Wire::Gemini => gemini::error_body(error),
        Wire::Converse => converse::error_event(error),
        _ => error_body(wire, error),
    }
}

/// The header that AWS's clients read an error's type from, where the dialect has one.
pub fn error_header(wire: Wire, status: u16) -> Option<(&'static str, &'static str)> {
    (wire == Wire::Converse).then(|| ("x-amzn-errortype", converse::error_type(status)))
}

/// What an upstream's refusal says. None where the body is no error of its format, such as a
/// proxy's HTML page.
pub fn read_error(wire: Wire, body: &Bytes) -> Option<UpstreamErrorBody> {
    let document = Document::parse(body).ok()?;
    let root = document.root();
    if root.kind() != Kind::Object {
        // Google's streams wrap an error in an array.
        let first = root.items().next()?;
        return gemini::read_error(first);
    }
    match wire {
        Wire::Messages => anthropic::read_error(root),
        Wire::Gemini => gemini::read_error(root),
        Wire::Converse => converse::read_error(root),
        Wire::Cohere => cohere::read_error(root),
        Wire::Oci => oci::read_error(root),
        Wire::Responses => responses::read_error(root),
        _ => openai::payload::error_of(root),
    }
}
