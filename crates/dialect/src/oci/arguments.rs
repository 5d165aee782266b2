//! Arguments of calls as JSON objects, for a form that has them so.

use crate::json::{Document, Kind};

/// Whether a text is a JSON object.
pub(super) fn is_object(text: &str) -> bool {
    Document::parse(text.as_bytes()).is_ok_and(|document| document.root().kind() == Kind::Object)
}

/// A call's arguments as an object; none where they are something else.
pub(super) fn object_of(arguments: &str) -> Option<&str> {
    if arguments.trim().is_empty() {
        return Some("{}");
    }
    is_object(arguments).then_some(arguments)
}
