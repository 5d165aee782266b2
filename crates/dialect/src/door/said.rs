//! What OpenAI's chat answers say, whole and in events, for those who say it in other words.

use bytes::Bytes;

use crate::canonical::Usage;
use crate::json::{Document, Kind, Value};
use crate::openai::payload::usage;

/// A call of a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

impl Call {
    /// Adds a piece: ids and names come whole, arguments do not.
    pub(crate) fn add(&mut self, piece: Call) {
        if self.id.is_empty() {
            self.id = piece.id;
        }
        if self.name.is_empty() {
            self.name = piece.name;
        }
        self.arguments.push_str(&piece.arguments);
    }
}

/// A whole answer: its first choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) finish: String,
    pub(crate) tokens: Option<Usage>,
    /// The items of its log probabilities, JSON.
    pub(crate) logprobs: Option<String>,
}

/// A piece of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Reasoning(String),
    Call(u64, Call),
    Logprobs(String),
    Finish(String),
    Tokens(Usage),
}

/// A whole answer. None where it is none.
pub(crate) fn said(body: &Bytes) -> Option<Said> {
    let document = Document::parse(body).ok()?;
    let root = document.root();
    let choice = root.get("choices")?.items().next()?;
    let message = choice.get("message")?;
    let calls = message.each("tool_calls");
    Some(Said {
        text: text(message, "content") + &text(message, "refusal"),
        reasoning: reasoning(message),
        calls: calls.map(call).collect(),
        finish: text(choice, "finish_reason"),
        tokens: usage(root).ok().flatten(),
        logprobs: logprobs(choice),
    })
}

/// What an event brings of the first choice, in order.
pub(crate) fn pieces(data: &Bytes) -> Vec<Piece> {
    let Ok(document) = Document::parse(data) else {
        return Vec::new();
    };
    let root = document.root();
    let mut out = Vec::new();
    let first = |choice: &Value<'_>| {
        let index = choice.get("index").and_then(Value::as_integer);
        index.unwrap_or(0) == 0
    };
    let choices = root.each("choices");
    for choice in choices.filter(first) {
        if let Some(delta) = choice.get("delta") {
            let thought = reasoning(delta);
            let text = text(delta, "content") + &text(delta, "refusal");
            if !thought.is_empty() {
                out.push(Piece::Reasoning(thought));
            }
            if !text.is_empty() {
                out.push(Piece::Text(text));
            }
            for value in delta.each("tool_calls") {
                let index = value.get("index").and_then(Value::whole);
                out.push(Piece::Call(index.unwrap_or(0), call(value)));
            }
        }
        out.extend(logprobs(choice).map(Piece::Logprobs));
        let finish = text(choice, "finish_reason");
        if !finish.is_empty() {
            out.push(Piece::Finish(finish));
        }
    }
    out.extend(usage(root).ok().flatten().map(Piece::Tokens));
    out
}

fn text(of: Value<'_>, name: &str) -> String {
    let text = of.text(name).unwrap_or_default();
    text.into_owned()
}

fn reasoning(message: Value<'_>) -> String {
    match text(message, "reasoning_content") {
        said if said.is_empty() => text(message, "reasoning"),
        said => said,
    }
}

/// A call, or a piece of one. A custom tool's input stands as arguments.
fn call(value: Value<'_>) -> Call {
    let of = value.get("function").or_else(|| value.get("custom"));
    let inside = |name: &str| of.map(|of| text(of, name)).unwrap_or_default();
    Call {
        id: text(value, "id"),
        name: inside("name"),
        arguments: inside("arguments") + &inside("input"),
    }
}

fn logprobs(choice: Value<'_>) -> Option<String> {
    let items = choice.get("logprobs")?.get("content")?;
    (items.kind() == Kind::Array).then(|| items.raw().to_owned())
}
