//! Writes the pieces that requests and answers have in common: members, parts.

use serde::de::IgnoredAny;

use super::view::type_of_url;
use crate::json::write_json_string;

/// Begins a member of the object that is being written.
pub(super) fn name(out: &mut String, name: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    write_json_string(name, out);
    out.push(':');
}

/// Begins an item of the list that is being written.
pub(super) fn item(out: &mut String) {
    if !out.ends_with('[') {
        out.push(',');
    }
}

/// A string member.
pub(super) fn string(out: &mut String, member: &str, value: &str) {
    name(out, member);
    write_json_string(value, out);
}

/// Text, or a thought, of which `signature` is the proof.
pub(super) fn text_part(out: &mut String, text: &str, thought: bool, signature: Option<&str>) {
    item(out);
    out.push('{');
    if thought {
        out.push_str("\"thought\":true");
    }
    string(out, "text", text);
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
        string(out, "id", id);
    }
    string(out, "name", called);
    name(out, "args");
    out.push_str(arguments);
    out.push('}');
    end_part(out, signature);
}

/// Ends a part with its signature.
pub(super) fn end_part(out: &mut String, signature: Option<&str>) {
    if let Some(signature) = signature {
        string(out, "thoughtSignature", signature);
    }
    out.push('}');
}

/// `"inlineData": {…}`: bytes in the request.
pub(super) fn inline_data(out: &mut String, media_type: &str, data: &str, label: Option<&str>) {
    name(out, "inlineData");
    out.push('{');
    string(out, "mimeType", media_type);
    // Base64 has nothing to escape.
    name(out, "data");
    out.push('"');
    out.push_str(data);
    out.push('"');
    if let Some(label) = label {
        string(out, "displayName", label);
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
        string(out, "mimeType", told);
    }
    string(out, "fileUri", uri);
    if let Some(label) = label {
        string(out, "displayName", label);
    }
    out.push('}');
}

/// A call's arguments as the object that Google wants; none where they are no object. A call
/// without arguments has an empty one.
pub(super) fn call_arguments(arguments: &str) -> Option<&str> {
    let text = arguments.trim();
    if text.is_empty() {
        return Some("{}");
    }
    let is_object = text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok();
    is_object.then_some(text)
}
