//! A body in the making.

use crate::exchange::{ChatRequest, Draft, WriteOptions};

/// A body in the making.
pub(super) type Body<'o> = Draft<'o>;

/// The model that answers, by the name that tells most.
pub(super) fn model<'m>(request: &'m ChatRequest<'_>, options: &'m WriteOptions) -> &'m str {
    match options.model.as_str() {
        "" => &request.model,
        model => model,
    }
}
