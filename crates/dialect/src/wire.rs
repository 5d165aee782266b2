//! The wire formats: which there are, how their streams are framed, and what ends one.

use crate::canonical::Operation;

/// A wire format: the shape of one kind of request, its answer and its stream. The numbers are in
/// stores and stay the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wire {
    /// OpenAI's chat completions.
    Chat = 0,
    /// OpenAI's completions.
    Completions = 1,
    /// OpenAI's embeddings.
    Embeddings = 2,
    /// OpenAI's responses.
    Responses = 3,
    /// Anthropic's messages.
    Messages = 4,
    /// Google's `generateContent` and `streamGenerateContent`.
    Gemini = 5,
    /// AWS Bedrock's `Converse` and `ConverseStream`.
    Converse = 6,
    /// Cohere's `/v2/chat`. Upstreams only.
    Cohere = 7,
    /// Oracle's `/20231130/actions/chat`. Upstreams only.
    Oci = 8,
}

/// How a stream of this format is cut into events on its way to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events with nothing but data.
    Sse,
    /// Server-sent events that are named after their data's `type`.
    NamedSse,
    /// AWS event-stream frames.
    EventStream,
}

/// What ends a stream of this format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// An event whose data is `[DONE]`.
    Done,
    /// A payload that says so ([`crate::Payload::is_terminal`]).
    Payload,
    /// The end of the body, once a finish reason has come.
    Eof,
}

/// Where a request says its model and that it wants a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    InPath,
    InBody,
    /// In the body, and also that the stream is to end with its usage.
    WithUsage,
}

impl Wire {
    pub(crate) const ALL: [Wire; 9] = [
        Wire::Chat,
        Wire::Completions,
        Wire::Embeddings,
        Wire::Responses,
        Wire::Messages,
        Wire::Gemini,
        Wire::Converse,
        Wire::Cohere,
        Wire::Oci,
    ];

    /// Every format that clients may speak.
    pub const CLIENTS: [Wire; 7] = [
        Wire::Chat,
        Wire::Completions,
        Wire::Embeddings,
        Wire::Responses,
        Wire::Messages,
        Wire::Gemini,
        Wire::Converse,
    ];

    /// What is fixed of each: a row each.
    fn facts(self) -> (&'static str, Operation, Framing, Terminal, Says) {
        use Framing::{EventStream, NamedSse, Sse};
        use Operation::{Chat, Completion, Embedding};
        use Says::{InBody, InPath, WithUsage};
        use Terminal::{Done, Eof, Payload};
        match self {
            Wire::Chat => ("chat", Chat, Sse, Done, WithUsage),
            Wire::Completions => ("completions", Completion, Sse, Done, WithUsage),
            Wire::Embeddings => ("embeddings", Embedding, Sse, Done, InBody),
            Wire::Responses => ("responses", Chat, NamedSse, Payload, InBody),
            Wire::Messages => ("messages", Chat, NamedSse, Payload, InBody),
            Wire::Gemini => ("gemini", Chat, Sse, Eof, InPath),
            Wire::Converse => ("converse", Chat, EventStream, Eof, InPath),
            Wire::Cohere => ("cohere", Chat, Sse, Payload, InBody),
            Wire::Oci => ("oci", Chat, Sse, Eof, InBody),
        }
    }

    /// The name in configurations, logs and tables.
    pub fn as_str(self) -> &'static str {
        self.facts().0
    }

    /// The format of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wire| wire.as_str() == name)
    }

    /// What is asked for in it.
    pub fn operation(self) -> Operation {
        self.facts().1
    }

    /// How its streams are framed for clients.
    pub fn framing(self) -> Framing {
        self.facts().2
    }

    /// What ends its streams.
    pub fn terminal(self) -> Terminal {
        self.facts().3
    }

    /// Where its requests say their model and that they want a stream.
    pub(crate) fn says(self) -> Says {
        self.facts().4
    }

    /// A small number that stays the same in stores.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The format with that number.
    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|wire| wire.code() == code)
    }
}

impl From<Operation> for Wire {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Chat => Wire::Chat,
            Operation::Completion => Wire::Completions,
            Operation::Embedding => Wire::Embeddings,
        }
    }
}

/// What a request's path says of it beyond its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The format.
    pub wire: Wire,
    /// The model, where the path names it (Gemini, Bedrock).
    pub model: Option<String>,
    /// Whether a stream is asked for, where the path says so.
    pub stream: Option<bool>,
}

impl Target {
    /// A request whose body says all.
    pub fn new(wire: Wire) -> Self {
        Self {
            wire,
            model: None,
            stream: None,
        }
    }
}

impl From<Wire> for Target {
    fn from(wire: Wire) -> Self {
        Self::new(wire)
    }
}

impl From<Operation> for Target {
    fn from(operation: Operation) -> Self {
        Self::new(operation.into())
    }
}
