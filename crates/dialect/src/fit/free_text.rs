//! The free text of a custom tool as the arguments of a function, and back.

use std::borrow::Cow;

use crate::json::{Document, write};

/// The function's one argument.
pub(super) const INPUT: &str = "input";

/// Free text as the function's arguments.
pub(super) fn in_object(text: &str) -> String {
    write::document(|out| write::text(out, INPUT, text))
}

/// The free text of the function's arguments; what isn't of that form is passed on as it is.
pub(super) fn text_of(arguments: &str) -> String {
    let document = Document::parse(arguments.as_bytes());
    let text = document.ok().and_then(|document| {
        let root = document.root();
        let named = root.text(INPUT);
        // Small models name the argument as they like.
        let only = || {
            let mut members = root.members();
            let (_, value) = members.next()?;
            value.as_str().filter(|_| members.next().is_none())
        };
        named.or_else(only).map(Cow::into_owned)
    });
    text.unwrap_or_else(|| arguments.to_owned())
}
