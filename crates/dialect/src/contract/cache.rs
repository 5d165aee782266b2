//! How a request says what of it a provider's prompt cache is to keep.

use crate::json::{Splice, Value};

/// The markers of a format's requests.
pub(crate) trait CacheMarks: Sync {
    /// The list of tools.
    fn tools<'d>(&self, root: Value<'d>) -> Option<Value<'d>>;

    /// Whether the request leaves it to the provider where to mark.
    fn is_automatic(&self, _root: Value<'_>) -> bool {
        false
    }

    /// The client's own markers in a block, those within a tool's result included.
    fn count(&self, block: Value<'_>) -> usize;

    /// Whether a marker may stand at this block.
    fn may_mark(&self, block: Value<'_>) -> bool;

    /// Sets a marker at a block, for an hour or for five minutes.
    fn mark(&self, block: Value<'_>, hour: bool, splices: &mut Vec<Splice<'_>>);
}

/// Whether a text says nothing, or is none: no marker stands at it.
pub(crate) fn is_blank(text: Option<Value<'_>>) -> bool {
    let text = text.and_then(Value::as_str);
    text.is_none_or(|text| text.trim().is_empty())
}

/// The members of a marker of that type.
pub(crate) fn marker(kind: &str, hour: bool, out: &mut String) {
    crate::json::write::text(out, "type", kind);
    if hour {
        crate::json::write::text(out, "ttl", "1h");
    }
}
