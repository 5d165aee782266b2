//! `options`, `format` and `think` in OpenAI's words.

use super::request::copy;
use crate::fields::{invalid, named, object};
use crate::json::{Kind, Value, write};
use crate::request::RequestError;

/// Options under OpenAI's names, or those that engines with its API have for them.
const NAMES: [(&str, &str); 9] = [
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("top_k", "top_k"),
    ("min_p", "min_p"),
    ("seed", "seed"),
    ("stop", "stop"),
    ("frequency_penalty", "frequency_penalty"),
    ("presence_penalty", "presence_penalty"),
    ("repeat_penalty", "repetition_penalty"),
];

/// Options about memory, devices and threads, which are the upstream's own affair.
const MACHINE: [&str; 16] = [
    "f16_kv",
    "logits_all",
    "low_vram",
    "main_gpu",
    "num_batch",
    "num_ctx",
    "num_gpu",
    "num_keep",
    "num_thread",
    "numa",
    "penalize_newline",
    "repeat_last_n",
    "tfs_z",
    "use_mlock",
    "use_mmap",
    "vocab_only",
];

pub(super) fn write(options: Value<'_>, out: &mut String) -> Result<(), RequestError> {
    let options = object(options, "options")?;
    for (name, value) in named(options) {
        if let Some((_, ours)) = NAMES.iter().find(|(theirs, _)| *theirs == name) {
            let empty = value.kind() == Kind::Array && value.items().next().is_none();
            if !empty {
                write::raw(out, ours, value.raw());
            }
        } else if name == "num_predict" {
            // Below zero is without end, or as far as the context goes.
            let count = value.as_integer();
            let count = count.ok_or_else(|| {
                RequestError::wrong_type("options.num_predict", "a whole number", value)
            })?;
            write::plain_if(out, "max_tokens", (count >= 0).then_some(count));
        } else if !MACHINE.contains(&name.as_ref()) {
            copy(&name, value, out);
        }
    }
    Ok(())
}

/// `"json"`, or a schema.
pub(super) fn format(value: Value<'_>, out: &mut String) -> Result<(), RequestError> {
    match value.kind() {
        Kind::String if value.is_str("") => {}
        Kind::String if value.is_str("json") => {
            write::raw(out, "response_format", "{\"type\":\"json_object\"}");
        }
        Kind::Object => write::object(out, "response_format", |out| {
            write::text(out, "type", "json_schema");
            write::object(out, "json_schema", |out| {
                write::text(out, "name", "answer");
                write::raw(out, "schema", value.raw());
            });
        }),
        Kind::String => return Err(invalid("format", "must be json or a JSON schema")),
        _ => {
            let expected = "a string or a JSON schema";
            return Err(RequestError::wrong_type("format", expected, value));
        }
    }
    Ok(())
}

/// Whether, or how much, the model is to think.
pub(super) fn think(value: Value<'_>, out: &mut String) -> Result<(), RequestError> {
    let effort = match (value.as_bool(), value.as_str().as_deref()) {
        (Some(true), _) => "medium",
        (Some(false), _) => "none",
        (_, Some("low")) => "low",
        (_, Some("medium")) => "medium",
        (_, Some("high")) => "high",
        _ => return Err(invalid("think", "must be true, false, low, medium or high")),
    };
    write::text(out, "reasoning_effort", effort);
    Ok(())
}
