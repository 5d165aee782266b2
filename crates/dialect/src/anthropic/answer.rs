//! Whole answers.

use std::borrow::Cow;

use bytes::Bytes;

use super::usage::{Counts, write_usage};
use super::{blocks, names};
use crate::contract::context::AnswerContext;
use crate::exchange::{ChatAnswer, Choice, Content, Finish, Part, ToolCall};
use crate::json::{Kind, Value, write_json_string};
use crate::payload::{PayloadError, wrong_type};

pub(crate) fn read_answer(root: Value<'_>) -> Result<ChatAnswer<'_>, PayloadError> {
    let text = |name: &str| root.text(name);
    let mut parts = Vec::new();
    let blocks = root.some("content");
    if let Some(blocks) = blocks {
        if blocks.kind() != Kind::Array {
            return Err(wrong_type("content", "an array", blocks));
        }
        for (position, block) in blocks.items().enumerate() {
            parts.push(read_block(position, block)?);
        }
    }
    let sequence = || text("stop_sequence").map(Cow::into_owned);
    let finish = text("stop_reason").map(|reason| names::finish(&reason, sequence()));
    let mut usage = None;
    if let Some(told) = root.some("usage") {
        let mut counts = Counts::default();
        counts.take(told)?;
        usage = Some(counts.usage());
    }
    Ok(ChatAnswer {
        id: text("id").unwrap_or_default(),
        model: text("model").unwrap_or_default(),
        created: None,
        choices: vec![Choice {
            parts,
            finish,
            logprobs: None,
        }],
        usage,
    })
}

fn read_block(position: usize, block: Value<'_>) -> Result<Part<'_>, PayloadError> {
    let path = |rest: &str| format!("content[{position}]{rest}");
    if block.kind() != Kind::Object {
        return Err(wrong_type(path(""), "an object", block));
    }
    let text = |name: &str| match block.get(name) {
        None => Ok(Cow::Borrowed("")),
        Some(value) if value.is_null() => Ok(Cow::Borrowed("")),
        Some(value) => {
            let text = value.as_str();
            text.ok_or_else(|| wrong_type(path(&format!(".{name}")), "a string", value))
        }
    };
    let kind = text("type")?;
    Ok(Part::new(match kind.as_ref() {
        "text" => Content::Text {
            text: text("text")?,
            citations: block
                .get("citations")
                .map(blocks::citations)
                .unwrap_or_default(),
        },
        "thinking" => Content::Reasoning {
            text: text("thinking")?,
            signature: Some(text("signature")?).filter(|signature| !signature.is_empty()),
            redacted: None,
        },
        "redacted_thinking" => Content::Reasoning {
            text: Cow::Borrowed(""),
            signature: None,
            redacted: Some(text("data")?),
        },
        "tool_use" => {
            let input = block.some("input");
            Content::ToolCall(ToolCall {
                id: text("id")?,
                name: text("name")?,
                arguments: input.map_or("{}", |input| input.raw()).into(),
                custom: false,
            })
        }
        _ => Content::Opaque {
            kind,
            json: Cow::Borrowed(block.raw()),
        },
    }))
}

pub(crate) fn write_answer(answer: &ChatAnswer<'_>, context: &AnswerContext) -> Bytes {
    let mut out = String::with_capacity(512);
    let choice = answer.choices.first();
    begin_message(&answer.id, &answer.model, context, &mut out);
    let mut refused = false;
    for part in choice
        .map(|choice| choice.parts.as_slice())
        .unwrap_or_default()
    {
        refused |= matches!(part.content, Content::Refusal(_));
        let before = out.len();
        if !out.ends_with('[') {
            out.push(',');
        }
        if !write_block(&part.content, &mut out) {
            out.truncate(before);
        }
    }
    out.push_str("],");
    let finish = choice.and_then(|choice| choice.finish.as_ref());
    write_stop(finish, refused, &mut out);
    out.push_str(",\"usage\":");
    write_usage(&answer.usage.unwrap_or_default(), &mut out);
    out.push('}');
    out.into()
}

/// Appends a message up to the bracket that opens its content. Only an id of this format's stays:
/// agents take messages of one id for one, and other servers' ids come again (Ollama has a thousand).
pub(super) fn begin_message(id: &str, model: &str, context: &AnswerContext, out: &mut String) {
    out.push_str("{\"id\":");
    match id.starts_with("msg_") {
        true => write_json_string(id, out),
        false => write_json_string(&format!("msg_{}", context.id), out),
    }
    out.push_str(",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    write_json_string(
        if model.is_empty() {
            &context.model
        } else {
            model
        },
        out,
    );
    out.push_str(",\"content\":[");
}

/// Appends `stop_reason` and `stop_sequence`. OpenAI's refusals end as if nothing had happened.
pub(super) fn write_stop(finish: Option<&Finish>, refused: bool, out: &mut String) {
    out.push_str("\"stop_reason\":");
    match finish {
        Some(Finish::Stop) if refused => out.push_str("\"refusal\""),
        Some(finish) => write_json_string(names::stop_reason(finish), out),
        None => out.push_str("null"),
    }
    out.push_str(",\"stop_sequence\":");
    match finish {
        Some(Finish::StopSequence(Some(sequence))) => write_json_string(sequence, out),
        _ => out.push_str("null"),
    }
}

/// Appends a block, or several; false where the part is none that Anthropic's answers have.
fn write_block(content: &Content<'_>, out: &mut String) -> bool {
    match content {
        Content::Text { text, citations } => {
            let citations = citations
                .iter()
                .filter(|citation| blocks::can_write(citation));
            blocks::begin_text(text, citations, out);
            out.push('}');
        }
        Content::Refusal(text) => {
            blocks::begin_text(text, [].iter(), out);
            out.push('}');
        }
        Content::Reasoning {
            text,
            signature,
            redacted,
        } => {
            if redacted.is_none() || !text.is_empty() || signature.is_some() {
                blocks::write_thinking(text, signature.as_deref().unwrap_or_default(), out);
                if redacted.is_some() {
                    out.push(',');
                }
            }
            if let Some(data) = redacted {
                blocks::write_redacted(data, out);
            }
        }
        Content::ToolCall(call) => {
            match blocks::input(call) {
                Some(input) => blocks::begin_call(call, input, out),
                // An answer that was cut short, or free text: told as it is, in an object.
                None => {
                    let mut input = String::from("{\"input\":");
                    write_json_string(&call.arguments, &mut input);
                    input.push('}');
                    blocks::begin_call(call, &input, out);
                }
            }
            out.push('}');
        }
        Content::Opaque { kind, json } if names::is_own_block(kind) => out.push_str(json),
        _ => return false,
    }
    true
}
