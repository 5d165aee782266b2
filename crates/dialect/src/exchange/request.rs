//! A request for an answer to a conversation, whatever dialect it came in.

use std::borrow::Cow;

use super::part::{CacheMarker, Content, Part};
use super::sampling::Sampling;
use crate::canonical::Field;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The operator, in the older word.
    System,
    /// The operator, in OpenAI's newer word.
    Developer,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool: its parts are [`super::Content::ToolResult`]s. Dialects in which results stand
    /// in a user's message (Anthropic, Converse) are read into a `Tool` message of their own
    /// ahead of what else the user says.
    Tool,
}

/// One message. A system prompt that stands outside of the messages is read as the first ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// Who speaks.
    pub role: Role,
    /// The speaker's name, where told.
    pub name: Option<Cow<'a, str>>,
    /// What is said, in order.
    pub parts: Vec<Part<'a>>,
    /// What else the dialect says of it.
    pub extra: Vec<Field>,
}

impl<'a> Message<'a> {
    /// A message with nothing but its parts.
    pub(crate) fn new(role: Role, parts: Vec<Part<'a>>) -> Self {
        Self {
            role,
            name: None,
            parts,
            extra: Vec::new(),
        }
    }
}

/// A tool that the model may call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tool<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// What it does.
    pub description: Option<Cow<'a, str>>,
    /// JSON schema of its arguments, as JSON; none: no arguments.
    pub parameters: Option<Cow<'a, str>>,
    /// Arguments keep to the schema strictly.
    pub strict: Option<bool>,
    /// A cache marker on it.
    pub cache: Option<CacheMarker<'a>>,
    /// A tool that the provider itself runs, or a custom tool: (its type, its whole JSON). Then
    /// the fields above say only what could be read.
    pub builtin: Option<(Cow<'a, str>, Cow<'a, str>)>,
    /// What else the dialect says of it.
    pub extra: Vec<Field>,
}

/// Which tool must be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// The model chooses.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Tool(Cow<'a, str>),
    /// One or more of these (OpenAI's `allowed_tools`, Gemini's `allowedFunctionNames`), required or not.
    Allowed(Vec<Cow<'a, str>>, bool),
}

/// The form of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputFormat<'a> {
    /// Free text.
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON of a schema.
    JsonSchema {
        /// The schema's name; `response` where the dialect has none.
        name: Cow<'a, str>,
        /// What it is for.
        description: Option<Cow<'a, str>>,
        /// The schema, JSON.
        schema: Cow<'a, str>,
        /// Keep to it strictly.
        strict: Option<bool>,
    },
}

/// How hard the model thinks, in OpenAI's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Not at all.
    None,
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// As usual.
    Medium,
    /// A lot.
    High,
    /// As much as it can.
    Max,
}

impl Effort {
    /// The budget in tokens that stands for this effort where a dialect counts tokens: the
    /// figures that OpenAI-compatible endpoints of Google document (1,024, 8,192, 24,576).
    pub fn budget(self) -> u64 {
        match self {
            Effort::None => 0,
            Effort::Minimal | Effort::Low => 1024,
            Effort::Medium => 8192,
            Effort::High => 24_576,
            Effort::Max => 32_768,
        }
    }

    /// The effort that stands for a budget where a dialect has words.
    pub fn of_budget(tokens: u64) -> Self {
        match tokens {
            0 => Effort::None,
            1..=1024 => Effort::Low,
            1025..=8192 => Effort::Medium,
            _ => Effort::High,
        }
    }

    /// OpenAI's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Effort::None => "none",
            Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::Max => "xhigh",
        }
    }

    /// The effort of OpenAI's word.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Effort::None,
            "minimal" => Effort::Minimal,
            "low" => Effort::Low,
            "medium" => Effort::Medium,
            "high" => Effort::High,
            "xhigh" | "max" => Effort::Max,
            _ => return None,
        })
    }
}

/// What is asked of the model's reasoning. At least one of the first two is set, or `adaptive`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasoning<'a> {
    /// In words.
    pub effort: Option<Effort>,
    /// In tokens.
    pub budget: Option<u64>,
    /// The model decides how much (Anthropic's `adaptive`, Gemini's -1).
    pub adaptive: bool,
    /// Show it: OpenAI's `summary` (`auto`, `concise`, `detailed`), Gemini's `includeThoughts`, Anthropic's `display`.
    pub summary: Option<Cow<'a, str>>,
}

/// A request for an answer to a conversation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatRequest<'a> {
    /// The model as the client named it.
    pub model: Cow<'a, str>,
    /// The conversation, system prompt first.
    pub messages: Vec<Message<'a>>,
    /// The tools.
    pub tools: Vec<Tool<'a>>,
    /// Which must be called; none: not said.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Several calls at once are allowed; none: not said (all dialects then allow it).
    pub parallel_tool_calls: Option<bool>,
    /// The form of the answer; none: not said.
    pub output: Option<OutputFormat<'a>>,
    /// How tokens are drawn.
    pub sampling: Sampling<'a>,
    /// What is asked of its reasoning.
    pub reasoning: Option<Reasoning<'a>>,
    /// The client wants a stream.
    pub stream: bool,
    /// The client's own labels: string to string.
    pub metadata: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The end user, OpenAI's `user` or `safety_identifier`, Anthropic's `metadata.user_id`.
    pub user: Option<Cow<'a, str>>,
    /// OpenAI's `service_tier` and its like.
    pub service_tier: Option<Cow<'a, str>>,
    /// OpenAI's `prompt_cache_key`.
    pub prompt_cache_key: Option<Cow<'a, str>>,
    /// Every other field that is neither null nor the dialect's default, sorted by name.
    /// A writer that does not know a field's meaning reports it lost.
    pub extra: Vec<Field>,
}

impl<'a> ChatRequest<'a> {
    /// The parts of all messages.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part<'a>> {
        self.messages.iter().flat_map(|message| &message.parts)
    }

    /// Fields whose names begin so, without that beginning: names and values.
    pub(crate) fn within<'r>(
        &'r self,
        object: &'r str,
    ) -> impl Iterator<Item = (&'r str, &'r str)> {
        let own = move |field: &'r Field| Some((field.name.strip_prefix(object)?, &*field.value));
        self.extra.iter().filter_map(own)
    }

    /// The same, to be changed.
    pub(crate) fn parts_mut(&mut self) -> impl Iterator<Item = &mut Part<'a>> {
        let messages = self.messages.iter_mut();
        messages.flat_map(|message| &mut message.parts)
    }

    /// Changes the parts of all messages, and those of results in the place of the result.
    pub(crate) fn each_inner(&mut self, mut change: impl FnMut(&mut Part<'a>)) {
        for part in self.parts_mut() {
            match &mut part.content {
                Content::ToolResult(result) => result.parts.iter_mut().for_each(&mut change),
                _ => change(part),
            }
        }
    }
}
