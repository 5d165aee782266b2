//! Writes the pieces that requests and answers have in common: members, parts.

use serde::de::IgnoredAny;

use super::view::type_of_url;
use crate::json::write;

/// The next value is what the user says, or the model, in parts.
pub(super) fn content<R>(out: &mut String, model: bool, parts: impl FnOnce(&mut String) -> R) -> R {
    write::braces(out, |out| {
        write::text(out, "role", if model { "model" } else { "user" });
        write::list(out, "parts", parts)
    })
}

/// Text, or a thought, of which `signature` is the proof.
pub(super) fn text_part(out: &mut String, said: &str, thought: bool, signature: Option<&str>) {
    write::braces(out, |out| {
        if thought {
            write::plain(out, "thought", true);
        }
        write::text(out, "text", said);
        write::text_if(out, SIGNATURE, signature);
    });
}

/// A call. `arguments` are those of [`call_arguments`].
pub(super) fn call_part(
    out: &mut String,
    id: &str,
    called: &str,
    arguments: &str,
    signature: Option<&str>,
) {
    write::braces(out, |out| {
        write::object(out, "functionCall", |out| {
            write::text_if(out, "id", Some(id).filter(|id| !id.is_empty()));
            write::text(out, "name", called);
            write::raw(out, "args", arguments);
        });
        write::text_if(out, SIGNATURE, signature);
    });
}

/// The member of a part that proves it.
pub(super) const SIGNATURE: &str = "thoughtSignature";

/// `"inlineData": {…}`: bytes in the request.
pub(super) fn inline_data(out: &mut String, media_type: &str, data: &str, label: Option<&str>) {
    write::object(out, "inlineData", |out| {
        write::text(out, "mimeType", media_type);
        // Base64 has nothing to escape.
        write::name(out, "data");
        write::quoted(out, |out| out.push_str(data));
        write::text_if(out, "displayName", label);
    });
}

/// `"fileData": {…}`: bytes elsewhere.
pub(super) fn file_data(out: &mut String, media_type: &str, uri: &str, label: Option<&str>) {
    let told = match media_type.is_empty() {
        true => type_of_url(uri),
        false => Some(media_type),
    };
    write::object(out, "fileData", |out| {
        write::text_if(out, "mimeType", told.filter(|told| !told.is_empty()));
        write::text(out, "fileUri", uri);
        write::text_if(out, "displayName", label);
    });
}

/// A call's arguments as the object that Google wants; none where they are no object. A call
/// without arguments has an empty one.
pub(super) fn call_arguments(arguments: &str) -> Option<&str> {
    let said = arguments.trim();
    if said.is_empty() {
        return Some("{}");
    }
    let is_object = said.starts_with('{') && serde_json::from_str::<IgnoredAny>(said).is_ok();
    is_object.then_some(said)
}
