//! Writes messages as `input`'s items: each call, result and stretch of reasoning is an item
//! of its own.

use std::collections::HashMap;

use super::{REDACTED, parts_out};
use crate::exchange::{
    CacheMarker, ChatRequest, Content, Inexpressible, Losses, Message, Part, Profile, Role, Source,
    Thought, ToolCall, ToolResult,
};
use crate::json::write::{self, Sink, name, text, write_number};

pub(super) struct Messages<'o> {
    pub(super) out: &'o mut String,
    pub(super) lost: &'o mut Losses,
    pub(super) profile: Profile,
}

impl Sink for Messages<'_> {
    fn out(&mut self) -> &mut String {
        self.out
    }
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

    /// The items of `input`, without the first `skip` messages.
    pub(super) fn input(
        &mut self,
        request: &ChatRequest<'_>,
        skip: usize,
    ) -> Result<(), Inexpressible> {
        let mut calls = HashMap::new();
        for (position, message) in request.messages.iter().enumerate().skip(skip) {
            let why = [
                "OpenAI's responses have no field for a speaker's name",
                "this upstream's items have no such field",
            ];
            self.lost.about(position, message, why);
            self.message(position, message, &mut calls)?;
        }
        Ok(())
    }

    fn lose(&mut self, param: String, why: &'static str) {
        self.lost.push(param, why);
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
                        return Err(Inexpressible::dangling(format!("messages[{position}]")));
                    };
                    self.result(result, *custom, &|| format!("messages[{position}]"));
                    self.surroundings(part, &|| path(at));
                }
                Content::Reasoning(thought) => {
                    self.reasoning(thought, (position, at), &|| path(at));
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
        let said = write::typed(self, "message", |this| {
            let role = match role {
                Role::System => "system",
                Role::Developer => "developer",
                Role::Assistant => "assistant",
                Role::User | Role::Tool => "user",
            };
            text(this.out, "role", role);
            if let [part] = parts
                && let Content::Text {
                    text: said,
                    citations,
                } = &part.content
                && citations.is_empty()
                && !this.marks(part.cache.as_ref())
            {
                text(this.out, "content", said);
                this.surroundings(part, &|| path(0));
                return true;
            }
            if assistant && this.wants_ids() {
                this.id("msg", (start, 0));
                text(this.out, "status", "completed");
            }
            write::list(this, "content", |this| {
                for (at, part) in parts.iter().enumerate() {
                    if assistant {
                        this.said(part, &|| path(at));
                    } else {
                        this.given(part, &|| path(at));
                    }
                }
                !this.out.ends_with('[')
            })
        });
        if !said {
            // Nothing of it could be said; what is lost is listed.
            self.out.truncate(start);
        }
    }

    /// A part of what the assistant said.
    fn said(&mut self, part: &Part<'_>, path: &dyn Fn() -> String) {
        match &part.content {
            Content::Text { text, citations } => {
                write::typed(self.out, "output_text", |out| {
                    write::text(out, "text", text);
                    write::list(out, "annotations", |out| {
                        for citation in citations {
                            parts_out::annotation(out, citation);
                        }
                    });
                });
            }
            Content::Refusal(said) => {
                write::typed(self.out, "refusal", |out| text(out, "refusal", said));
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
        let written = write::braces(self, |this| {
            match &part.content {
                // Nobody but the assistant refuses; it is text here.
                Content::Text { text: said, .. } | Content::Refusal(said) => {
                    text(this.out, "type", "input_text");
                    text(this.out, "text", said);
                }
                Content::Image(media) if !matches!(media.source, Source::Text(_)) => {
                    this.image(media);
                }
                Content::File(media) => this.file(media),
                Content::Audio(media) if this.hears(media) => this.audio(media),
                _ => return false,
            }
            if let Some(cache) = part.cache.as_ref().filter(|cache| this.marks(Some(cache))) {
                write::object(this.out, "prompt_cache_breakpoint", |out| {
                    text(out, "mode", "explicit");
                    text(out, "ttl", cache.ttl.as_deref().unwrap_or("30m"));
                });
            }
            true
        });
        if !written {
            self.out.truncate(start);
            self.lose(path(), "OpenAI's responses take no such part");
            return;
        }
        self.surroundings(part, path);
    }

    fn call(&mut self, call: &ToolCall<'_>) {
        let (kind, arguments) = match call.custom {
            true => ("custom_tool_call", "input"),
            false => ("function_call", "arguments"),
        };
        let said = match call.arguments.is_empty() && !call.custom {
            true => "{}",
            false => &call.arguments,
        };
        write::typed(self.out, kind, |out| {
            text(out, "call_id", &call.id);
            text(out, "name", &call.name);
            text(out, arguments, said);
        });
    }

    fn result(&mut self, result: &ToolResult<'_>, custom: bool, path: &dyn Fn() -> String) {
        let kind = match custom {
            true => "custom_tool_call_output",
            false => "function_call_output",
        };
        write::typed(self, kind, |this| {
            text(this.out, "call_id", &result.call_id);
            let plain = match result.parts.as_slice() {
                [part] => match &part.content {
                    Content::Text { text, .. } => Some((text, part)),
                    _ => None,
                },
                _ => None,
            };
            match (plain, result.parts.as_slice()) {
                (_, []) => text(this.out, "output", ""),
                (Some((said, part)), _) => {
                    text(this.out, "output", said);
                    this.surroundings(part, path);
                }
                (None, parts) => write::list(this, "output", |this| {
                    for (at, part) in parts.iter().enumerate() {
                        this.given(part, &|| format!("{}.content[{at}]", path()));
                    }
                }),
            }
        });
        if result.is_error {
            let why = "OpenAI's responses don't tell a tool's failure from its success";
            self.lose(path() + ".is_error", why);
        }
    }

    fn reasoning(
        &mut self,
        thought: &Thought<'_>,
        position: (usize, usize),
        path: &dyn Fn() -> String,
    ) {
        let Thought {
            text: said,
            signature,
            redacted,
        } = thought;
        let sealed = thought.is_sealed();
        if self.is_openai() && signature.is_none() {
            let why = "OpenAI takes reasoning back only with its own encrypted content";
            self.lose(path() + ".reasoning", why);
            return;
        }
        let hidden = redacted
            .as_ref()
            .map(|redacted| format!("{REDACTED}{redacted}"));
        let handed = signature.as_deref().or(hidden.as_deref());
        write::typed(self, "reasoning", |this| {
            if this.wants_ids() {
                this.id("rs", position);
            }
            let told = |kind: &str, out: &mut String| {
                write::typed(out, kind, |out| text(out, "text", said));
            };
            write::list(this.out, "summary", |out| {
                if sealed && !said.is_empty() {
                    told("summary_text", out);
                }
            });
            if !sealed {
                write::list(this.out, "content", |out| told("reasoning_text", out));
            }
            write::text_if(this.out, "encrypted_content", handed);
        });
    }

    pub(super) fn is_openai(&self) -> bool {
        self.profile.is_openai()
    }

    /// OpenAI looks ids up in what it keeps; the types of its SDK, which engines check
    /// against, demand them.
    fn wants_ids(&self) -> bool {
        !self.is_openai()
    }

    fn id(&mut self, prefix: &str, (first, second): (usize, usize)) {
        name(self.out, "id");
        write::quoted(self.out, |out| {
            out.push_str(prefix);
            for number in [first, second] {
                out.push('_');
                write_number(out, number as u64);
            }
        });
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
        let why = "this upstream's parts have no such field";
        self.lost.unknown(&part.extra, path, why);
    }
}

/// Whether a part is content of a message item rather than an item of its own.
fn stands_in_message(part: &Part<'_>) -> bool {
    !matches!(
        part.content,
        Content::ToolCall(_)
            | Content::ToolResult(_)
            | Content::Reasoning(_)
            | Content::Opaque { .. }
    )
}
