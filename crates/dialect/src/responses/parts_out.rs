//! What requests, answers and streams write alike: parts of output messages.

use super::REDACTED;
use crate::exchange::Citation;
use crate::fit::split_namespace;
use crate::json::write;
use crate::json::write::{number, text};
use crate::json::{Document, write_json_string};

/// The kinds of annotations that the format has.
const ANNOTATIONS: [&str; 4] = [
    "url_citation",
    "file_citation",
    "container_file_citation",
    "file_path",
];

/// Appends a citation as an annotation. False where the format has no form for it: it cites by
/// URL or by OpenAI's file ids alone.
pub(super) fn annotation(out: &mut String, citation: &Citation<'_>) -> bool {
    if is_ours(&citation.json) {
        out.push_str(&citation.json);
        return true;
    }
    let Some(url) = &citation.url else {
        return false;
    };
    let (start, end) = citation.range.unwrap_or((0, 0));
    write::tagged(out, "url_citation");
    text(out, "url", url);
    text(out, "title", citation.title.as_deref().unwrap_or_default());
    number(out, "start_index", start);
    number(out, "end_index", end);
    out.push('}');
    true
}

/// Whether an annotation has this format's form already; chat completions have the same kinds,
/// but wrap what they say.
fn is_ours(json: &str) -> bool {
    if json.is_empty() {
        return false;
    }
    let Ok(document) = Document::parse(json.as_bytes()) else {
        return false;
    };
    let root = document.root();
    let kind = root.text("type");
    kind.is_some_and(|kind| ANNOTATIONS.contains(&kind.as_ref()) && root.get(&kind).is_none())
}

/// An `output_text` part. `escaped` is the text as a JSON string's inside, the lists are the
/// insides of JSON arrays.
pub(super) fn output_text(out: &mut String, escaped: &str, annotations: &str, logprobs: &str) {
    out.push_str("{\"type\":\"output_text\",\"text\":\"");
    out.push_str(escaped);
    out.push_str("\",\"annotations\":[");
    out.push_str(annotations);
    out.push_str("],\"logprobs\":[");
    out.push_str(logprobs);
    out.push_str("]}");
}

/// A text part of another kind: `{"type": kind, field: "…"}`.
pub(super) fn plain(out: &mut String, kind: &str, field: &str, escaped: &str) {
    out.push_str("{\"type\":\"");
    out.push_str(kind);
    out.push_str("\",\"");
    out.push_str(field);
    out.push_str("\":\"");
    out.push_str(escaped);
    out.push_str("\"}");
}

/// A message item. `content` is the inside of the array of its parts.
pub(super) fn message(out: &mut String, id: &str, status: &str, content: &str) {
    out.push('{');
    write::text(out, "id", id);
    out.push_str(",\"type\":\"message\",\"status\":\"");
    out.push_str(status);
    out.push_str("\",\"role\":\"assistant\",\"content\":[");
    out.push_str(content);
    out.push_str("]}");
}

/// A reasoning item. Readable reasoning is told as a summary, the form that clients show.
pub(super) fn reasoning(out: &mut String, id: &str, escaped: &str, sealed: &str) {
    out.push('{');
    write::text(out, "id", id);
    out.push_str(",\"type\":\"reasoning\",\"summary\":[");
    if !escaped.is_empty() {
        plain(out, "summary_text", "text", escaped);
    }
    out.push(']');
    if !sealed.is_empty() {
        text(out, "encrypted_content", sealed);
    }
    out.push('}');
}

/// What can be handed back with reasoning: its signature, or else its hidden form, marked.
pub(super) fn sealed(signature: &str, redacted: &str) -> String {
    match (signature.is_empty(), redacted.is_empty()) {
        (false, _) => signature.to_owned(),
        (true, false) => format!("{REDACTED}{redacted}"),
        (true, true) => String::new(),
    }
}

/// A call. `escaped` is what the tool gets, as a JSON string's inside.
pub(super) fn call(out: &mut String, id: &str, status: &str, call: &Called, escaped: &str) {
    out.push('{');
    write::text(out, "id", id);
    out.push_str(match call.custom {
        true => ",\"type\":\"custom_tool_call\"",
        false => ",\"type\":\"function_call\"",
    });
    text(out, "status", status);
    out.push_str(match call.custom {
        true => ",\"input\":\"",
        false => ",\"arguments\":\"",
    });
    out.push_str(escaped);
    out.push('"');
    text(out, "call_id", &call.call_id);
    let (namespace, called) = split_namespace(&call.name);
    text(out, "name", called);
    if let Some(namespace) = namespace {
        text(out, "namespace", namespace);
    }
    out.push('}');
}

/// Who is called.
#[derive(Debug, Clone)]
pub(super) struct Called {
    pub(super) call_id: String,
    pub(super) name: String,
    pub(super) custom: bool,
}

/// Appends a text's escaped form, without quotes.
pub(super) fn escape(text: &str, out: &mut String) {
    let quote = out.len();
    write_json_string(text, out);
    out.pop();
    out.remove(quote);
}

/// A comma, where something stands already in an array's inside that is written by itself.
pub(super) fn separate_in(inside: &mut String) {
    if !inside.is_empty() {
        inside.push(',');
    }
}
