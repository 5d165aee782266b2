//! The canonical request: what every dialect is read into and every policy is shown.
//! It mirrors the interface `types` of the package `forebay:types`.

pub use crate::exchange::part::ToolCall;
pub use crate::exchange::sampling::Sampling;

/// A field that is not typed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name, unescaped.
    pub name: String,
    /// Its value as canonical JSON (see [`crate::json::canonical_json`]).
    pub value: String,
}

impl Field {
    pub(crate) fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// A part that is neither text nor a function call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpaquePart {
    /// The part's type as the dialect names it, such as `image_url`.
    pub kind: String,
    /// The whole part as canonical JSON.
    pub json: String,
}

/// The kind of the opaque part that holds a prompt of token ids.
pub(crate) const TOKEN_IDS: &str = "token_ids";

/// One piece of a message's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Plain text.
    Text(String),
    /// The assistant's call of a tool; its id is empty where the client gave none.
    ToolCall(ToolCall<'static>),
    /// Anything else.
    Opaque(OpaquePart),
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `system`, `developer`, `user`, `assistant`, `tool`, or what the client wrote.
    pub role: String,
    /// The content in the order of the request, tool calls last.
    pub parts: Vec<Part>,
    /// All other fields, sorted by name, and under their own names what `content` and
    /// `tool_calls` hold beyond their typed strings (cache markers, the form of the content),
    /// so that two messages that differ in anything differ here too.
    pub extra: Vec<Field>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// An answer to a conversation.
    Chat,
    /// The continuation of a text.
    Completion,
    /// Vectors of texts.
    Embedding,
}

impl Operation {
    /// The name that policies see: `chat`, `completion` or `embedding`.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Chat => "chat",
            Operation::Completion => "completion",
            Operation::Embedding => "embedding",
        }
    }
}

/// A request for tokens, whatever dialect it came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// What is asked for.
    pub operation: Operation,
    /// The model as the client named it.
    pub model: String,
    /// The conversation. A text completion is one `user` message for each prompt.
    pub messages: Vec<Message>,
    /// Each tool's definition as canonical JSON, in the order of the request.
    pub tools: Vec<String>,
    /// How tokens are drawn, as far as policies are told. The same fields are in `extra` too.
    pub sampling: Sampling<'static>,
    /// Every field of the request but the model, the messages and the tools, sorted by name.
    /// Where messages or tools came in an unusual form (null, empty, a list of prompts), the
    /// form is kept here under their name.
    pub extra: Vec<Field>,
}

impl Prompt {
    /// Bytes of memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        let field = |field: &Field| size_of::<Field>() + field.name.len() + field.value.len();
        let fields = |fields: &[Field]| fields.iter().map(field).sum::<usize>();
        let part = |part: &Part| {
            let text = match part {
                Part::Text(text) => text.len(),
                Part::ToolCall(call) => call.id.len() + call.name.len() + call.arguments.len(),
                Part::Opaque(part) => part.kind.len() + part.json.len(),
            };
            size_of::<Part>() + text
        };
        let message = |message: &Message| {
            let parts = message.parts.iter().map(part).sum::<usize>();
            size_of::<Message>() + message.role.len() + parts + fields(&message.extra)
        };
        let messages = self.messages.iter().map(message).sum::<usize>();
        let tools = self
            .tools
            .iter()
            .map(|tool| size_of::<String>() + tool.len());
        messages + tools.sum::<usize>() + fields(&self.extra)
    }
}

/// What an upstream must be able to do to serve a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// Answer as a stream.
    pub streaming: bool,
    /// Call tools.
    pub tools: bool,
    /// Keep to a JSON schema.
    pub json_schema: bool,
    /// See images.
    pub vision: bool,
    /// Hear or speak.
    pub audio: bool,
    /// Tell token probabilities.
    pub logprobs: bool,
    /// Give more than one choice.
    pub multiple_choices: bool,
    /// Take or give token ids.
    pub token_ids: bool,
}

/// Tokens as the upstream counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub input: u64,
    /// Tokens of the completion, reasoning included.
    pub output: u64,
    /// Tokens of the prompt that came from the upstream's prefix cache.
    pub cached_input: u64,
    /// Tokens of the prompt that were written into the upstream's prefix cache, where it charges for that.
    pub cache_write: u64,
    /// Tokens of the completion spent on reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// With the tokens that the upstream's total has and neither side tells. xAI and Google leave
    /// reasoning out of the output, and it is paid for. Where more is cached than the input has, the
    /// input leaves out what is cached.
    #[must_use]
    pub(crate) fn with_total(self, total: u64) -> Usage {
        let told = self.input.saturating_add(self.output);
        let hidden = total.saturating_sub(told);
        if hidden == 0 || self.input == 0 {
            return self;
        }
        if self.cached_input.saturating_add(self.cache_write) > self.input {
            return Usage {
                input: self.input.saturating_add(hidden),
                ..self
            };
        }
        Usage {
            output: self.output.saturating_add(hidden),
            reasoning: self.reasoning.max(hidden),
            ..self
        }
    }

    /// What is known after a later count: it replaces what it tells, and leaves what it is silent on.
    #[must_use]
    pub fn followed_by(self, later: Usage) -> Usage {
        let newer = |known: u64, told: u64| if told == 0 { known } else { told };
        Usage {
            input: newer(self.input, later.input),
            output: newer(self.output, later.output),
            cached_input: newer(self.cached_input, later.cached_input),
            cache_write: newer(self.cache_write, later.cache_write),
            reasoning: newer(self.reasoning, later.reasoning),
        }
    }
}

/// Where a stretch of output belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// The answer's text.
    Content,
    /// Reasoning text.
    Reasoning,
    /// A refusal's text.
    Refusal,
    /// The arguments of the tool call with this index.
    ToolArguments(u32),
    /// The name of a tool that is called; the number counts the labels of a payload.
    ToolName(u32),
    /// The words of an error that an upstream sent.
    Error,
    /// What accompanies the text, such as an id, a title or a URL; the number counts the labels of
    /// a payload.
    Annotation(u32),
}

impl Channel {
    /// Whether it carries labels: short strings, each whole in one delta.
    pub fn is_label(self) -> bool {
        matches!(
            self,
            Channel::ToolName(_) | Channel::Error | Channel::Annotation(_)
        )
    }
}

/// Why a choice ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishKind {
    /// By itself, or at a stop sequence where that is not told apart.
    Stop,
    /// At a stop sequence, and which, where told. Payloads say [`FinishKind::Stop`].
    StopSequence(Option<String>),
    /// At a limit of tokens.
    Length,
    /// To have tools called.
    ToolCalls,
    /// By the model's or the provider's refusal or content filter.
    Refused,
    /// Another reason, as the upstream named it.
    Other(String),
}

impl FinishKind {
    /// Without telling a stop sequence from an end, as payloads have it.
    #[must_use]
    pub(crate) fn plain(self) -> Self {
        match self {
            FinishKind::StopSequence(_) => FinishKind::Stop,
            other => other,
        }
    }
}
