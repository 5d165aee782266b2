//! What a writer of requests is told about its target, and what it gives: a body, and what is not in it.

use bytes::Bytes;

use super::fetched::Fetched;
use super::grade::{self, Grade};
use super::request::Message;
use crate::canonical::Field;
use crate::fit::back::Back;
use crate::json::write;

/// Something of a request that a target has no place for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The field as the client knows it, such as `seed` or `messages[2].content[0].image_url`.
    pub param: String,
    /// Why, such as `Anthropic's messages have no seed`.
    pub why: &'static str,
    /// How much it matters.
    pub grade: Grade,
}

impl Lost {
    /// A loss of that field, in the words of the exchange form. Its grade is the field's class's.
    pub(crate) fn new(param: impl Into<String>, why: &'static str) -> Self {
        let param = param.into();
        let grade = grade::grade_of(&param);
        Self { param, why, grade }
    }

    /// The field's class, for metrics: one of a closed set, whatever the client called it.
    pub fn class(&self) -> &'static str {
        grade::class_of(&self.param)
    }

    /// Whether it can't change the answer.
    pub fn is_hint(&self) -> bool {
        self.grade == Grade::Hint
    }
}

/// What a target has no place for, in the order in which it is found.
#[derive(Debug, Default)]
pub(crate) struct Losses(pub(crate) Vec<Lost>);

impl Losses {
    pub(crate) fn push(&mut self, param: impl Into<String>, why: &'static str) {
        self.0.push(Lost::new(param, why));
    }

    /// The name and all other fields of a message: why neither has a place.
    pub(crate) fn about(
        &mut self,
        position: usize,
        message: &Message<'_>,
        [nameless, unknown]: [&'static str; 2],
    ) {
        let path = || format!("messages[{position}]");
        if message.name.is_some() {
            self.push(path() + ".name", nameless);
        }
        self.unknown(&message.extra, path, unknown);
    }

    /// Fields of what stands there, none of which has a place.
    pub(crate) fn unknown(
        &mut self,
        fields: &[Field],
        path: impl Fn() -> String,
        why: &'static str,
    ) {
        self.known(fields, |_| false, path, why, &mut String::new());
    }

    /// Writes fields that are known, and loses all others.
    pub(crate) fn known(
        &mut self,
        fields: &[Field],
        is_known: impl Fn(&str) -> bool,
        path: impl Fn() -> String,
        why: &'static str,
        out: &mut String,
    ) {
        for field in fields {
            match is_known(&field.name) {
                true => write::raw(out, &field.name, &field.value),
                false => self.push(format!("{}.{}", path(), field.name), why),
            }
        }
    }
}

/// A request in another wire format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The body.
    pub body: Bytes,
    /// What is not in it.
    pub lost: Vec<Lost>,
    /// What has to be undone in the answer.
    pub back: Back,
}

/// What a writer is told about its target.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// The model's name at the target.
    pub model: String,
    /// Ask for a stream.
    pub stream: bool,
    /// In a stream, ask for its usage where that has to be asked for.
    pub include_usage: bool,
    /// The output limit to name where the target demands one and the client named none.
    pub default_max_tokens: u64,
    /// Tokens that the target has for an answer to this prompt, where its context is known.
    pub room: Option<u64>,
    /// What of a format the target does in its own way.
    pub profile: Profile,
    /// Media that the client named by URL and that were fetched for a target that takes bytes only.
    pub fetched: Vec<Fetched>,
    /// Further fields of the body, already JSON: (name, value). They win.
    pub set: Vec<(String, String)>,
}

/// Deviations of a target from the format it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Profile {
    /// None, or unknown ones.
    #[default]
    Standard,
    /// OpenAI itself: `max_completion_tokens`, `developer`, reasoning effort.
    OpenAi,
    /// Azure's deployments: as OpenAI.
    Azure,
    /// Mistral: `max_tokens`, `random_seed`, `tool_choice: any`, 9-character call ids, no `logprobs`.
    Mistral,
    /// vLLM, SGLang and kin: `max_tokens`, `reasoning_content`, `chat_template_kwargs`.
    Engine,
    /// Anthropic's messages within AWS's InvokeModel: model in the path, `anthropic_version` in the body.
    BedrockInvoke,
    /// Anthropic's messages within Google's rawPredict: as above with Google's version.
    VertexRaw,
    /// Cohere's models at Oracle: `apiFormat: COHERE`.
    OciCohere,
}

impl Profile {
    /// OpenAI itself, or Azure's deployments.
    pub(crate) fn is_openai(self) -> bool {
        matches!(self, Profile::OpenAi | Profile::Azure)
    }

    /// Anthropic's models at AWS and Google, which take media as bytes only.
    pub(crate) fn is_in_cloud(self) -> bool {
        matches!(self, Profile::BedrockInvoke | Profile::VertexRaw)
    }
}

/// Why a request can't be brought into another format at all. Names fields, never content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{param}' can't be converted to the format of this upstream: {why}")]
pub struct Inexpressible {
    /// The field as the client knows it.
    pub param: String,
    /// Why.
    pub why: String,
}

impl Inexpressible {
    pub(crate) fn new(param: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            param: param.into(),
            why: why.into(),
        }
    }

    /// A result of a tool that nobody called.
    pub(crate) fn dangling(param: impl Into<String>) -> Self {
        Self::new(
            param,
            "it is a result of a call that no message before it makes",
        )
    }
}
