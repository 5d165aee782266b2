//! What requests, answers and streams write alike: parts of output messages.

use super::REDACTED;
use crate::exchange::{Citation, Media, Source};
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

/// Writes a citation as an annotation. Nothing where the format has no form for it: it cites by
/// URL or by OpenAI's file ids alone.
pub(super) fn annotation(out: &mut String, citation: &Citation<'_>) {
    if is_ours(&citation.json) {
        write::value(out, &citation.json);
        return;
    }
    let Some(url) = &citation.url else {
        return;
    };
    let (start, end) = citation.range.unwrap_or((0, 0));
    write::typed(out, "url_citation", |out| {
        text(out, "url", url);
        text(out, "title", citation.title.as_deref().unwrap_or_default());
        number(out, "start_index", start);
        number(out, "end_index", end);
    });
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
    write::typed(out, "output_text", |out| {
        write::escaped(out, "text", escaped);
        write::list(out, "annotations", |out| out.push_str(annotations));
        write::list(out, "logprobs", |out| out.push_str(logprobs));
    });
}

/// A text part of another kind: `{"type": kind, field: "…"}`.
pub(super) fn plain(out: &mut String, kind: &str, field: &str, escaped: &str) {
    write::typed(out, kind, |out| write::escaped(out, field, escaped));
}

/// A message item. `content` is the inside of the array of its parts.
pub(super) fn message(out: &mut String, id: &str, status: &str, content: &str) {
    write::braces(out, |out| {
        text(out, "id", id);
        text(out, "type", "message");
        text(out, "status", status);
        text(out, "role", "assistant");
        write::list(out, "content", |out| out.push_str(content));
    });
}

/// A reasoning item. Readable reasoning is told as a summary, the form that clients show.
pub(super) fn reasoning(out: &mut String, id: &str, escaped: &str, sealed: &str) {
    write::braces(out, |out| {
        text(out, "id", id);
        text(out, "type", "reasoning");
        write::list(out, "summary", |out| {
            if !escaped.is_empty() {
                plain(out, "summary_text", "text", escaped);
            }
        });
        write::text_if(
            out,
            "encrypted_content",
            Some(sealed).filter(|sealed| !sealed.is_empty()),
        );
    });
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
    let (kind, said) = match call.custom {
        true => ("custom_tool_call", "input"),
        false => ("function_call", "arguments"),
    };
    let (namespace, called) = split_namespace(&call.name);
    write::braces(out, |out| {
        text(out, "id", id);
        text(out, "type", kind);
        text(out, "status", status);
        write::escaped(out, said, escaped);
        text(out, "call_id", &call.call_id);
        text(out, "name", called);
        write::text_if(out, "namespace", namespace);
    });
}

/// An image that the model has drawn, as the call of OpenAI's tool that draws. Nothing where the
/// image is not in the answer itself.
pub(super) fn image(out: &mut String, id: &str, status: &str, media: Option<&Media<'_>>) {
    let data = match media.map(|media| &media.source) {
        None => None,
        Some(Source::Base64(data)) => Some(data),
        Some(_) => return,
    };
    write::braces(out, |out| {
        text(out, "id", id);
        text(out, "type", "image_generation_call");
        text(out, "status", status);
        if let (Some(media), Some(data)) = (media, data) {
            let format = media.image_type().trim_start_matches("image/");
            text(out, "output_format", format);
            text(out, "result", data);
        } else {
            write::raw(out, "result", "null");
        }
    });
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
