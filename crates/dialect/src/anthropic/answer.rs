//! Whole answers.

use std::borrow::Cow;

use bytes::Bytes;

use super::usage::{self, write_usage};
use super::{blocks, names};
use crate::canonical::Usage;
use crate::contract::context::AnswerContext;
use crate::exchange::{ChatAnswer, Choice, Content, Finish, Media, Part, Source};
use crate::exchange::{Thought, ToolCall};
use crate::fields::given;
use crate::json::{Kind, Value, write};
use crate::payload::{PayloadError, string, text_of, usage_in, wrong_type};

pub(crate) fn read_answer(root: Value<'_>) -> Result<ChatAnswer<'_>, PayloadError> {
    let text = |name: &str| root.text(name);
    let mut parts = Vec::new();
    match root.some("content") {
        None => {}
        Some(blocks) if blocks.kind() == Kind::Array => {
            for (position, block) in blocks.items().enumerate() {
                parts.push(read_block(position, block)?);
            }
        }
        // As in a request, some servers give the text alone.
        Some(said) => parts.push(Part::text(string(said, "content")?)),
    }
    let sequence = || text("stop_sequence").map(Cow::into_owned);
    let finish = text("stop_reason").map(|reason| names::finish(&reason, sequence()));
    Ok(ChatAnswer {
        id: text("id").unwrap_or_default(),
        model: text("model").unwrap_or_default(),
        created: None,
        choices: vec![Choice {
            parts,
            finish,
            ..Choice::default()
        }],
        usage: usage_in(root).map(usage::read).transpose()?,
    })
}

fn read_block(position: usize, block: Value<'_>) -> Result<Part<'_>, PayloadError> {
    let path = |rest: &str| format!("content[{position}]{rest}");
    if block.kind() != Kind::Object {
        return Err(wrong_type(path(""), "an object", block));
    }
    let text = |name: &str| {
        let text = text_of(block, name, || path(&format!(".{name}")));
        text.map(Option::unwrap_or_default)
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
        "thinking" => {
            let signature = Some(text("signature")?).filter(|signature| !signature.is_empty());
            Thought::signed(text("thinking")?, signature)
        }
        "redacted_thinking" => Thought::hidden(text("data")?),
        "tool_use" => {
            let given = given(block.get("input"));
            Content::ToolCall(ToolCall::function(text("id")?, text("name")?, given))
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
    let parts = choice.map_or(&[][..], |choice| &choice.parts);
    let refused = |part: &Part<'_>| matches!(part.content, Content::Refusal(_));
    let end = End {
        finish: choice.and_then(|choice| choice.finish.as_ref()),
        refused: parts.iter().any(refused),
        usage: answer.usage.unwrap_or_default(),
    };
    write::braces(&mut out, |out| {
        message((&answer.id, &answer.model), context, end, out, |out| {
            parts
                .iter()
                .for_each(|part| write_block(&part.content, out));
        });
    });
    out.into()
}

/// How a message ends, and what it took.
#[derive(Default)]
pub(super) struct End<'f> {
    pub(super) finish: Option<&'f Finish>,
    /// It refused. OpenAI's refusals end as if nothing had happened.
    pub(super) refused: bool,
    pub(super) usage: Usage,
}

/// Writes a message's members. Only an id of this format's stays: agents take messages of one id
/// for one, and other servers' ids come again (Ollama has a thousand).
pub(super) fn message(
    (id, model): (&str, &str),
    context: &AnswerContext,
    end: End<'_>,
    out: &mut String,
    content: impl FnOnce(&mut String),
) {
    match id.starts_with("msg_") {
        true => write::text(out, "id", id),
        false => write::text(out, "id", &format!("msg_{}", context.id)),
    }
    write::text(out, "type", "message");
    write::text(out, "role", "assistant");
    let model = if model.is_empty() {
        &context.model
    } else {
        model
    };
    write::text(out, "model", model);
    write::list(out, "content", content);
    write_stop(&end, out);
    write_usage(&end.usage, out);
}

/// Writes `stop_reason` and `stop_sequence`.
pub(super) fn write_stop(end: &End<'_>, out: &mut String) {
    let reason = match end.finish {
        Some(Finish::Stop) if end.refused => Some("refusal"),
        finish => finish.map(names::stop_reason),
    };
    write::text_or_null(out, "stop_reason", reason);
    let sequence = match end.finish {
        Some(Finish::StopSequence(sequence)) => sequence.as_deref(),
        _ => None,
    };
    write::text_or_null(out, "stop_sequence", sequence);
}

/// Writes a block, or several; nothing where the part is none that Anthropic's answers have.
fn write_block(content: &Content<'_>, out: &mut String) {
    match content {
        Content::Text { text, citations } => {
            let citations = citations
                .iter()
                .filter(|citation| blocks::can_write(citation));
            write::braces(out, |out| blocks::text(text, citations, out));
        }
        Content::Refusal(text) => write::braces(out, |out| blocks::text(text, [].iter(), out)),
        Content::Reasoning(of) => {
            if of.redacted.is_none() || !of.text.is_empty() || of.signature.is_some() {
                blocks::thinking(&of.text, of.signature.as_deref().unwrap_or_default(), out);
            }
            if let Some(data) = &of.redacted {
                blocks::redacted(data, out);
            }
        }
        Content::ToolCall(call) => {
            // An answer that was cut short, or free text: told as it is, in an object.
            let mut told = String::new();
            let input = blocks::input(call).unwrap_or_else(|| {
                write::braces(&mut told, |out| write::text(out, "input", &call.arguments));
                &told
            });
            write::braces(out, |out| blocks::call(call, input, out));
        }
        Content::Image(media) => drawn(media, out),
        Content::Opaque { kind, json } if names::is_own_block(kind) => write::value(out, json),
        _ => {}
    }
}

/// An image that the model has drawn, in the form in which requests hold images: Anthropic's answers
/// have none of their own.
pub(super) fn drawn(media: &Media<'_>, out: &mut String) {
    let (kind, member, said) = match &media.source {
        Source::Base64(data) => ("base64", "data", data),
        Source::Url(url) => ("url", "url", url),
        Source::Id(_) | Source::Text(_) => return,
    };
    write::typed(out, "image", |out| {
        write::object(out, "source", |out| {
            write::text(out, "type", kind);
            if kind == "base64" {
                write::text(out, "media_type", media.image_type());
            }
            write::text(out, member, said);
        });
    });
}
