//! Writes messages of the common form.

use crate::cohere::{Calls, Losses, media_url};
use crate::exchange::{Content, Inexpressible, Media, Message, Part, Role, Source};
use crate::json::write::{List, Object};

/// Whose content is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Say {
    /// A person's, an operator's, a tool's.
    Given,
    /// The assistant's, who may also have thought or refused beside it.
    Said,
    /// The assistant's beside calls, which may be left out where it is empty.
    Beside,
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "SYSTEM",
        Role::Developer => "DEVELOPER",
        Role::User => "USER",
        Role::Assistant => "ASSISTANT",
        Role::Tool => "TOOL",
    }
}

/// Writes a message; results of tools become one each.
pub(super) fn write_message<'r>(
    at: usize,
    message: &'r Message<'r>,
    calls: &mut Calls<'r>,
    list: &mut List<'_>,
    losses: &mut Losses,
) -> Result<(), Inexpressible> {
    if message.role == Role::Tool {
        losses.speaker(at, message);
        for (position, part) in message.parts.iter().enumerate() {
            losses.part(at, position, part);
            let Content::ToolResult(result) = &part.content else {
                losses.whole_part(at, position, "tools only give results");
                continue;
            };
            if calls.of(result, at)?.is_none() {
                losses.whole_part(
                    at,
                    position,
                    "its call can't be expressed in Oracle's format",
                );
                continue;
            }
            if result.is_error {
                let param = format!("messages[{at}].is_error");
                losses.lose_if(true, &param, "Oracle's results have no mark of failure");
            }
            let mut object = Object::open(list.next());
            object.text("role", role(message.role));
            object.text("toolCallId", &result.call_id);
            content(at, &result.parts, Say::Given, &mut object, losses)?;
            object.close();
        }
        return Ok(());
    }
    let mut object = Object::open(list.next());
    object.text("role", role(message.role));
    if let Some(name) = &message.name {
        object.text("name", name);
    }
    let assistant = message.role == Role::Assistant;
    let is_call = |part: &Part<'_>| matches!(part.content, Content::ToolCall(_));
    let has_calls = assistant && message.parts.iter().any(is_call);
    let say = match (assistant, has_calls) {
        (false, _) => Say::Given,
        (true, false) => Say::Said,
        (true, true) => Say::Beside,
    };
    content(at, &message.parts, say, &mut object, losses)?;
    if assistant {
        said(at, message, &mut object, losses);
    }
    if has_calls && let Some(out) = object.begin("toolCalls") {
        let mut list = List::open(out);
        for (position, part) in message.parts.iter().enumerate() {
            let Content::ToolCall(call) = &part.content else {
                continue;
            };
            calls.note(call, !call.custom);
            if call.custom {
                let why = "Oracle's tools are functions, whose arguments are JSON";
                losses.whole_part(at, position, why);
                continue;
            }
            list.object(|object| {
                object.text("type", "FUNCTION");
                object.text("id", &call.id);
                object.text("name", &call.name);
                let none = call.arguments.trim().is_empty();
                object.text("arguments", if none { "{}" } else { &call.arguments });
            });
        }
        list.close();
    }
    object.close();
    Ok(())
}

/// The assistant's refusal and reasoning, which stand beside its content.
fn said(at: usize, message: &Message<'_>, object: &mut Object<'_>, losses: &mut Losses) {
    let (mut refusal, mut reasoning) = (String::new(), String::new());
    for (position, part) in message.parts.iter().enumerate() {
        match &part.content {
            Content::Refusal(text) => refusal.push_str(text),
            Content::Reasoning(thought) => {
                reasoning.push_str(&thought.text);
                if thought.redacted.is_some() {
                    losses.hidden(at, position);
                }
            }
            _ => {}
        }
    }
    for (name, text) in [("refusal", refusal), ("reasoningContent", reasoning)] {
        if !text.is_empty() {
            object.text(name, &text);
        }
    }
}

fn content(
    at: usize,
    parts: &[Part<'_>],
    say: Say,
    object: &mut Object<'_>,
    losses: &mut Losses,
) -> Result<(), Inexpressible> {
    let beside = |part: &Part<'_>| {
        say != Say::Given
            && matches!(
                part.content,
                Content::ToolCall(_) | Content::Refusal(_) | Content::Reasoning(_)
            )
    };
    if say == Say::Beside && parts.iter().all(beside) {
        for (position, part) in parts.iter().enumerate() {
            losses.part(at, position, part);
        }
        return Ok(());
    }
    let Some(out) = object.begin("content") else {
        return Ok(());
    };
    let mut list = List::open(out);
    for (position, part) in parts.iter().enumerate() {
        losses.part(at, position, part);
        match &part.content {
            Content::Text { text, .. } => list.object(|block| {
                block.text("type", "TEXT");
                block.text("text", text);
            }),
            content if let Some(media) = content.media() => {
                let kind = match content {
                    Content::Image(_) => ("IMAGE", "imageUrl"),
                    Content::Audio(_) => ("AUDIO", "audioUrl"),
                    Content::Video(_) => ("VIDEO", "videoUrl"),
                    _ => ("DOCUMENT", "documentUrl"),
                };
                medium(at, position, kind, media, &mut list, losses)?;
            }
            _ if beside(part) => {}
            _ => losses.whole_part(at, position, "Oracle's messages have no such part"),
        }
    }
    if list.is_empty() {
        list.object(|block| {
            block.text("type", "TEXT");
            block.text("text", "");
        });
    }
    list.close();
    Ok(())
}

fn medium(
    at: usize,
    position: usize,
    (kind, member): (&str, &str),
    media: &Media<'_>,
    list: &mut List<'_>,
    losses: &mut Losses,
) -> Result<(), Inexpressible> {
    let path = || format!("messages[{at}].content[{position}]");
    let mut url = String::new();
    if !media_url(media, path, &mut url)? {
        let why = "Oracle takes media as URLs and base64, and documents not as plain text";
        losses.whole_part(at, position, why);
        return Ok(());
    }
    if let Some(address) = media
        .media_type
        .split_once('/')
        .filter(|_| matches!(media.source, Source::Url(_)) && !url.starts_with("data:"))
    {
        // `ImageUrl.url`: "data:image/png;uri,<image uri>".
        url.insert_str(0, &format!("data:{}/{};uri,", address.0, address.1));
    }
    list.object(|block| {
        block.text("type", kind);
        block.object(member, |object| {
            object.text("url", &url);
            let detail = media.detail.as_deref();
            if let Some(detail) = detail.filter(|word| ["auto", "low", "high"].contains(word)) {
                object.text("detail", &detail.to_ascii_uppercase());
            }
        });
    });
    Ok(())
}
