//! Writes a whole chat completion.

use std::fmt::Write;

use bytes::Bytes;

use super::object::member;
use super::reasoning;
use crate::canonical::Usage;
use crate::contract::context::AnswerContext;
use crate::exchange::{ChatAnswer, Choice, Citation, Content, Finish, ToolCall};
use crate::json::write_json_string;

pub(crate) fn write_answer(answer: &ChatAnswer<'_>, context: &AnswerContext) -> Bytes {
    let mut out = head(
        &answer.id,
        &answer.model,
        answer.created,
        "chat.completion",
        context,
    );
    out.push_str(",\"choices\":[");
    for (index, choice) in answer.choices.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let _ = write!(out, "{{\"index\":{index},\"message\":");
        message(choice, &mut out);
        out.push_str(",\"logprobs\":");
        out.push_str(choice.logprobs.as_deref().unwrap_or("null"));
        out.push(',');
        write_finish(choice.finish.as_ref(), &mut out);
        out.push('}');
    }
    out.push(']');
    if let Some(counted) = &answer.usage {
        usage(counted, &mut out);
    }
    out.push('}');
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
    out.push_str("{\"id\":");
    if id.is_empty() {
        out.push_str("\"chatcmpl-");
        out.extend(context.id.chars().filter(char::is_ascii_alphanumeric));
        out.push('"');
    } else {
        write_json_string(id, &mut out);
    }
    let created = created.unwrap_or(context.created);
    let _ = write!(out, ",\"object\":\"{object}\",\"created\":{created}");
    let model = if model.is_empty() {
        &context.model
    } else {
        model
    };
    member("model", model, &mut out);
    out
}

fn message(choice: &Choice<'_>, out: &mut String) {
    let parts = || choice.parts.iter().map(|part| &part.content);
    out.push_str("{\"role\":\"assistant\",\"content\":");
    let mut texts = parts().filter_map(|content| match content {
        Content::Text { text, .. } => Some(text.as_ref()),
        _ => None,
    });
    let silent =
        |content: &Content<'_>| matches!(content, Content::ToolCall(_) | Content::Refusal(_));
    match (texts.next(), texts.next()) {
        (None, _) if parts().any(silent) => out.push_str("null"),
        (None, _) => out.push_str("\"\""),
        (Some(only), None) => write_json_string(only, out),
        (Some(first), Some(second)) => {
            let all: String = [first, second].into_iter().chain(texts).collect();
            write_json_string(&all, out);
        }
    }
    let refusals = parts().filter_map(|content| match content {
        Content::Refusal(text) => Some(text.as_ref()),
        _ => None,
    });
    let refused: String = refusals.collect();
    match refused.is_empty() {
        true => out.push_str(",\"refusal\":null"),
        false => member("refusal", &refused, out),
    }
    reasoning::write(&choice.parts, true, out);
    annotations(choice, out);
    let mut separator = ",\"tool_calls\":[";
    for content in parts() {
        if let Content::ToolCall(call) = content {
            out.push_str(separator);
            separator = ",";
            out.push('{');
            write_call(&call.id, &call.name, call, out);
            out.push('}');
        }
    }
    if separator == "," {
        out.push(']');
    }
    out.push('}');
}

fn write_call(id: &str, name: &str, call: &ToolCall<'_>, out: &mut String) {
    call_head(id, name, call.custom, out);
    write_json_string(&call.arguments, out);
    out.push('}');
}

/// A call up to its arguments, whose value and one bracket are still to come.
pub(super) fn call_head(id: &str, name: &str, custom: bool, out: &mut String) {
    out.push_str("\"id\":");
    write_json_string(id, out);
    let (kind, arguments) = match custom {
        true => ("custom", "input"),
        false => ("function", "arguments"),
    };
    for piece in [",\"type\":\"", kind, "\",\"", kind, "\":{\"name\":"] {
        out.push_str(piece);
    }
    write_json_string(name, out);
    out.push_str(",\"");
    out.push_str(arguments);
    out.push_str("\":");
}

/// The citations whose source has a URL: OpenAI knows no others.
fn annotations(choice: &Choice<'_>, out: &mut String) {
    let mut separator = ",\"annotations\":[";
    let mut begin = 0;
    for part in &choice.parts {
        let Content::Text { text, citations } = &part.content else {
            continue;
        };
        let end = begin + text.chars().count() as u64;
        for citation in citations.iter().filter(|citation| citation.url.is_some()) {
            out.push_str(separator);
            separator = ",";
            annotation(citation, (begin, end), out);
        }
        begin = end;
    }
    if separator == "," {
        out.push(']');
    }
}

/// One citation. Where it does not say which stretch of the answer rests on it, it is the text
/// it came with: `around`, in characters.
pub(super) fn annotation(citation: &Citation<'_>, around: (u64, u64), out: &mut String) {
    let (begin, end) = citation.range.unwrap_or(around);
    let _ = write!(
        out,
        "{{\"type\":\"url_citation\",\"url_citation\":{{\"start_index\":{begin},\"end_index\":{end}"
    );
    member("title", citation.title.as_deref().unwrap_or_default(), out);
    member("url", citation.url.as_deref().unwrap_or_default(), out);
    out.push_str("}}");
}

/// `finish_reason`, and vLLM's `stop_reason` where a stop sequence is told.
pub(super) fn write_finish(finish: Option<&Finish>, out: &mut String) {
    out.push_str("\"finish_reason\":");
    let reason = match finish {
        None => {
            out.push_str("null");
            return;
        }
        Some(Finish::Stop | Finish::StopSequence(_)) => "stop",
        Some(Finish::Length) => "length",
        Some(Finish::ToolCalls) => "tool_calls",
        Some(Finish::Refused) => "content_filter",
        Some(Finish::Other(reason)) => reason,
    };
    write_json_string(reason, out);
    if let Some(Finish::StopSequence(Some(stop))) = finish {
        member("stop_reason", stop, out);
    }
}

/// `usage`, with a comma ahead.
pub(super) fn usage(usage: &Usage, out: &mut String) {
    let _ = write!(
        out,
        ",\"usage\":{{\"prompt_tokens\":{},\"completion_tokens\":{},\"total_tokens\":{},\"prompt_tokens_details\":{{\"cached_tokens\":{}",
        usage.input,
        usage.output,
        usage.input.saturating_add(usage.output),
        usage.cached_input
    );
    if usage.cache_write > 0 {
        let _ = write!(out, ",\"cache_write_tokens\":{}", usage.cache_write);
    }
    let _ = write!(
        out,
        "}},\"completion_tokens_details\":{{\"reasoning_tokens\":{}}}}}",
        usage.reasoning
    );
}
