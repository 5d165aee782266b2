//! Whole answers of `/api/chat` and `/api/generate`.

use bytes::Bytes;

use crate::canonical::Usage;
use crate::door::said::{Call, Said, said};
use crate::door::told::Told;
use crate::json::{Document, Kind, Value, write};
use crate::rfc3339;

pub(crate) fn answer(body: &Bytes, told: &Told, generates: bool) -> Option<Bytes> {
    let said = said(body)?;
    let answer = event(told, |out| {
        speak(&said, generates, out);
        end(done_reason(&said.finish), said.tokens, out);
    });
    Some(answer)
}

/// What is answered to a request that only asks for the model to be loaded, or unloaded.
pub(super) fn loaded(told: &Told, root: Value<'_>, generates: bool) -> Bytes {
    let keep = root.get("keep_alive");
    let unloads = keep.is_some_and(|keep| keep.as_integer() == Some(0) || keep.is_str("0"));
    event(told, |out| {
        speak(&Said::default(), generates, out);
        end(if unloads { "unload" } else { "load" }, None, out);
    })
}

/// An object with the model and the time in it.
pub(super) fn event(told: &Told, more: impl FnOnce(&mut String)) -> Bytes {
    let event = write::document(|out| {
        write::text(out, "model", &told.model);
        write::name(out, "created_at");
        write::quoted(out, |out| rfc3339::write(told.now, out));
        more(out);
    });
    event.into()
}

/// What the model says.
pub(super) fn speak(said: &Said, generates: bool, out: &mut String) {
    if generates {
        write::text(out, "response", &said.text);
        if !said.reasoning.is_empty() {
            write::text(out, "thinking", &said.reasoning);
        }
    } else {
        write::object(out, "message", |out| {
            write::text(out, "role", "assistant");
            write::text(out, "content", &said.text);
            if !said.reasoning.is_empty() {
                write::text(out, "thinking", &said.reasoning);
            }
            write::some_list(out, "tool_calls", |out| {
                for (index, call) in said.calls.iter().enumerate() {
                    write_call(index, call, out);
                }
            });
        });
    }
    if let Some(items) = &said.logprobs {
        write::raw(out, "logprobs", items);
    }
}

fn write_call(index: usize, call: &Call, out: &mut String) {
    write::braces(out, |out| {
        write::text(out, "id", &call.id);
        write::object(out, "function", |out| {
            write::plain(out, "index", index);
            write::text(out, "name", &call.name);
            write::raw(out, "arguments", object_or_none(&call.arguments));
        });
    });
}

/// Arguments are an object here. What is none is left out: there is no place for a text.
fn object_or_none(arguments: &str) -> &str {
    let document = Document::parse(arguments.as_bytes());
    match document.is_ok_and(|document| document.root().kind() == Kind::Object) {
        true => arguments,
        false => "{}",
    }
}

/// Why the answer ended, and what it took.
pub(super) fn end(reason: &str, tokens: Option<Usage>, out: &mut String) {
    write::raw(out, "done", "true");
    write::text(out, "done_reason", reason);
    if let Some(tokens) = tokens {
        write::plain(out, "prompt_eval_count", tokens.input);
        write::plain(out, "eval_count", tokens.output);
    }
}

pub(super) fn done_reason(finish: &str) -> &'static str {
    match finish {
        "length" => "length",
        _ => "stop",
    }
}
