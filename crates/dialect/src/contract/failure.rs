//! Why a request or an answer can't be brought into another form.

use crate::exchange::written::Inexpressible;
use crate::payload::PayloadError;
use crate::request::RequestError;

/// Why a request can't be brought into another format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// The client's request is at fault.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The target can't take it.
    #[error(transparent)]
    Inexpressible(#[from] Inexpressible),
}

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
