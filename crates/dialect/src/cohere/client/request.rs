//! Requests to `/v2/chat` as OpenAI's chat completions.

use bytes::Bytes;

use super::message::{documents, write_messages};
use crate::door::told::{Entered, Told};
use crate::fields::{boolean, invalid, missing, named, object, string};
use crate::json::{Document, Kind, Value, write};
use crate::request::RequestError;

/// Members under OpenAI's names.
const NAMES: [(&str, &str); 11] = [
    ("model", "model"),
    ("max_tokens", "max_tokens"),
    ("temperature", "temperature"),
    ("seed", "seed"),
    ("frequency_penalty", "frequency_penalty"),
    ("presence_penalty", "presence_penalty"),
    ("stop_sequences", "stop"),
    ("k", "top_k"),
    ("p", "top_p"),
    ("logprobs", "logprobs"),
    ("tools", "tools"),
];

/// How Cohere's own service treats a request: it says nothing to a model.
const SERVICE: [&str; 3] = ["priority", "safety_mode", "citation_options"];

pub(crate) fn chat(body: &Bytes, told: &mut Told) -> Result<Entered, RequestError> {
    let document = Document::parse(body)?;
    let root = document.root();
    object(root, "body")?;
    let model = root.get("model").ok_or_else(|| missing("model"))?;
    told.model = string(model, "model")?.into_owned();
    let messages = root.some("messages");
    let messages = messages.ok_or_else(|| missing("messages"))?;
    let beside = root.some("documents");
    let beside = beside.map(documents).transpose()?.unwrap_or_default();

    let mut body = String::with_capacity(body.len() + 256);
    let out = &mut body;
    write::open(out);
    write_messages(messages, &beside, out)?;
    let mut streams = false;
    for (name, value) in named(root) {
        match name.as_ref() {
            "messages" | "documents" => {}
            "stream" => streams = boolean(value, "stream")?,
            "tool_choice" => tool_choice(value, out)?,
            "response_format" => format(value, out)?,
            "thinking" => thinking(value, out)?,
            // Functions say so each for itself.
            "strict_tools" => {}
            name if SERVICE.contains(&name) => {}
            name => write_member(name, value, out),
        }
    }
    write::plain(out, "stream", streams);
    if streams {
        write::raw(out, "stream_options", "{\"include_usage\":true}");
    }
    write::close(out);
    Ok(Entered::Request(body.into()))
}

fn write_member(name: &str, value: Value<'_>, out: &mut String) {
    let empty = value.kind() == Kind::Array && value.items().next().is_none();
    match NAMES.iter().find(|(theirs, _)| *theirs == name) {
        Some(("tools" | "stop_sequences", _)) if empty => {}
        Some((_, ours)) => write::raw(out, ours, value.raw()),
        None => write::raw(out, name, value.raw()),
    }
}

fn tool_choice(value: Value<'_>, out: &mut String) -> Result<(), RequestError> {
    let word = string(value, "tool_choice")?;
    let word = match word.as_ref() {
        "REQUIRED" => "required",
        "NONE" => "none",
        _ => return Err(invalid("tool_choice", "must be REQUIRED or NONE")),
    };
    write::text(out, "tool_choice", word);
    Ok(())
}

fn format(value: Value<'_>, out: &mut String) -> Result<(), RequestError> {
    let kind = value.get("type");
    if kind.is_some_and(|kind| kind.is_str("text")) {
        return Ok(());
    }
    if !kind.is_some_and(|kind| kind.is_str("json_object")) {
        return Err(invalid(
            "response_format.type",
            "must be text or json_object",
        ));
    }
    let some = |name: &str| value.some(name);
    match some("json_schema").or_else(|| some("schema")) {
        None => write::raw(out, "response_format", "{\"type\":\"json_object\"}"),
        Some(schema) => write::object(out, "response_format", |out| {
            write::text(out, "type", "json_schema");
            write::object(out, "json_schema", |out| {
                write::text(out, "name", "answer");
                write::raw(out, "schema", schema.raw());
            });
        }),
    }
    Ok(())
}

fn thinking(value: Value<'_>, out: &mut String) -> Result<(), RequestError> {
    let kind = value.text("type");
    match kind.as_deref() {
        Some("enabled") => match value.some("token_budget") {
            Some(budget) => write::raw(out, "thinking_token_budget", budget.raw()),
            None => write::text(out, "reasoning_effort", "medium"),
        },
        Some("disabled") => write::text(out, "reasoning_effort", "none"),
        _ => return Err(invalid("thinking.type", "must be enabled or disabled")),
    }
    Ok(())
}
