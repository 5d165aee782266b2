//! Results of tools: those that failed, where the target has no mark for it; and the images and
//! documents in them, where its results are text. Those go into the user's message that follows.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::aim::{Aim, Fitted};
use super::family::Family;
use crate::contract::ways::ResultMedia;
use crate::exchange::{ChatRequest, Content, Message, Part, Profile, Role, Source, ToolResult};
use crate::json::Document;

/// Parts that only Converse has and that are text.
const CONVERSES: [&str; 2] = ["guardContent", "searchResult"];

/// What stands before the text of a result that failed.
const FAILED: &str = "The tool call failed with an error";

pub(super) fn fit(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    let is_own = |part: &Part<'_>| matches!(part.content, Content::Opaque { .. });
    let own = |part: &Part<'_>| match &part.content {
        Content::ToolResult(result) => result.parts.iter().any(is_own),
        _ => is_own(part),
    };
    if request.messages.iter().any(|m| m.parts.iter().any(own)) {
        let all = !aim.ways.own_parts;
        request.each_inner(|part| {
            // Anthropic's own parts stay where they are known.
            let foreign = matches!(&part.content, Content::Opaque { kind, .. } if CONVERSES.contains(&kind.as_ref()));
            if all || foreign {
                as_text(part);
            }
        });
    }
    if aim.is(aim.ways.text_files) {
        request.each_inner(text_of_document);
    }
    if !request.messages.iter().any(|m| m.role == Role::Tool) {
        return;
    }
    let others = matches!(aim.family, Family::Bedrock(_));
    let marks = aim.ways.marks_failure && !others;
    let mut added = Vec::new();
    let mut at = 0;
    while at < request.messages.len() {
        let mut carried = Vec::new();
        // Results of one turn, each in a message or all in one.
        while let Some(message) = request
            .messages
            .get_mut(at)
            .filter(|m| m.role == Role::Tool)
        {
            for part in &mut message.parts {
                if let Content::ToolResult(result) = &mut part.content {
                    one(result, aim, marks, &mut carried);
                }
            }
            at += 1;
        }
        if !carried.is_empty() {
            carry(&mut request.messages, at, carried, &mut added);
        }
        at += 1;
    }
    fitted.add(&mut request.messages, added);
}

/// A document of plain text, sent as bytes, is its text.
fn text_of_document(part: &mut Part<'_>) {
    let Content::File(media) = &mut part.content else {
        return;
    };
    let is_text = media.media_type.starts_with("text/")
        || matches!(
            media.media_type.as_ref(),
            "application/json" | "application/xml"
        );
    if let (true, Source::Base64(bytes)) = (is_text, &media.source)
        && let Ok(bytes) = STANDARD.decode(bytes.as_bytes())
        && let Ok(text) = String::from_utf8(bytes)
    {
        media.source = Source::Text(text.into());
    }
}

fn one<'a>(result: &mut ToolResult<'a>, aim: &Aim<'_>, marks: bool, carried: &mut Vec<Part<'a>>) {
    if result.is_error && !marks {
        result.is_error = false;
        failed(result);
    }
    let stays = |part: &Part<'_>| holds(aim, &part.content);
    if !result.parts.iter().all(stays) {
        let parts = std::mem::take(&mut result.parts);
        for part in parts {
            if stays(&part) {
                result.parts.push(part);
                continue;
            }
            let what = match &part.content {
                Content::Image(_) => "image",
                Content::Audio(_) => "sound",
                Content::Video(_) => "video",
                _ => "document",
            };
            let name = result.name.as_deref().unwrap_or("the tool");
            let title = format!(
                "The {what} that {name} gave back (call {}):",
                result.call_id
            );
            carried.push(Part::text(title));
            carried.push(Part::new(part.content));
            let note = format!("[the {what} of this result is in the user's message that follows]");
            result.parts.push(Part::text(note));
        }
    }
    join(result, aim);
}

/// Says that a tool failed, in the result's text.
fn failed(result: &mut ToolResult<'_>) {
    let first = result
        .parts
        .iter_mut()
        .find_map(|part| match &mut part.content {
            Content::Text { text, .. } => Some(text),
            _ => None,
        });
    match first {
        Some(text) if text.trim().is_empty() => *text = Cow::Owned(format!("{FAILED}.")),
        Some(text) => *text = Cow::Owned(format!("{FAILED}:\n{text}")),
        None => result.parts.insert(0, Part::text(format!("{FAILED}."))),
    }
}

/// Whether the target's results may hold it.
fn holds(aim: &Aim<'_>, content: &Content<'_>) -> bool {
    let is_file = match content {
        Content::File(_) => true,
        Content::Image(_) | Content::Audio(_) | Content::Video(_) => false,
        _ => return true,
    };
    match aim.ways.result_media {
        ResultMedia::Nothing => false,
        ResultMedia::AtMistral => aim.profile == Profile::Mistral,
        ResultMedia::Files => is_file,
        ResultMedia::Seen => {
            let able = match aim.family {
                Family::Gemini(gemini) => gemini.third,
                Family::Bedrock(_) => false,
                _ => true,
            };
            able && (is_file || matches!(content, Content::Image(_)))
        }
    }
}

/// Servers that follow OpenAI take a result as one text.
fn join(result: &mut ToolResult<'_>, aim: &Aim<'_>) {
    let plain = |part: &Part<'_>| matches!(part.content, Content::Text { .. });
    let takes_parts = !aim.is(aim.ways.one_text) || aim.profile == Profile::Mistral;
    if takes_parts || result.parts.len() < 2 || !result.parts.iter().all(plain) {
        return;
    }
    let texts: Vec<_> = result.parts.iter().filter_map(Part::said).collect();
    let text = texts.join("\n");
    let cache = result
        .parts
        .iter()
        .rev()
        .find_map(|part| part.cache.clone());
    result.parts = vec![Part {
        cache: cache.map(|cache| crate::exchange::CacheMarker {
            ttl: cache.ttl.map(|ttl| Cow::Owned(ttl.into_owned())),
        }),
        ..Part::text(text)
    }];
}

/// Puts what was carried out of results into the user's message after them, or into one of its own,
/// which is to be added there.
pub(super) fn carry<'a>(
    messages: &mut [Message<'a>],
    at: usize,
    mut carried: Vec<Part<'a>>,
    added: &mut Vec<(usize, Message<'a>)>,
) {
    if let Some(next) = messages.get_mut(at).filter(|m| m.role == Role::User) {
        carried.append(&mut next.parts);
        next.parts = carried;
        return;
    }
    added.push((at, Message::new(Role::User, carried)));
}

/// Anthropic's parts that are text with something around it become that text.
fn as_text(part: &mut Part<'_>) {
    let text = match &part.content {
        Content::Opaque { kind, json } if matches!(kind.as_ref(), "search_result" | "document") => {
            text_within(json)
        }
        Content::Opaque { kind, json } if kind == "searchResult" => {
            let document = Document::parse(json.as_bytes()).ok();
            let inner = document
                .as_ref()
                .and_then(|found| found.root().get("searchResult"));
            inner.and_then(|inner| text_within(inner.raw()))
        }
        // What stands for a conversation that Anthropic has made shorter.
        Content::Opaque { kind, json } if kind == "compaction" => {
            let said = member(json, &["content"]);
            said.map(|said| format!("Summary of the conversation so far:\n{said}"))
        }
        // What a search for tools has found: they are declared with the others.
        Content::Opaque { kind, json } if kind == "tool_reference" => {
            let name = member(json, &["tool_name"]);
            name.map(|name| format!("The tool {name} is available now."))
        }
        Content::Opaque { kind, json } if kind == "guardContent" => {
            member(json, &["guardContent", "text", "text"])
                .or_else(|| member(json, &["text", "text"]))
        }
        _ => None,
    };
    if let Some(text) = text {
        part.content = Content::Text {
            text: Cow::Owned(text),
            citations: Vec::new(),
        };
        part.extra.clear();
    }
}

/// The text that stands at the end of these members.
fn member(json: &str, path: &[&str]) -> Option<String> {
    let document = Document::parse(json.as_bytes()).ok()?;
    let mut names = path.iter();
    let value = names.try_fold(document.root(), |value, name| value.get(name))?;
    value.as_str().map(Cow::into_owned)
}

fn text_within(json: &str) -> Option<String> {
    let document = Document::parse(json.as_bytes()).ok()?;
    let root = document.root();
    let mut lines = Vec::new();
    for name in ["title", "source", "context"] {
        lines.extend(root.text(name));
    }
    let before = lines.len();
    let source = root.get("source").and_then(|source| source.get("content"));
    if let Some(content) = root.get("content").or(source) {
        lines.extend(content.as_str());
        let blocks = content.items();
        lines.extend(blocks.filter_map(|block| block.get("text")?.as_str()));
    }
    (lines.len() > before).then(|| lines.join("\n"))
}
