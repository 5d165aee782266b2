//! Chunks of OpenAI's streams that carry text that was held back.

use bytes::Bytes;

use crate::canonical::Channel;
use crate::json::write;
use crate::payload::{Payload, by_stretch};
use crate::wire::Wire;

/// A chunk of the same stream that carries these texts and nothing else.
pub(crate) fn synthesise(payload: &Payload, texts: &[(u32, Channel, String)]) -> Bytes {
    let whole = payload.wire == Wire::Completions;
    let mut out = String::new();
    write::braces(&mut out, |out| {
        write::text(out, "id", payload.id().unwrap_or_default());
        let object = match whole {
            true => "text_completion",
            false => "chat.completion.chunk",
        };
        write::text(out, "object", object);
        let created = payload.created.map_or("0", |span| payload.text(span));
        write::raw(out, "created", created);
        write::text(out, "model", payload.model().unwrap_or_default());
        write::list(out, "choices", |out| {
            for (choice, texts) in by_stretch(texts.iter()) {
                write::braces(out, |out| {
                    write::number(out, "index", choice.into());
                    if whole {
                        let text: String = texts.iter().map(|(_, text)| text.as_str()).collect();
                        write::text(out, "text", &text);
                    } else {
                        write::object(out, "delta", |out| write_delta(payload, &texts, out));
                    }
                    write::raw(out, "logprobs", "null");
                    write::raw(out, "finish_reason", "null");
                });
            }
        });
    });
    out.into()
}

fn write_delta(payload: &Payload, texts: &[(Channel, String)], out: &mut String) {
    for (channel, text) in texts {
        let name = match channel {
            Channel::Content => "content",
            Channel::Reasoning => payload.reasoning_name.unwrap_or("reasoning_content"),
            Channel::Refusal => "refusal",
            _ => continue,
        };
        write::text(out, name, text);
    }
    write::some_list(out, "tool_calls", |out| {
        for (channel, text) in texts {
            if let Channel::ToolArguments(index) = channel {
                write::braces(out, |out| {
                    write::number(out, "index", (*index).into());
                    write::object(out, "function", |out| write::text(out, "arguments", text));
                });
            }
        }
    });
}
