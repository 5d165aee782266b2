//! Whole answers of `/v2/chat`.

use bytes::Bytes;

use crate::canonical::Usage;
use crate::door::said::{Call, said};
use crate::door::told::Told;
use crate::json::write;

pub(crate) fn answer(body: &Bytes, told: &Told) -> Option<Bytes> {
    let said = said(body)?;
    let body = write::document(|out| {
        write::text(out, "id", &told.id);
        let calls = !said.calls.is_empty();
        write::text(out, "finish_reason", finish_reason(&said.finish, calls));
        write::object(out, "message", |out| {
            write::text(out, "role", "assistant");
            if calls {
                // Beside calls it is the plan that led to them.
                let plan = [&*said.reasoning, &*said.text].concat();
                write::text_if(out, "tool_plan", Some(plan).filter(|plan| !plan.is_empty()));
                write::list(out, "tool_calls", |out| {
                    said.calls.iter().for_each(|call| write_call(call, out));
                });
                return;
            }
            write::list(out, "content", |out| {
                if !said.reasoning.is_empty() {
                    write_block("thinking", &said.reasoning, out);
                }
                if !said.text.is_empty() || said.reasoning.is_empty() {
                    write_block("text", &said.text, out);
                }
            });
        });
        write_usage(said.tokens, out);
    });
    Some(body.into())
}

/// A block of content: its text stands under its type's name.
pub(super) fn write_block(kind: &str, text: &str, out: &mut String) {
    write::typed(out, kind, |out| write::text(out, kind, text));
}

pub(super) fn write_call(call: &Call, out: &mut String) {
    write::braces(out, |out| {
        write::text(out, "id", &call.id);
        write::text(out, "type", "function");
        write::object(out, "function", |out| {
            write::text(out, "name", &call.name);
            write::text(out, "arguments", &call.arguments);
        });
    });
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

pub(super) fn write_usage(tokens: Option<Usage>, out: &mut String) {
    let Some(tokens) = tokens else {
        return;
    };
    let count = |out: &mut String| {
        write::plain(out, "input_tokens", tokens.input);
        write::plain(out, "output_tokens", tokens.output);
    };
    write::object(out, "usage", |out| {
        write::object(out, "billed_units", count);
        write::object(out, "tokens", count);
        write::plain(out, "cached_tokens", tokens.cached_input);
    });
}
