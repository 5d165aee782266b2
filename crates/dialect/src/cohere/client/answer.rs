//! Whole answers of `/v2/chat`.

use bytes::Bytes;

use crate::cohere::{List, Object};
use crate::door::said::{Call, Tokens, said};
use crate::door::told::Told;

pub(crate) fn answer(body: &Bytes, told: &Told) -> Option<Bytes> {
    let said = said(body)?;
    let mut out = String::with_capacity(body.len() + 128);
    let mut object = Object::open(&mut out);
    object.text("id", &told.id);
    object.text(
        "finish_reason",
        finish_reason(&said.finish, !said.calls.is_empty()),
    );
    object.object("message", |message| {
        message.text("role", "assistant");
        // Beside calls it is the plan that led to them.
        let plans = !said.calls.is_empty();
        let plan = [&*said.reasoning, &*said.text].concat();
        if plans {
            if !plan.is_empty() {
                message.text("tool_plan", &plan);
            }
            if let Some(out) = message.begin("tool_calls") {
                let mut list = List::open(out);
                for call in &said.calls {
                    write_call(call, list.next());
                }
                list.close();
            }
        } else if let Some(out) = message.begin("content") {
            let mut list = List::open(out);
            if !said.reasoning.is_empty() {
                list.object(|block| block_of("thinking", &said.reasoning, block));
            }
            if !said.text.is_empty() || said.reasoning.is_empty() {
                list.object(|block| block_of("text", &said.text, block));
            }
            list.close();
        }
    });
    write_usage(said.tokens, &mut object);
    object.close();
    Some(out.into())
}

/// A block of content: its text stands under its type's name.
pub(super) fn block_of(kind: &str, text: &str, block: &mut Object<'_>) {
    block.text("type", kind);
    block.text(kind, text);
}

pub(super) fn write_call(call: &Call, out: &mut String) {
    let mut object = Object::open(out);
    object.text("id", &call.id);
    object.text("type", "function");
    object.object("function", |function| {
        function.text("name", &call.name);
        function.text("arguments", &call.arguments);
    });
    object.close();
}

pub(super) fn finish_reason(finish: &str, calls: bool) -> &'static str {
    match finish {
        "length" => "MAX_TOKENS",
        "content_filter" => "ERROR_TOXIC",
        "tool_calls" | "function_call" => "TOOL_CALL",
        _ if calls => "TOOL_CALL",
        _ => "COMPLETE",
    }
}

pub(super) fn write_usage(tokens: Option<Tokens>, object: &mut Object<'_>) {
    let Some(tokens) = tokens else {
        return;
    };
    let count = |of: &mut Object<'_>| {
        of.plain("input_tokens", Some(tokens.input));
        of.plain("output_tokens", Some(tokens.output));
    };
    object.object("usage", |usage| {
        usage.object("billed_units", count);
        usage.object("tokens", count);
        usage.plain("cached_tokens", Some(tokens.cached));
    });
}
