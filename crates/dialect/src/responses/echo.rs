//! What a response repeats of the request that it answers.

use crate::json::write;
use crate::json::{Document, Kind};
use crate::request::Request;
use crate::wire::Wire;

/// The fields that a response object repeats, and what they are where the request has none
/// (OpenAI's documented defaults).
const ECHOED: [(&str, &str); 17] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("prompt_cache_key", "null"),
    ("reasoning", "{\"effort\":null,\"summary\":null}"),
    ("safety_identifier", "null"),
    ("service_tier", "null"),
    ("temperature", "1.0"),
    ("text", "{\"format\":{\"type\":\"text\"}}"),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "1.0"),
    ("truncation", "\"disabled\""),
    ("user", "null"),
];

impl Request {
    /// The fields that decide how an answer in the client's format looks, or that it repeats,
    /// as JSON for [`crate::AnswerContext::echo`]. Empty where the format has none.
    pub fn answer_echo(&self) -> String {
        let wanted = |name: &str| match self.wire() {
            Wire::Responses => ECHOED.iter().any(|(echoed, _)| *echoed == name),
            Wire::Embeddings => name == "encoding_format",
            _ => false,
        };
        if !matches!(self.wire(), Wire::Responses | Wire::Embeddings) {
            return String::new();
        }
        let Ok(document) = Document::parse(&self.body) else {
            return String::new();
        };
        let mut out = String::from("{");
        for (key, value) in document.root().members() {
            let name = crate::fields::name_of(key);
            if wanted(&name) {
                write::raw(&mut out, &name, value.raw());
            }
        }
        out.push('}');
        out
    }
}

/// Members of a response object, each with a comma before it. What keeps the answer says so itself
/// (see [`super::kept`]): here `store` is false whatever the client asked for.
pub(super) fn members(echo: &str) -> String {
    let document = Document::parse(echo.as_bytes()).ok();
    let root = document.as_ref().map(Document::root);
    let root = root.filter(|root| root.kind() == Kind::Object);
    let mut out = String::with_capacity(512 + echo.len());
    for (name, default) in ECHOED {
        let said = root.and_then(|root| root.get(name));
        let said = said.filter(|value| !value.is_null());
        write::raw(&mut out, name, said.map_or(default, |value| value.raw()));
    }
    out.push_str(",\"background\":false,\"previous_response_id\":null,\"store\":false");
    out
}
