//! The wire formats: which there are, how their streams are framed, and what ends one.

use crate::canonical::Operation;

/// A wire format: the shape of one kind of request, its answer and its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Wire {
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's completions.
    Completions,
    /// OpenAI's embeddings.
    Embeddings,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Messages,
    /// Google's `generateContent` and `streamGenerateContent`.
    Gemini,
    /// AWS Bedrock's `Converse` and `ConverseStream`.
    Converse,
    /// Cohere's `/v2/chat`. Upstreams only.
    Cohere,
    /// Oracle's `/20231130/actions/chat`. Upstreams only.
    Oci,
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

impl Wire {
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

    /// The name in configurations, logs and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Wire::Chat => "chat",
            Wire::Completions => "completions",
            Wire::Embeddings => "embeddings",
            Wire::Responses => "responses",
            Wire::Messages => "messages",
            Wire::Gemini => "gemini",
            Wire::Converse => "converse",
            Wire::Cohere => "cohere",
            Wire::Oci => "oci",
        }
    }

    /// The format of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Wire::Cohere, Wire::Oci]
            .into_iter()
            .chain(Self::CLIENTS)
            .find(|wire| wire.as_str() == name)
    }

    /// What is asked for in it.
    pub fn operation(self) -> Operation {
        match self {
            Wire::Completions => Operation::Completion,
            Wire::Embeddings => Operation::Embedding,
            _ => Operation::Chat,
        }
    }

    /// How its streams are framed for clients.
    pub fn framing(self) -> Framing {
        match self {
            Wire::Messages | Wire::Responses => Framing::NamedSse,
            Wire::Converse => Framing::EventStream,
            _ => Framing::Sse,
        }
    }

    /// What ends its streams.
    pub fn terminal(self) -> Terminal {
        match self {
            Wire::Chat | Wire::Completions | Wire::Embeddings => Terminal::Done,
            Wire::Messages | Wire::Responses | Wire::Cohere => Terminal::Payload,
            Wire::Gemini | Wire::Converse | Wire::Oci => Terminal::Eof,
        }
    }

    /// A small number that stays the same in stores.
    pub fn code(self) -> u8 {
        match self {
            Wire::Chat => 0,
            Wire::Completions => 1,
            Wire::Embeddings => 2,
            Wire::Responses => 3,
            Wire::Messages => 4,
            Wire::Gemini => 5,
            Wire::Converse => 6,
            Wire::Cohere => 7,
            Wire::Oci => 8,
        }
    }

    /// The format with that number.
    pub fn of_code(code: u8) -> Option<Self> {
        [Wire::Cohere, Wire::Oci]
            .into_iter()
            .chain(Self::CLIENTS)
            .find(|wire| wire.code() == code)
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
