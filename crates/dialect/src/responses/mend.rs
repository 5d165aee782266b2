//! What clients write otherwise than OpenAI's responses have it.

use crate::json::{Splice, Value, json_string};
use crate::openai::mend::as_text;

/// Arguments and outputs of functions that are an object, or null.
pub(super) fn request(root: Value<'_>) -> Vec<Splice<'static>> {
    let member = |item: &Value<'_>| match () {
        () if item.says("type", "function_call") => Some(("arguments", "{}")),
        () if item.says("type", "function_call_output") => Some(("output", "")),
        () => None,
    };
    let mend = |item: Value<'_>| {
        let (name, nothing) = member(&item)?;
        let given = item.get(name)?;
        match given.is_null() {
            true => Some(Splice::new(given.span(), json_string(nothing))),
            false => as_text(Some(given)),
        }
    };
    root.each("input").filter_map(mend).collect()
}
