//! From a stream to a whole completion and back, so that one recording answers clients that
//! stream and clients that don't.

pub use super::fold::fold;
pub use super::unfold::unfold;

use crate::json::Value;
use crate::payload::PayloadError;

/// Why an answer can't be brought into the other form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// There is no chunk with choices to make a completion of.
    #[error("the stream has no chunk with a choice")]
    Empty,
    /// A payload can't be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The answer is an error, which has one form only.
    #[error("the upstream answered with an error")]
    Upstream,
}

/// Whether a payload reports an error.
pub(super) fn is_error(root: Value<'_>) -> bool {
    root.get("error").is_some_and(|error| !error.is_null())
        || root
            .get("object")
            .is_some_and(|object| object.is_str("error"))
}
