//! What of a request has no place at the target: gathered while it is written.

use crate::exchange::{CacheMarker, ChatRequest, Content, Message, Part, Tool};

pub(crate) use crate::exchange::Losses;

/// Why a cache marker may go: Cohere and Oracle count cached tokens without being asked.
const CACHES: &str = "the target caches prompts by itself";

impl Losses {
    /// [`Losses::push`], where the client asked for it.
    pub(crate) fn lose_if(&mut self, asked: bool, param: &str, why: &'static str) {
        if asked {
            self.push(param, why);
        }
    }

    /// Fields of a message that no target here knows.
    pub(crate) fn message(&mut self, at: usize, message: &Message<'_>) {
        let why = "the target's messages have no such field";
        self.unknown(&message.extra, || format!("messages[{at}]"), why);
    }

    /// A speaker's name, at targets without.
    pub(crate) fn speaker(&mut self, at: usize, message: &Message<'_>) {
        if message.name.is_some() {
            let param = format!("messages[{at}].name");
            self.push(
                param,
                "the target's messages have no field for a speaker's name",
            );
        }
    }

    /// Cache marker, foreign fields and citations of a part.
    pub(crate) fn part(&mut self, at: usize, position: usize, part: &Part<'_>) {
        let path = |rest: &str| format!("messages[{at}].content[{position}]{rest}");
        if part.cache.is_some() {
            self.push(path(".cache_control"), CACHES);
        }
        let why = "the target's parts have no such field";
        self.unknown(&part.extra, || path(""), why);
        match &part.content {
            Content::Text { citations, .. } if !citations.is_empty() => {
                self.push(
                    path(".citations"),
                    "models are not told what they cited earlier",
                );
            }
            Content::Reasoning(thought) if thought.signature.is_some() => {
                self.push(path(".signature"), "the target takes reasoning unsigned");
            }
            _ => {}
        }
    }

    /// What of a tool's definition has no place.
    pub(crate) fn tool(&mut self, at: usize, tool: &Tool<'_>) {
        if let Some(CacheMarker { .. }) = tool.cache {
            self.push(format!("tools[{at}].cache_control"), CACHES);
        }
        let why = "the target's tools have no such field";
        self.unknown(&tool.extra, || format!("tools[{at}]"), why);
    }

    /// A part that the target's messages can't hold.
    pub(crate) fn whole_part(&mut self, at: usize, position: usize, why: &'static str) {
        self.push(format!("messages[{at}].content[{position}]"), why);
    }

    /// Reasoning that another provider hid: its bytes mean nothing to anybody else.
    pub(crate) fn hidden(&mut self, at: usize, position: usize) {
        let param = format!("messages[{at}].content[{position}].redacted");
        self.push(
            param,
            "only the provider that hid this reasoning can read it",
        );
    }

    /// Labels and identities that decide nothing about the answer.
    pub(crate) fn labels(&mut self, request: &ChatRequest<'_>) {
        if request.user.is_some() {
            self.push("user", "the target has no field for the end user");
        }
        if request.prompt_cache_key.is_some() {
            self.push("prompt_cache_key", CACHES);
        }
    }

    /// The description that a form has beside its schema's.
    pub(crate) fn described(&mut self, is_described: bool) {
        let why = "Cohere's schemas are not described beside themselves";
        self.lose_if(is_described, "response_format.json_schema.description", why);
    }

    /// Fields that nobody here understands, but for those that `known` says it has placed.
    pub(crate) fn extra(&mut self, request: &ChatRequest<'_>, known: impl Fn(&str) -> bool) {
        for field in &request.extra {
            let name = field.name.as_str();
            if known(name) {
                continue;
            }
            self.push(name, "the target has no such field");
        }
    }
}
