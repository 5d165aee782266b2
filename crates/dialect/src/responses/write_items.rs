//! Writes messages as `input`'s items: each call, result and stretch of reasoning is an item
//! of its own.

use std::collections::HashMap;

use super::{REDACTED, parts_out};
use crate::exchange::{
    CacheMarker, ChatRequest, Content, Inexpressible, Lost, Message, Part, Profile, Role, Source,
    ToolCall, ToolResult,
};
use crate::json::write;
use crate::json::write::{item, name, text, write_number};
use crate::json::write_json_string;

pub(super) struct Messages<'o> {
    pub(super) out: &'o mut String,
    pub(super) lost: &'o mut Vec<Lost>,
    pub(super) profile: Profile,
}

impl Messages<'_> {
    /// The system prompt, where it is one plain text that something follows.
    pub(super) fn instructions<'r>(request: &'r ChatRequest<'_>) -> Option<&'r str> {
        let (first, rest) = request.messages.split_first()?;
        let plain = first.role == Role::System
            && first.name.is_none()
            && first.extra.is_empty()
            && !rest.is_empty();
        match first.parts.as_slice() {
            [part] if plain && part.cache.is_none() && part.extra.is_empty() => {
                match &part.content {
                    Content::Text { text, .. } => Some(text),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The value of `input`, without the first `skip` messages.
    pub(super) fn input(
        &mut self,
        request: &ChatRequest<'_>,
        skip: usize,
    ) -> Result<(), Inexpressible> {
        let mut calls = HashMap::new();
        self.out.push('[');
        for (position, message) in request.messages.iter().enumerate().skip(skip) {
            if message.name.is_some() {
                self.lose(
                    format!("messages[{position}].name"),
                    "OpenAI's responses name no speakers",
                );
            }
            for extra in &message.extra {
                let at = format!("messages[{position}].{}", extra.name);
                self.lose(at, "this upstream's items have no such field");
            }
            self.message(position, message, &mut calls)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn lose(&mut self, param: String, why: &'static str) {
        self.lost.push(Lost::new(param, why));
    }

    fn message<'r>(
        &mut self,
        position: usize,
        message: &'r Message<'_>,
        calls: &mut HashMap<&'r str, bool>,
    ) -> Result<(), Inexpressible> {
        let path = |at: usize| format!("messages[{position}].content[{at}]");
        let mut at = 0;
        while let Some(part) = message.parts.get(at) {
            match &part.content {
                Content::ToolCall(call) => {
                    calls.insert(&call.id, call.custom);
                    self.call(call);
                    self.surroundings(part, &|| path(at));
                }
                Content::ToolResult(result) => {
                    let Some(custom) = calls.get(result.call_id.as_ref()) else {
                        return Err(Inexpressible {
                            param: format!("messages[{position}]"),
                            why: "it is a result of a call that no message before it makes"
                                .to_owned(),
                        });
                    };
                    self.result(result, *custom, &|| format!("messages[{position}]"));
                    self.surroundings(part, &|| path(at));
                }
                Content::Reasoning { .. } => {
                    self.reasoning(&part.content, (position, at), &|| path(at));
                    self.surroundings(part, &|| path(at));
                }
                Content::Opaque { .. } => {
                    self.lose(
                        path(at),
                        "only the provider that made this part can read it",
                    );
                }
                _ => {
                    // A message item takes all that can stand in one.
                    let run = at;
                    while message.parts.get(at + 1).is_some_and(stands_in_message) {
                        at += 1;
                    }
                    let parts = message.parts.get(run..=at).unwrap_or_default();
                    self.item(message.role, parts, &|offset| path(run + offset));
                }
            }
            at += 1;
        }
        Ok(())
    }

    /// A message item.
    fn item(&mut self, role: Role, parts: &[Part<'_>], path: &dyn Fn(usize) -> String) {
        let assistant = role == Role::Assistant;
        let start = self.out.len();
        item(self.out);
        write::tagged(self.out, "message");
        text(
            self.out,
            "role",
            match role {
                Role::System => "system",
                Role::Developer => "developer",
                Role::Assistant => "assistant",
                Role::User | Role::Tool => "user",
            },
        );
        if let [part] = parts
            && let Content::Text {
                text: said,
                citations,
            } = &part.content
            && citations.is_empty()
            && !self.marks(part.cache.as_ref())
        {
            text(self.out, "content", said);
            self.out.push('}');
            self.surroundings(part, &|| path(0));
            return;
        }
        if assistant && self.wants_ids() {
            self.id("msg", (start, 0));
            text(self.out, "status", "completed");
        }
        name(self.out, "content");
        self.out.push('[');
        let before = self.out.len();
        for (at, part) in parts.iter().enumerate() {
            if assistant {
                self.said(part, &|| path(at));
            } else {
                self.given(part, &|| path(at));
            }
        }
        if self.out.len() == before {
            // Nothing of it could be said; what is lost is listed.
            self.out.truncate(start);
            return;
        }
        self.out.push_str("]}");
    }

    /// A part of what the assistant said.
    fn said(&mut self, part: &Part<'_>, path: &dyn Fn() -> String) {
        match &part.content {
            Content::Text { text, citations } => {
                item(self.out);
                let mut annotations = String::new();
                for citation in citations {
                    let before = annotations.len();
                    if before > 0 {
                        annotations.push(',');
                    }
                    if !parts_out::annotation(&mut annotations, citation) {
                        annotations.truncate(before);
                    }
                }
                write::tagged(self.out, "output_text");
                write::text(self.out, "text", text);
                self.out.push_str(",\"annotations\":[");
                self.out.push_str(&annotations);
                self.out.push_str("]}");
            }
            Content::Refusal(said) => {
                item(self.out);
                write::tagged(self.out, "refusal");
                text(self.out, "refusal", said);
                self.out.push('}');
            }
            _ => {
                self.lose(path(), "assistant messages are text only at this upstream");
                return;
            }
        }
        self.surroundings(part, path);
    }

    /// A part of what others say, or of a tool's result.
    fn given(&mut self, part: &Part<'_>, path: &dyn Fn() -> String) {
        let start = self.out.len();
        item(self.out);
        match &part.content {
            Content::Text { text: said, .. } => {
                write::tagged(self.out, "input_text");
                text(self.out, "text", said);
            }
            // Nobody but the assistant refuses; it is text here.
            Content::Refusal(said) => {
                write::tagged(self.out, "input_text");
                text(self.out, "text", said);
            }
            Content::Image(media) if !matches!(media.source, Source::Text(_)) => self.image(media),
            Content::File(media) => self.file(media),
            Content::Audio(media) if self.hears(media) => self.audio(media),
            _ => {
                self.out.truncate(start);
                self.lose(path(), "OpenAI's responses take no such part");
                return;
            }
        }
        if let Some(ttl) = part
            .cache
            .as_ref()
            .filter(|_| self.marks(part.cache.as_ref()))
        {
            name(self.out, "prompt_cache_breakpoint");
            self.out.push_str("{\"mode\":\"explicit\"");
            text(self.out, "ttl", ttl.ttl.as_deref().unwrap_or("30m"));
            self.out.push('}');
        }
        self.out.push('}');
        self.surroundings(part, path);
    }

    fn call(&mut self, call: &ToolCall<'_>) {
        item(self.out);
        let (kind, arguments) = match call.custom {
            true => ("custom_tool_call", "input"),
            false => ("function_call", "arguments"),
        };
        self.out.push_str("{\"type\":\"");
        self.out.push_str(kind);
        self.out.push('"');
        text(self.out, "call_id", &call.id);
        text(self.out, "name", &call.name);
        let said = match call.arguments.is_empty() && !call.custom {
            true => "{}",
            false => &call.arguments,
        };
        text(self.out, arguments, said);
        self.out.push('}');
    }

    fn result(&mut self, result: &ToolResult<'_>, custom: bool, path: &dyn Fn() -> String) {
        item(self.out);
        self.out.push_str(match custom {
            true => "{\"type\":\"custom_tool_call_output\"",
            false => "{\"type\":\"function_call_output\"",
        });
        text(self.out, "call_id", &result.call_id);
        name(self.out, "output");
        match result.parts.as_slice() {
            [] => self.out.push_str("\"\""),
            [part] if matches!(part.content, Content::Text { .. }) => {
                if let Content::Text { text, .. } = &part.content {
                    write_json_string(text, self.out);
                }
                self.surroundings(part, path);
            }
            parts => {
                self.out.push('[');
                for (at, part) in parts.iter().enumerate() {
                    self.given(part, &|| format!("{}.content[{at}]", path()));
                }
                self.out.push(']');
            }
        }
        self.out.push('}');
        if result.is_error {
            let why = "OpenAI's responses don't tell a tool's failure from its success";
            self.lose(path() + ".is_error", why);
        }
    }

    fn reasoning(
        &mut self,
        content: &Content<'_>,
        position: (usize, usize),
        path: &dyn Fn() -> String,
    ) {
        let Content::Reasoning {
            text: said,
            signature,
            redacted,
        } = content
        else {
            return;
        };
        let sealed = signature.is_some() || redacted.is_some();
        if self.is_openai() && signature.is_none() {
            let why = "OpenAI takes reasoning back only with its own encrypted content";
            self.lose(path() + ".reasoning", why);
            return;
        }
        item(self.out);
        write::tagged(self.out, "reasoning");
        if self.wants_ids() {
            self.id("rs", position);
        }
        name(self.out, "summary");
        self.out.push('[');
        if sealed && !said.is_empty() {
            write::tagged(self.out, "summary_text");
            text(self.out, "text", said);
            self.out.push('}');
        }
        self.out.push(']');
        if !sealed {
            name(self.out, "content");
            self.out.push_str("[{\"type\":\"reasoning_text\"");
            text(self.out, "text", said);
            self.out.push_str("}]");
        }
        match (signature, redacted) {
            (Some(signature), _) => text(self.out, "encrypted_content", signature),
            (None, Some(redacted)) => {
                text(
                    self.out,
                    "encrypted_content",
                    &format!("{REDACTED}{redacted}"),
                );
            }
            (None, None) => {}
        }
        self.out.push('}');
    }

    pub(super) fn is_openai(&self) -> bool {
        matches!(self.profile, Profile::OpenAi | Profile::Azure)
    }

    /// OpenAI looks ids up in what it keeps; the types of its SDK, which engines check
    /// against, demand them.
    fn wants_ids(&self) -> bool {
        !self.is_openai()
    }

    fn id(&mut self, prefix: &str, (first, second): (usize, usize)) {
        name(self.out, "id");
        self.out.push('"');
        self.out.push_str(prefix);
        self.out.push('_');
        write_number(self.out, first as u64);
        self.out.push('_');
        write_number(self.out, second as u64);
        self.out.push('"');
    }

    /// Whether a cache marker is written: one with a lifetime that only OpenAI has. All others
    /// were meant for caches that do nothing unasked, while this one works by itself.
    fn marks(&self, cache: Option<&CacheMarker<'_>>) -> bool {
        let ttl = cache.and_then(|cache| cache.ttl.as_deref());
        matches!(ttl, Some("30m" | "12h")) && self.profile != Profile::Engine
    }

    /// What stands around a part.
    fn surroundings(&mut self, part: &Part<'_>, path: &dyn Fn() -> String) {
        if part.cache.is_some() && !self.marks(part.cache.as_ref()) {
            let why = "this upstream caches prompts by itself";
            self.lose(path() + ".cache_control", why);
        }
        for extra in &part.extra {
            let at = format!("{}.{}", path(), extra.name);
            self.lose(at, "this upstream's parts have no such field");
        }
    }
}

/// Whether a part is content of a message item rather than an item of its own.
fn stands_in_message(part: &Part<'_>) -> bool {
    !matches!(
        part.content,
        Content::ToolCall(_)
            | Content::ToolResult(_)
            | Content::Reasoning { .. }
            | Content::Opaque { .. }
    )
}
