//! Writes the pieces that requests and answers have in common: members, parts.

use serde::de::IgnoredAny;

use super::view::type_of_url;
use crate::json::write::{item, name, text};

/// Text, or a thought, of which `signature` is the proof.
pub(super) fn text_part(out: &mut String, said: &str, thought: bool, signature: Option<&str>) {
    item(out);
    out.push('{');
    if thought {
        out.push_str("\"thought\":true");
    }
    text(out, "text", said);
    end_part(out, signature);
}

/// A call. `arguments` are those of [`call_arguments`].
pub(super) fn call_part(
    out: &mut String,
    id: &str,
    called: &str,
    arguments: &str,
    signature: Option<&str>,
) {
    item(out);
    out.push_str("{\"functionCall\":{");
    if !id.is_empty() {
        text(out, "id", id);
    }
    text(out, "name", called);
    name(out, "args");
    out.push_str(arguments);
    out.push('}');
    end_part(out, signature);
}

/// Ends a part with its signature.
pub(super) fn end_part(out: &mut String, signature: Option<&str>) {
    if let Some(signature) = signature {
        text(out, "thoughtSignature", signature);
    }
    out.push('}');
}

/// `"inlineData": {…}`: bytes in the request.
pub(super) fn inline_data(out: &mut String, media_type: &str, data: &str, label: Option<&str>) {
    name(out, "inlineData");
    out.push('{');
    text(out, "mimeType", media_type);
    // Base64 has nothing to escape.
    name(out, "data");
    out.push('"');
    out.push_str(data);
    out.push('"');
    if let Some(label) = label {
        text(out, "displayName", label);
    }
    out.push('}');
}

/// `"fileData": {…}`: bytes elsewhere.
pub(super) fn file_data(out: &mut String, media_type: &str, uri: &str, label: Option<&str>) {
    name(out, "fileData");
    out.push('{');
    let told = match media_type.is_empty() {
        true => type_of_url(uri).unwrap_or_default(),
        false => media_type,
    };
    if !told.is_empty() {
        text(out, "mimeType", told);
    }
    text(out, "fileUri", uri);
    if let Some(label) = label {
        text(out, "displayName", label);
    }
    out.push('}');
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
