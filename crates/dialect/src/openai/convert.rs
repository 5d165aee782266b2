//! From a stream to a whole completion and back, so that one recording answers clients that
//! stream and clients that don't.

pub use super::fold::fold;
pub use super::unfold::unfold;
pub use crate::contract::failure::ConvertError;

use crate::json::Value;

/// Whether a payload reports an error.
pub(super) fn is_error(root: Value<'_>) -> bool {
    root.get("error").is_some_and(|error| !error.is_null()) || root.says("object", "error")
}
