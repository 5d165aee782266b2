//! What clients write otherwise than OpenAI's responses have it.

use crate::json::{Splice, Value};
use crate::openai::mend::as_text;

/// Arguments and outputs of functions that are an object.
pub(super) fn request(root: Value<'_>) -> Vec<Splice<'static>> {
    let member = |item: &Value<'_>| match () {
        () if item.says("type", "function_call") => Some("arguments"),
        () if item.says("type", "function_call_output") => Some("output"),
        () => None,
    };
    let items = root.each("input");
    items
        .filter_map(|item| as_text(item.get(member(&item)?)))
        .collect()
}
