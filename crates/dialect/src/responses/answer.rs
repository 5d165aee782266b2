//! Whole answers, read and written.

use bytes::Bytes;

use super::object::{self, Head, State};
use super::parts_out::{self, Called};
use super::{content, items};
use crate::canonical::Usage;
use crate::contract::context::AnswerContext;
use crate::data_url::is_base64;
use crate::exchange::{
    ChatAnswer, Choice, Content, Finish, Media, Part, Source, ToolCall, logprobs_of,
};
use crate::fit::join_namespace;
use crate::json::{Document, Kind, Value, write};
use crate::payload::{PayloadError, wrong_type};

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
    let usage = response.some("usage");
    usage.map(usage_of).transpose()
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
                arguments: text(if custom { "input" } else { "arguments" }),
                custom,
            })));
        }
        "image_generation_call" => parts.extend(drawn(item).map(Part::new)),
        _ => {}
    }
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

pub(crate) fn write_answer(answer: &ChatAnswer<'_>, context: &AnswerContext) -> Bytes {
    let head = Head::new(&answer.id, &answer.model, answer.created, context);
    let mut output = String::with_capacity(1024);
    let choice = answer.choices.first();
    let mut logprobs = choice
        .and_then(|choice| choice.logprobs.as_deref())
        .map(logprob_items);
    let parts = choice.map_or(&[][..], |choice| &choice.parts);
    let mut index = 0;
    let mut at = 0;
    while at < parts.len() {
        let before = output.len();
        let run = write_item(&mut output, &head, index, &parts[at..], &mut logprobs);
        index += usize::from(output.len() > before);
        at += run;
    }
    let mut out = String::with_capacity(1024 + output.len());
    let finish = choice.and_then(|choice| choice.finish.as_ref());
    object::write(
        &mut out,
        &head,
        State::Ended(finish),
        &output,
        answer.usage.as_ref(),
    );
    out.into()
}

/// Writes the item that begins these parts, and gives how many of them are in it.
fn write_item(
    out: &mut String,
    head: &Head,
    index: usize,
    parts: &[Part<'_>],
    logprobs: &mut Option<String>,
) -> usize {
    let mut escaped = String::new();
    match parts.first().map(|part| &part.content) {
        Some(Content::Reasoning(of)) => {
            parts_out::escape(&of.text, &mut escaped);
            let sealed = parts_out::sealed(
                of.signature.as_deref().unwrap_or_default(),
                of.redacted.as_deref().unwrap_or_default(),
            );
            parts_out::reasoning(out, &head.item_id("rs", index), &escaped, &sealed);
            1
        }
        Some(Content::ToolCall(call)) => {
            let said = match call.arguments.is_empty() && !call.custom {
                true => "{}",
                false => &call.arguments,
            };
            parts_out::escape(said, &mut escaped);
            let called = Called {
                call_id: call.id.clone().into_owned(),
                name: call.name.clone().into_owned(),
                custom: call.custom,
            };
            let prefix = if call.custom { "ctc" } else { "fc" };
            let id = head.item_id(prefix, index);
            parts_out::call(out, &id, "completed", &called, &escaped);
            1
        }
        Some(Content::Text { .. } | Content::Refusal(_)) => {
            let run = parts
                .iter()
                .take_while(|part| {
                    matches!(part.content, Content::Text { .. } | Content::Refusal(_))
                })
                .count();
            let mut content = String::new();
            for part in parts.iter().take(run) {
                write_part(&mut content, &part.content, logprobs);
            }
            parts_out::message(out, &head.item_id("msg", index), "completed", &content);
            run
        }
        Some(Content::Image(media)) => {
            let id = head.item_id("ig", index);
            parts_out::image(out, &id, "completed", Some(media));
            1
        }
        _ => 1,
    }
}

fn write_part(out: &mut String, content: &Content<'_>, logprobs: &mut Option<String>) {
    let mut escaped = String::new();
    match content {
        Content::Text { text, citations } => {
            parts_out::escape(text, &mut escaped);
            let mut annotations = String::new();
            for citation in citations {
                parts_out::annotation(&mut annotations, citation);
            }
            let logprobs = logprobs.take().unwrap_or_default();
            parts_out::output_text(out, &escaped, &annotations, &logprobs);
        }
        Content::Refusal(text) => {
            parts_out::escape(text, &mut escaped);
            parts_out::plain(out, "refusal", "refusal", &escaped);
        }
        _ => {}
    }
}

/// The inside of `content` in chat completions' log probabilities.
fn logprob_items(json: &str) -> String {
    let mut out = String::new();
    if let Ok(document) = Document::parse(json.as_bytes())
        && let Some(items) = document.root().get("content")
    {
        append_items(&mut out, items);
    }
    out
}
