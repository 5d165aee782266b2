//! Whole answers of `/api/chat` and `/api/generate`.

use bytes::Bytes;

use crate::cohere::{List, Object};
use crate::door::said::{Said, Tokens, said};
use crate::door::told::Told;
use crate::gemini;
use crate::json::{Document, Kind, Value};

pub(crate) fn answer(body: &Bytes, told: &Told, generates: bool) -> Option<Bytes> {
    let said = said(body)?;
    let mut out = String::with_capacity(body.len());
    let mut object = head(&mut out, told);
    speak(&said, generates, &mut object);
    end(done_reason(&said.finish), said.tokens, &mut object);
    object.close();
    Some(out.into())
}

/// What is answered to a request that only asks for the model to be loaded, or unloaded.
pub(super) fn loaded(told: &Told, root: Value<'_>, generates: bool) -> Bytes {
    let keep = root.get("keep_alive");
    let unloads = keep.is_some_and(|keep| keep.as_integer() == Some(0) || keep.is_str("0"));
    let mut out = String::new();
    let mut object = head(&mut out, told);
    speak(&Said::default(), generates, &mut object);
    end(if unloads { "unload" } else { "load" }, None, &mut object);
    object.close();
    out.into()
}

/// An object with the model and the time in it.
pub(super) fn head<'o>(out: &'o mut String, told: &Told) -> Object<'o> {
    let mut at = String::new();
    gemini::write_time(told.now, &mut at);
    let mut object = Object::open(out);
    object.text("model", &told.model);
    object.text("created_at", &at);
    object
}

/// What the model says.
pub(super) fn speak(said: &Said, generates: bool, object: &mut Object<'_>) {
    if generates {
        object.text("response", &said.text);
        if !said.reasoning.is_empty() {
            object.text("thinking", &said.reasoning);
        }
    } else {
        object.object("message", |message| {
            message.text("role", "assistant");
            message.text("content", &said.text);
            if !said.reasoning.is_empty() {
                message.text("thinking", &said.reasoning);
            }
            calls(said, message);
        });
    }
    if let Some(items) = &said.logprobs {
        object.raw("logprobs", items);
    }
}

fn calls(said: &Said, message: &mut Object<'_>) {
    if said.calls.is_empty() {
        return;
    }
    let Some(out) = message.begin("tool_calls") else {
        return;
    };
    let mut list = List::open(out);
    for (index, call) in said.calls.iter().enumerate() {
        list.object(|object| {
            object.text("id", &call.id);
            object.object("function", |function| {
                function.plain("index", Some(index));
                function.text("name", &call.name);
                function.raw("arguments", object_or_none(&call.arguments));
            });
        });
    }
    list.close();
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
pub(super) fn end(reason: &str, tokens: Option<Tokens>, object: &mut Object<'_>) {
    object.raw("done", "true");
    object.text("done_reason", reason);
    if let Some(tokens) = tokens {
        object.plain("prompt_eval_count", Some(tokens.input));
        object.plain("eval_count", Some(tokens.output));
    }
}

pub(super) fn done_reason(finish: &str) -> &'static str {
    match finish {
        "length" => "length",
        _ => "stop",
    }
}
