//! Content blocks that requests and answers have in common.

use std::borrow::Cow;

use super::names;
use crate::exchange::{Citation, ToolCall};
use crate::json::write;
use crate::json::{Document, Kind, Value};

/// The citations of a text block; null is none.
pub(super) fn citations(value: Value<'_>) -> Vec<Citation<'_>> {
    value.items().map(citation).collect()
}

/// One citation, in any of Anthropic's forms.
pub(super) fn citation(value: Value<'_>) -> Citation<'_> {
    let text = |name: &str| value.text(name);
    Citation {
        text: text("cited_text").unwrap_or_default(),
        url: text("url"),
        title: text("title").or_else(|| text("document_title")),
        range: None,
        json: Cow::Borrowed(value.raw()),
    }
}

/// Whether a citation is in one of Anthropic's forms.
pub(super) fn is_own(citation: &Citation<'_>) -> bool {
    let Ok(document) = Document::parse(citation.json.as_bytes()) else {
        return false;
    };
    let kind = document.root().text("type");
    kind.is_some_and(|kind| names::is_own_citation(&kind))
}

/// Whether an answer can tell this citation: Anthropic's own, or that of a page in the web.
pub(super) fn can_write(citation: &Citation<'_>) -> bool {
    citation.url.is_some() || is_own(citation)
}

/// Writes a citation that [`can_write`] agrees to. Other vendors' become a web page without
/// the index by which Anthropic would know it again.
pub(super) fn write_citation(citation: &Citation<'_>, out: &mut String) {
    if is_own(citation) {
        write::value(out, &citation.json);
        return;
    }
    write::typed(out, "web_search_result_location", |out| {
        write::text(out, "cited_text", &citation.text);
        write::text(out, "url", citation.url.as_deref().unwrap_or_default());
        write::text_or_null(out, "title", citation.title.as_deref());
        write::text(out, "encrypted_index", "");
    });
}

/// Writes a text block's members, with those citations.
pub(super) fn text<'c>(
    text: &str,
    citations: impl Iterator<Item = &'c Citation<'c>>,
    out: &mut String,
) {
    write::text(out, "type", "text");
    write::text(out, "text", text);
    write::some_list(out, "citations", |out| {
        citations.for_each(|citation| write_citation(citation, out));
    });
}

/// Writes the members of a call whose arguments are JSON.
pub(super) fn call(call: &ToolCall<'_>, input: &str, out: &mut String) {
    write::text(out, "type", "tool_use");
    write::text(out, "id", &call_id(&call.id));
    write::text(out, "name", &call.name);
    write::raw(out, "input", input);
}

/// Writes a block of thinking.
pub(super) fn thinking(text: &str, signature: &str, out: &mut String) {
    write::typed(out, "thinking", |out| {
        write::text(out, "thinking", text);
        write::text(out, "signature", signature);
    });
}

/// Writes a block of hidden thinking.
pub(super) fn redacted(data: &str, out: &mut String) {
    write::typed(out, "redacted_thinking", |out| {
        write::text(out, "data", data)
    });
}

/// The arguments of a call as an object: none where they are no JSON object. No arguments at
/// all are an empty one.
pub(super) fn input<'c>(call: &'c ToolCall<'_>) -> Option<&'c str> {
    let arguments = call.arguments.trim();
    if arguments.is_empty() {
        return Some("{}");
    }
    let object = !call.custom
        && Document::parse(arguments.as_bytes())
            .is_ok_and(|document| document.root().kind() == Kind::Object);
    object.then_some(arguments)
}

/// A call's id as Anthropic takes it (`^[a-zA-Z0-9_-]+$`); the same for a call and its result.
pub(super) fn call_id<'i>(id: &'i str) -> Cow<'i, str> {
    let fits =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if id.chars().all(fits) {
        Cow::Borrowed(id)
    } else {
        let fitted = id
            .chars()
            .map(|character| if fits(character) { character } else { '_' });
        Cow::Owned(fitted.collect())
    }
}
