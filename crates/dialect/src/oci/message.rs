//! Writes messages of the common form.

use crate::cohere::{Calls, media_url};
use crate::exchange::{Content, Draft, Inexpressible, Media, Message, Part, Role, Source};
use crate::json::write;

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
    body: &mut Draft<'_>,
) -> Result<(), Inexpressible> {
    if message.role == Role::Tool {
        return results(at, message, calls, body);
    }
    let assistant = message.role == Role::Assistant;
    let has_calls = assistant && message.parts.iter().any(|part| part.call().is_some());
    let say = match (assistant, has_calls) {
        (false, _) => Say::Given,
        (true, false) => Say::Said,
        (true, true) => Say::Beside,
    };
    write::braces(body, |body| {
        write::text(&mut body.out, "role", role(message.role));
        write::text_if(&mut body.out, "name", message.name.as_deref());
        content(at, &message.parts, say, body)?;
        if assistant {
            said(at, message, body);
        }
        if !has_calls {
            return Ok(());
        }
        write::list(body, "toolCalls", |body| {
            for (position, part) in message.parts.iter().enumerate() {
                let Some(call) = part.call() else {
                    continue;
                };
                calls.note(call, !call.custom);
                if call.custom {
                    let why = "Oracle's tools are functions, whose arguments are JSON";
                    body.lost.whole_part(at, position, why);
                    continue;
                }
                let none = call.arguments.trim().is_empty();
                write::typed(&mut body.out, "FUNCTION", |out| {
                    write::text(out, "id", &call.id);
                    write::text(out, "name", &call.name);
                    write::text(out, "arguments", if none { "{}" } else { &call.arguments });
                });
            }
        });
        Ok(())
    })
}

fn results<'r>(
    at: usize,
    message: &'r Message<'r>,
    calls: &Calls<'r>,
    body: &mut Draft<'_>,
) -> Result<(), Inexpressible> {
    body.lost.speaker(at, message);
    for (position, part) in message.parts.iter().enumerate() {
        body.lost.part(at, position, part);
        let Some(result) = part.result() else {
            body.lost
                .whole_part(at, position, "tools only give results");
            continue;
        };
        if calls.of(result, at)?.is_none() {
            let why = "its call can't be expressed in Oracle's format";
            body.lost.whole_part(at, position, why);
            continue;
        }
        if result.is_error {
            let why = "Oracle's results have no mark of failure";
            body.lose(format!("messages[{at}].is_error"), why);
        }
        write::braces(body, |body| {
            write::text(&mut body.out, "role", role(message.role));
            write::text(&mut body.out, "toolCallId", &result.call_id);
            content(at, &result.parts, Say::Given, body)
        })?;
    }
    Ok(())
}

/// The assistant's refusal and reasoning, which stand beside its content.
fn said(at: usize, message: &Message<'_>, body: &mut Draft<'_>) {
    let (mut refusal, mut reasoning) = (String::new(), String::new());
    for (position, part) in message.parts.iter().enumerate() {
        match &part.content {
            Content::Refusal(text) => refusal.push_str(text),
            Content::Reasoning(thought) => {
                reasoning.push_str(&thought.text);
                if thought.redacted.is_some() {
                    body.lost.hidden(at, position);
                }
            }
            _ => {}
        }
    }
    for (name, text) in [("refusal", refusal), ("reasoningContent", reasoning)] {
        let text = Some(text).filter(|text| !text.is_empty());
        write::text_if(&mut body.out, name, text);
    }
}

fn content(
    at: usize,
    parts: &[Part<'_>],
    say: Say,
    body: &mut Draft<'_>,
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
            body.lost.part(at, position, part);
        }
        return Ok(());
    }
    write::list(body, "content", |body| {
        for (position, part) in parts.iter().enumerate() {
            body.lost.part(at, position, part);
            match &part.content {
                Content::Text { text, .. } => text_block(text, &mut body.out),
                content if let Some(media) = content.media() => {
                    let kind = match content {
                        Content::Image(_) => ("IMAGE", "imageUrl"),
                        Content::Audio(_) => ("AUDIO", "audioUrl"),
                        Content::Video(_) => ("VIDEO", "videoUrl"),
                        _ => ("DOCUMENT", "documentUrl"),
                    };
                    medium((at, position), kind, media, body)?;
                }
                _ if beside(part) => {}
                _ => {
                    let why = "Oracle's messages have no such part";
                    body.lost.whole_part(at, position, why);
                }
            }
        }
        if body.out.ends_with('[') {
            text_block("", &mut body.out);
        }
        Ok(())
    })
}

fn text_block(text: &str, out: &mut String) {
    write::typed(out, "TEXT", |out| write::text(out, "text", text));
}

fn medium(
    (at, position): (usize, usize),
    (kind, member): (&str, &str),
    media: &Media<'_>,
    body: &mut Draft<'_>,
) -> Result<(), Inexpressible> {
    let path = || format!("messages[{at}].content[{position}]");
    let mut url = String::new();
    if !media_url(media, path, &mut url)? {
        let why = "Oracle takes media as URLs and base64, and documents not as plain text";
        body.lost.whole_part(at, position, why);
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
    let detail = media.detail.as_deref();
    let detail = detail.filter(|word| ["auto", "low", "high"].contains(word));
    write::typed(&mut body.out, kind, |out| {
        write::object(out, member, |out| {
            write::text(out, "url", &url);
            write::text_if(out, "detail", detail.map(str::to_ascii_uppercase));
        });
    });
    Ok(())
}
