//! Reasoning in chat messages. OpenAI has no field for it; what servers and gateways agree on:
//! `reasoning_content` or `reasoning` for its text (vLLM, DeepSeek, most others), LiteLLM's
//! `thinking_blocks` and OpenRouter's `reasoning_details` for signatures and what is hidden,
//! and Mistral's `thinking` parts.

use std::borrow::Cow;

use super::object::joined;
use crate::exchange::{Content, Part, Thought};
use crate::fields::{named, said as text};
use crate::json::write;
use crate::json::{Kind, Value};

/// The names of a message's members that are read here.
pub(super) const MEMBERS: [&str; 4] = [
    "reasoning_content",
    "reasoning",
    "thinking_blocks",
    "reasoning_details",
];

/// The reasoning text of a message or delta, where it stands in one field.
pub(super) fn plain<'d>(message: Value<'d>) -> Option<Cow<'d, str>> {
    text(message, "reasoning_content").or_else(|| text(message, "reasoning"))
}

/// The blocks of a message or delta.
pub(super) fn blocks<'d>(message: Value<'d>) -> impl Iterator<Item = Thought<'d>> {
    let list = message
        .some("thinking_blocks")
        .filter(|list| list.items().next().is_some());
    let list = list.or_else(|| message.some("reasoning_details"));
    list.into_iter().flat_map(Value::items).map(block)
}

/// A block of any of these kinds; one that says nothing where it is none.
pub(super) fn block<'d>(block: Value<'d>) -> Thought<'d> {
    let said = block.some("thinking").and_then(thinking);
    let said = said
        .or_else(|| text(block, "text"))
        .or_else(|| text(block, "summary"));
    Thought {
        text: said.unwrap_or_default(),
        signature: text(block, "signature"),
        redacted: text(block, "data"),
    }
}

/// A text, or Mistral's list of text parts.
fn thinking<'d>(value: Value<'d>) -> Option<Cow<'d, str>> {
    if value.kind() == Kind::String {
        return value.as_str();
    }
    let mut texts = value.items().filter_map(|part| text(part, "text"));
    let first = texts.next()?;
    Some(texts.fold(first, |said, more| said + more))
}

/// The reasoning of a whole message as parts. Blocks win over the text they repeat; a block
/// that lost its text (a stream's last piece has only the signature) takes it from there.
pub(super) fn read<'d>(message: Value<'d>, parts: &mut Vec<Part<'d>>) {
    let begin = parts.len();
    let mut said = plain(message);
    // Beside blocks with text, one without it had none.
    let all_lost = blocks(message).all(|block| block.text.is_empty());
    for mut block in blocks(message).filter(|block| *block != Thought::default()) {
        if block.text.is_empty() && block.redacted.is_none() && all_lost {
            block.text = said.take().unwrap_or_default();
        }
        parts.push(Part::new(Content::Reasoning(block)));
    }
    let told = of(&parts[begin..]).any(|thought| !thought.text.is_empty());
    if let Some(text) = said.filter(|_| !told) {
        parts.insert(begin, Part::thought(text));
    }
}

/// A message's reasoning parts.
pub(super) fn of<'p, 'a>(parts: &'p [Part<'a>]) -> impl Iterator<Item = &'p Thought<'a>> {
    parts.iter().filter_map(|part| match &part.content {
        Content::Reasoning(thought) => Some(thought),
        _ => None,
    })
}

/// Appends the members that tell reasoning parts: the text, and the blocks where there is more to
/// them than text.
pub(super) fn write(parts: &[Part<'_>], with_blocks: bool, out: &mut String) {
    write_text("reasoning_content", parts, out);
    if with_blocks && of(parts).any(Thought::is_sealed) {
        write::list(out, "thinking_blocks", |out| {
            for Thought {
                text,
                signature,
                redacted,
            } in of(parts)
            {
                write_block(text, signature.as_deref(), redacted.as_deref(), out);
            }
        });
    }
}

fn write_text(name: &str, parts: &[Part<'_>], out: &mut String) {
    let text = joined(of(parts).map(|thought| thought.text.as_ref()));
    if !text.is_empty() {
        write::text(out, name, &text);
    }
}

/// Appends the text once more as `reasoning`: vLLM has dropped the older name, and others know
/// only that one.
pub(super) fn write_again(parts: &[Part<'_>], out: &mut String) {
    write_text("reasoning", parts, out);
}

/// One of LiteLLM's `thinking_blocks`. What is both told and hidden can't stand in one of
/// Anthropic's blocks; it is kept together here all the same.
pub(super) fn write_block(
    text: &str,
    signature: Option<&str>,
    redacted: Option<&str>,
    out: &mut String,
) {
    let hidden = redacted.is_some() && text.is_empty();
    let kind = if hidden {
        "redacted_thinking"
    } else {
        "thinking"
    };
    write::typed(out, kind, |out| {
        if !hidden {
            write::text(out, "thinking", text);
        }
        write::text_if(out, "data", redacted);
        write::text_if(out, "signature", signature);
    });
}

/// The members of a Mistral `thinking` part.
pub(super) fn write_part(text: &str, signature: Option<&str>, out: &mut String) {
    write::text(out, "type", "thinking");
    write::list(out, "thinking", |out| {
        write::typed(out, "text", |out| write::text(out, "text", text));
    });
    write::text_if(out, "signature", signature);
}

/// Whether nothing of a delta is reasoning.
pub(super) fn is_absent(delta: Value<'_>) -> bool {
    !named(delta).any(|(name, _)| MEMBERS.contains(&name.as_ref()))
}
