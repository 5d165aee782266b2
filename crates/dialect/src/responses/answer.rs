//! Reads whole answers.

use super::{content, items};
use crate::canonical::Usage;
use crate::data_url::is_base64;
use crate::exchange::{
    ChatAnswer, Choice, Content, Finish, Media, Part, Source, ToolCall, logprobs_of,
};
use crate::fields::given;
use crate::fit::join_namespace;
use crate::json::{Kind, Value, write};
use crate::payload::{PayloadError, usage_in, wrong_type};

pub(crate) fn read_answer(root: Value<'_>) -> Result<ChatAnswer<'_>, PayloadError> {
    if root.kind() != Kind::Object {
        return Err(wrong_type("payload", "an object", root));
    }
    let output = root.some("output");
    let mut choice = Choice::default();
    let mut logprobs = String::new();
    for item in output.into_iter().flat_map(Value::items) {
        read_item(item, &mut choice.parts, &mut logprobs);
    }
    choice.logprobs = self::logprobs(&logprobs);
    let calls = choice
        .parts
        .iter()
        .any(|part| matches!(part.content, Content::ToolCall(_)));
    choice.finish = finish(root, calls);
    let text = |name: &str| root.text(name).unwrap_or_default();
    Ok(ChatAnswer {
        id: text("id"),
        model: text("model"),
        created: created(root),
        choices: output.map(|_| vec![choice]).unwrap_or_default(),
        usage: usage(root)?,
    })
}

/// `created_at`: seconds, which some servers give with a fraction.
pub(super) fn created(response: Value<'_>) -> Option<u64> {
    let seconds = response.get("created_at")?.as_f64()?;
    (seconds >= 0.0).then_some(seconds as u64)
}

/// Why a response ended; none while it goes on.
pub(super) fn finish(response: Value<'_>, calls: bool) -> Option<Finish> {
    let status = response.text("status");
    Some(match status.as_deref() {
        Some("in_progress" | "queued") => return None,
        Some("incomplete") => {
            let reason = response
                .get("incomplete_details")
                .and_then(|details| details.get("reason"))
                .and_then(Value::as_str);
            match reason.as_deref() {
                Some("max_output_tokens") | None => Finish::Length,
                Some("content_filter") => Finish::Refused,
                Some(other) => Finish::Other(other.to_owned()),
            }
        }
        Some(other @ ("failed" | "cancelled")) => Finish::Other(other.to_owned()),
        _ if calls => Finish::ToolCalls,
        _ => Finish::Stop,
    })
}

pub(super) fn usage(response: Value<'_>) -> Result<Option<Usage>, PayloadError> {
    usage_in(response).map(usage_of).transpose()
}

pub(super) fn usage_of(usage: Value<'_>) -> Result<Usage, PayloadError> {
    let input = ["input_tokens", "input_tokens_details"];
    crate::openai::payload::usage_by(usage, input, ["output_tokens", "output_tokens_details"])
}

/// Reads an output item. Calls of tools that OpenAI itself runs are its own affair: what they
/// found is in the text.
pub(super) fn read_item<'d>(item: Value<'d>, parts: &mut Vec<Part<'d>>, logprobs: &mut String) {
    let text = |name: &str| item.text(name).unwrap_or_default();
    let kind = text("type");
    match kind.as_ref() {
        "message" => {
            // As in a request, some servers give the text alone.
            if let Some(said) = item.text("content") {
                parts.push(Part::text(said));
            }
            for part in item.each("content") {
                read_part(part, parts, logprobs);
            }
        }
        "reasoning" => {
            let sealed = text("encrypted_content");
            parts.push(Part::new(items::thought(item, sealed)));
        }
        "function_call" | "custom_tool_call" => {
            let custom = kind == "custom_tool_call";
            let id = match text("call_id") {
                id if id.is_empty() => text("id"),
                id => id,
            };
            parts.push(Part::new(Content::ToolCall(ToolCall {
                id,
                name: join_namespace(Some(&text("namespace")), text("name")),
                arguments: match custom {
                    true => text("input"),
                    false => given(item.get("arguments")),
                },
                custom,
            })));
        }
        "image_generation_call" => parts.extend(drawn(item).map(Part::new)),
        _ => {}
    }
}

/// Whether an output item is a call that the client answers.
pub(super) fn is_call(item: Value<'_>) -> bool {
    item.says("type", "function_call") || item.says("type", "custom_tool_call")
}

/// What OpenAI's tool has drawn.
pub(super) fn drawn<'d>(item: Value<'d>) -> Option<Content<'d>> {
    let data = item.text("result").filter(|data| is_base64(data))?;
    let media_type = match item.text("output_format").as_deref() {
        Some("jpeg" | "jpg") => "image/jpeg",
        Some("webp") => "image/webp",
        _ => "image/png",
    };
    Some(Content::Image(Media::new(Source::Base64(data), media_type)))
}

fn read_part<'d>(part: Value<'d>, parts: &mut Vec<Part<'d>>, logprobs: &mut String) {
    let text = |name: &str| part.text(name).unwrap_or_default();
    match text("type").as_ref() {
        // SGLang's router and its kin leave the prefix out.
        "output_text" | "text" => {
            if let Some(items) = part.get("logprobs") {
                append_items(logprobs, items);
            }
            parts.push(Part::new(Content::Text {
                text: text("text"),
                citations: content::citations(part.get("annotations")),
            }));
        }
        "refusal" => parts.push(Part::new(Content::Refusal(text("refusal")))),
        _ => {}
    }
}

/// Log probabilities of these items, the inside of an array; none where there are none.
pub(super) fn logprobs(items: &str) -> Option<std::borrow::Cow<'static, str>> {
    let mut list = String::with_capacity(items.len() + 2);
    write::brackets(&mut list, |out| out.push_str(items));
    (!items.is_empty()).then(|| logprobs_of(&list).into())
}

/// Appends an array's inside to that of another.
pub(super) fn append_items(out: &mut String, items: Value<'_>) {
    for item in items.items() {
        write::value(out, item.raw());
    }
}
