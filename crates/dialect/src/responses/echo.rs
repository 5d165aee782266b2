//! What a response repeats of the request that it answers.

use crate::json::write;
use crate::json::{Document, Kind};

/// The fields that a response object repeats, and what they are where the request has none
/// (OpenAI's documented defaults).
pub(super) const ECHOED: &[(&str, &str)] = &[
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("service_tier", "null"),
    ("temperature", "1.0"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "1.0"),
    ("truncation", "\"disabled\""),
    ("user", "null"),
];

/// Members of a response object. What keeps the answer says so itself
/// (see [`super::kept`]): here `store` is false whatever the client asked for.
pub(super) fn members(echo: &str) -> String {
    let document = Document::parse(echo.as_bytes()).ok();
    let root = document.as_ref().map(Document::root);
    let root = root.filter(|root| root.kind() == Kind::Object);
    let mut out = String::with_capacity(512 + echo.len());
    for (name, default) in ECHOED.iter().copied() {
        let said = root.and_then(|root| root.get(name));
        let said = said.filter(|value| !value.is_null());
        write::raw(&mut out, name, said.map_or(default, |value| value.raw()));
    }
    write::plain(&mut out, "background", false);
    write::raw(&mut out, "previous_response_id", "null");
    write::plain(&mut out, "store", false);
    out
}
