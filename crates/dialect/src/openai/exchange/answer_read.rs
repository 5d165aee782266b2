//! Reads a whole chat completion.

use std::borrow::Cow;

use super::calls::Fragment;
use super::media::{DRAWN, drawn, sound};
use super::reasoning;
use crate::exchange::{
    ChatAnswer, Choice, Citation, Content, Finish, Part, PartKind, ToolCall, logprobs_of,
};
use crate::fields::{named, said as text};
use crate::json::{Kind, Value};
use crate::openai::payload::usage;
use crate::payload::{PayloadError, index, text_of, wrong_type};

pub(crate) fn read_answer(root: Value<'_>) -> Result<ChatAnswer<'_>, PayloadError> {
    let choices = root.get("choices").unwrap_or(root);
    if choices.kind() != Kind::Array {
        return Err(wrong_type("choices", "an array", choices));
    }
    let mut answer = ChatAnswer {
        id: text(root, "id").unwrap_or_default(),
        model: text(root, "model").unwrap_or_default(),
        created: created(root),
        choices: Vec::with_capacity(choices.items().count()),
        usage: usage(root)?,
    };
    let mut numbered = Vec::with_capacity(answer.choices.capacity());
    for (position, choice) in choices.items().enumerate() {
        numbered.push((index_of(choice, position)?, read_choice(choice)?));
    }
    numbered.sort_by_key(|(index, _)| *index);
    answer
        .choices
        .extend(numbered.into_iter().map(|(_, choice)| choice));
    Ok(answer)
}

pub(super) fn created(root: Value<'_>) -> Option<u64> {
    root.some("created")?.whole()
}

/// A choice's number, or else its position.
pub(super) fn index_of(choice: Value<'_>, position: usize) -> Result<u32, PayloadError> {
    if choice.kind() != Kind::Object {
        return Err(wrong_type("choices[]", "an object", choice));
    }
    match choice.some("index") {
        None => Ok(position as u32),
        Some(number) => index(number, "choices[].index"),
    }
}

fn read_choice<'d>(choice: Value<'d>) -> Result<Choice<'d>, PayloadError> {
    let message = choice.some("message").or_else(|| choice.some("delta"));
    let message = message.unwrap_or(choice);
    if message.kind() != Kind::Object {
        return Err(wrong_type("choices[].message", "an object", message));
    }
    let mut parts = Vec::with_capacity(2);
    reasoning::read(message, &mut parts);
    said(message, &mut parts)?;
    for annotation in message
        .some("annotations")
        .into_iter()
        .flat_map(Value::items)
    {
        let citation = citation(annotation);
        let texts = parts
            .iter_mut()
            .rev()
            .find_map(|part| match &mut part.content {
                Content::Text { citations, .. } => Some(citations),
                _ => None,
            });
        if let (Some(citation), Some(texts)) = (citation, texts) {
            texts.push(citation);
        }
    }
    if let Some(text) = text(message, "refusal") {
        parts.push(Part::new(Content::Refusal(text)));
    }
    let sound = message.some("audio").and_then(sound);
    parts.extend(sound.map(|media| Part::new(Content::Audio(media))));
    let images = message.some(DRAWN).into_iter().flat_map(drawn);
    parts.extend(images.map(|media| Part::new(Content::Image(media))));
    calls(message, &mut parts)?;
    Ok(Choice {
        parts,
        finish: finish(choice)?,
        logprobs: logprobs(choice).map(|items| Cow::Owned(logprobs_of(items.raw()))),
    })
}

/// The text of a message: a string, Mistral's list of parts, or what is said in its sound.
fn said<'d>(message: Value<'d>, parts: &mut Vec<Part<'d>>) -> Result<(), PayloadError> {
    match message.some("content") {
        Some(content) if content.kind() == Kind::String => {
            parts.extend(text(message, "content").map(Part::text));
        }
        Some(content) if content.kind() == Kind::Array => {
            parts.extend(content.items().filter_map(chunk).map(Part::new));
        }
        Some(content) => {
            return Err(wrong_type("choices[].message.content", "a string", content));
        }
        None => {
            let sound = message.some("audio");
            let said = sound.and_then(|sound| text(sound, "transcript"));
            parts.extend(said.map(Part::text));
        }
    }
    Ok(())
}

/// One of Mistral's parts of an answer's content.
pub(super) fn chunk<'d>(part: Value<'d>) -> Option<Content<'d>> {
    if part.some("thinking").is_some() {
        return Some(Content::Reasoning(reasoning::block(part)));
    }
    text(part, "text").map(Content::text)
}

fn calls<'d>(message: Value<'d>, parts: &mut Vec<Part<'d>>) -> Result<(), PayloadError> {
    let list = message.some("tool_calls");
    if let Some(list) = list.filter(|list| list.kind() != Kind::Array) {
        return Err(wrong_type("choices[].message.tool_calls", "an array", list));
    }
    let listed = list.into_iter().flat_map(Value::items);
    let listed = listed.filter(|call| !call.is_null()).map(Fragment::read);
    let older = message.some("function_call");
    let older = older.map(|called| Fragment::called(called, "arguments"));
    for (position, call) in listed.chain(older).enumerate() {
        let call = call?;
        if let PartKind::ToolCall { id, name, custom } = call.kind(position) {
            parts.push(Part::new(Content::ToolCall(ToolCall {
                id: Cow::Owned(id),
                name: Cow::Owned(name),
                arguments: call.arguments,
                custom,
            })));
        }
    }
    Ok(())
}

/// The items of a choice's log probabilities, where there are any.
pub(super) fn logprobs<'d>(choice: Value<'d>) -> Option<Value<'d>> {
    let items = choice.some("logprobs")?.some("content")?;
    items.items().next().map(|_| items)
}

/// A URL citation.
pub(super) fn citation<'d>(annotation: Value<'d>) -> Option<Citation<'d>> {
    let cited = annotation.some("url_citation")?;
    let place = |name: &str| cited.some(name)?.whole();
    Some(Citation {
        text: Cow::Borrowed(""),
        url: text(cited, "url"),
        title: text(cited, "title"),
        range: place("start_index").zip(place("end_index")),
        json: annotation.raw().into(),
    })
}

/// Why a choice ended, where it has: OpenAI's words, and Mistral's, TGI's and vLLM's.
pub(super) fn finish(choice: Value<'_>) -> Result<Option<Finish>, PayloadError> {
    let reason = text_of(choice, "finish_reason", "choices[].finish_reason")?;
    Ok(match reason.as_deref().unwrap_or_default() {
        "" => None,
        "stop" | "eos_token" => Some(match choice.some("stop_reason") {
            None => Finish::Stop,
            // A string that the client named, or a token.
            Some(stop) => Finish::StopSequence(stop.as_str().map(Cow::into_owned)),
        }),
        "stop_sequence" => Some(Finish::StopSequence(None)),
        "length" | "model_length" => Some(Finish::Length),
        "tool_calls" | "function_call" => Some(Finish::ToolCalls),
        "content_filter" => Some(Finish::Refused),
        other => Some(Finish::Other(other.to_owned())),
    })
}

/// Whether a delta or message has any of these members.
pub(super) fn has(message: Value<'_>, names: &[&str]) -> bool {
    named(message).any(|(name, _)| names.contains(&name.as_ref()))
}
