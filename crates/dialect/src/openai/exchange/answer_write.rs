//! Writes a whole chat completion.

use bytes::Bytes;

use super::media::{DRAWN, write_drawn};
use super::object::joined;
use super::reasoning;
use crate::canonical::Usage;
use crate::contract::context::AnswerContext;
use crate::exchange::{ChatAnswer, Choice, Citation, Content, Finish, ToolCall};
use crate::json::write;
use crate::signed::{Handed, read};

pub(crate) fn write_answer(answer: &ChatAnswer<'_>, context: &AnswerContext) -> Bytes {
    let mut out = head(
        &answer.id,
        &answer.model,
        answer.created,
        "chat.completion",
        context,
    );
    write::list(&mut out, "choices", |out| {
        for (index, choice) in (0..).zip(&answer.choices) {
            write::braces(out, |out| {
                write::number(out, "index", index);
                write::object(out, "message", |out| message(choice, out));
                write::raw(
                    out,
                    "logprobs",
                    choice.logprobs.as_deref().unwrap_or("null"),
                );
                write_finish(choice.finish.as_ref(), out);
            });
        }
    });
    if let Some(counted) = &answer.usage {
        usage(counted, &mut out);
    }
    write::close(&mut out);
    out.into()
}

/// The members that an answer and each chunk of a stream begin with. What the upstream did not
/// say is taken from the context.
pub(super) fn head(
    id: &str,
    model: &str,
    created: Option<u64>,
    object: &str,
    context: &AnswerContext,
) -> String {
    let mut out = String::with_capacity(192);
    write::open(&mut out);
    if id.is_empty() {
        write::name(&mut out, "id");
        write::quoted(&mut out, |out| {
            out.push_str("chatcmpl-");
            out.extend(context.id.chars().filter(char::is_ascii_alphanumeric));
        });
    } else {
        write::text(&mut out, "id", id);
    }
    write::text(&mut out, "object", object);
    write::number(&mut out, "created", created.unwrap_or(context.created));
    let model = match model.is_empty() {
        true => &context.model,
        false => model,
    };
    write::text(&mut out, "model", model);
    out
}

fn message(choice: &Choice<'_>, out: &mut String) {
    let parts = || choice.parts.iter().map(|part| &part.content);
    write::text(out, "role", "assistant");
    let texts = parts().filter_map(|content| match content {
        Content::Text { text, .. } => Some(text.as_ref()),
        _ => None,
    });
    let silent =
        |content: &Content<'_>| matches!(content, Content::ToolCall(_) | Content::Refusal(_));
    if texts.clone().next().is_none() && parts().any(silent) {
        write::raw(out, "content", "null");
    } else {
        write::text(out, "content", &joined(texts));
    }
    let refusals = parts().filter_map(|content| match content {
        Content::Refusal(text) => Some(text.as_ref()),
        _ => None,
    });
    let refused = Some(joined(refusals)).filter(|refused| !refused.is_empty());
    write::text_or_null(out, "refusal", refused);
    reasoning::write(&choice.parts, true, out);
    write::some_list(out, DRAWN, |out| {
        let images = parts().filter_map(|content| match content {
            Content::Image(media) => Some(media),
            _ => None,
        });
        for (index, media) in (0..).zip(images) {
            write_drawn(media, index, out);
        }
    });
    annotations(choice, out);
    write::some_list(out, "tool_calls", |out| {
        let mut signed = None;
        for content in parts() {
            match content {
                Content::Reasoning(thought) => signed = thought.signature.as_deref(),
                Content::ToolCall(call) => write::braces(out, |out| {
                    call_head(&call.id, &call.name, call.custom, &call.arguments, out);
                    signature(signed.take(), out);
                }),
                _ => signed = None,
            }
        }
    });
}

/// The signature of a call of Google's models, where Google's own endpoint of this format tells it
/// and clients hand it back.
pub(super) fn signature(signature: Option<&str>, out: &mut String) {
    let google = |held: &&str| matches!(read(held), Handed::Of { maker, .. } if maker == "google");
    if let Some(signature) = signature.filter(google) {
        write::object(out, "extra_content", |out| {
            write::object(out, "google", |out| {
                write::text(out, "thought_signature", signature);
            });
        });
    }
}

/// A call under an id.
pub(super) fn write_call(id: &str, call: &ToolCall<'_>, out: &mut String) {
    write::braces(out, |out| {
        call_head(id, &call.name, call.custom, &call.arguments, out);
    });
}

/// The members of a call.
pub(super) fn call_head(id: &str, name: &str, custom: bool, said: &str, out: &mut String) {
    write::text(out, "id", id);
    let (kind, arguments) = called(custom);
    write::text(out, "type", kind);
    write::object(out, kind, |out| {
        write::text(out, "name", name);
        write::text(out, arguments, said);
    });
}

/// What is called, and the name of what it is given.
pub(super) fn called(custom: bool) -> (&'static str, &'static str) {
    match custom {
        true => ("custom", "input"),
        false => ("function", "arguments"),
    }
}

/// The citations whose source has a URL: OpenAI knows no others.
fn annotations(choice: &Choice<'_>, out: &mut String) {
    write::some_list(out, "annotations", |out| {
        let mut begin = 0;
        for part in &choice.parts {
            let Content::Text { text, citations } = &part.content else {
                continue;
            };
            let end = begin + text.chars().count() as u64;
            for citation in citations.iter().filter(|citation| citation.url.is_some()) {
                annotation(citation, (begin, end), out);
            }
            begin = end;
        }
    });
}

/// One citation. Where it does not say which stretch of the answer rests on it, it is the text
/// it came with: `around`, in characters.
pub(super) fn annotation(citation: &Citation<'_>, around: (u64, u64), out: &mut String) {
    let (begin, end) = citation.range.unwrap_or(around);
    write::wrapped(out, "url_citation", |out| {
        write::number(out, "start_index", begin);
        write::number(out, "end_index", end);
        write::text(out, "title", citation.title.as_deref().unwrap_or_default());
        write::text(out, "url", citation.url.as_deref().unwrap_or_default());
    });
}

/// `finish_reason`, and vLLM's `stop_reason` where a stop sequence is told.
pub(super) fn write_finish(finish: Option<&Finish>, out: &mut String) {
    let reason = finish.map(|finish| match finish {
        Finish::Stop | Finish::StopSequence(_) => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::Refused => "content_filter",
        Finish::Other(reason) => reason,
    });
    write::text_or_null(out, "finish_reason", reason);
    if let Some(Finish::StopSequence(Some(stop))) = finish {
        write::text(out, "stop_reason", stop);
    }
}

/// The member `usage`.
pub(super) fn usage(usage: &Usage, out: &mut String) {
    write::object(out, "usage", |out| {
        write::number(out, "prompt_tokens", usage.input);
        write::number(out, "completion_tokens", usage.output);
        let total = usage.input.saturating_add(usage.output);
        write::number(out, "total_tokens", total);
        write::object(out, "prompt_tokens_details", |out| {
            write::number(out, "cached_tokens", usage.cached_input);
            if usage.cache_write > 0 {
                write::number(out, "cache_write_tokens", usage.cache_write);
            }
        });
        write::object(out, "completion_tokens_details", |out| {
            write::number(out, "reasoning_tokens", usage.reasoning);
        });
    });
}
