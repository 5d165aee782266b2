//! What one payload of an answer says: a chunk of a stream, or a whole completion.

use bytes::Bytes;

use super::choices;
use crate::canonical::{Channel, FinishKind, Operation, Usage};
use crate::json::{Document, JsonError, Kind, Span, Value};

/// Why bytes from an upstream are no payload. Never contains output text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// No acceptable JSON.
    #[error("the upstream sent what is no JSON payload: {0}")]
    Json(#[from] JsonError),
    /// A field has the wrong type.
    #[error("the upstream sent '{field}' as {found}, not as {expected}")]
    WrongType {
        /// The field's path.
        field: String,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
}

/// A piece of output text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextDelta {
    /// The choice's index.
    pub choice: u32,
    /// Where in the choice it belongs.
    pub channel: Channel,
    /// The text, decoded.
    pub text: String,
    /// The string's bytes, quotes included.
    pub(super) span: Span,
    /// The same text under a second name, as servers send that keep an old name alive
    /// (`reasoning` and `reasoning_content`).
    pub(super) twin: Option<Span>,
}

/// An error as an upstream reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamErrorBody {
    /// What went wrong, for people; may quote the prompt.
    pub message: String,
    /// OpenAI's `type`.
    pub kind: Option<String>,
    /// The field at fault.
    pub param: Option<String>,
    /// The code; vLLM sends the status as a number, which is given in digits.
    pub code: Option<String>,
}

/// An item of an OpenAI stream.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every item is a payload, and short-lived"
)]
pub enum StreamItem {
    /// The terminal `[DONE]`.
    Done,
    /// Anything else.
    Payload(Payload),
}

impl StreamItem {
    /// Reads an event's data.
    ///
    /// # Errors
    ///
    /// As [`Payload::parse`].
    pub fn parse(operation: Operation, data: Bytes) -> Result<Self, PayloadError> {
        if is_done_marker(&data) {
            Ok(Self::Done)
        } else {
            Payload::parse(operation, data).map(Self::Payload)
        }
    }
}

/// Whether an event's data is the literal `[DONE]` that ends a stream.
pub fn is_done_marker(data: &[u8]) -> bool {
    data.trim_ascii() == b"[DONE]"
}

/// A chunk of a stream or a whole completion: its bytes and what they say.
#[derive(Debug, Clone)]
pub struct Payload {
    /// As the upstream sent it.
    pub raw: Bytes,
    pub(super) operation: Operation,
    pub(super) texts: Vec<TextDelta>,
    pub(super) finished: Vec<(u32, FinishKind)>,
    /// Values that may hold output but can't be read as text.
    pub(super) unreadable: Vec<Span>,
    /// A role, a tool's name or id: something that is lost if the payload is dropped.
    pub(super) has_structure: bool,
    pub(super) has_tool_calls: bool,
    pub(super) choices: usize,
    /// The name under which this upstream sends reasoning, where it shows here.
    pub(super) reasoning_name: Option<&'static str>,
    /// `created` as written.
    pub(super) created: Option<Span>,
    usage: Option<Usage>,
    error: Option<UpstreamErrorBody>,
    model: Option<String>,
    id: Option<String>,
}

/// Strings at the top of a payload that can't hold output.
const KNOWN: [&str; 4] = ["id", "object", "system_fingerprint", "service_tier"];
/// The members of an error that is not wrapped in `error`.
const BARE_ERROR: [&str; 5] = ["message", "type", "param", "code", "detail"];

impl Payload {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// When it is no JSON object or a known field has a wrong type. A name that occurs twice
    /// is an error too: the client might read the other one.
    pub fn parse(operation: Operation, raw: Bytes) -> Result<Self, PayloadError> {
        let document = Document::parse(&raw)?;
        let root = document.root();
        if root.kind() != Kind::Object {
            return Err(wrong_type("payload", "an object", root));
        }
        let mut payload = Payload {
            raw: raw.clone(),
            operation,
            texts: Vec::new(),
            finished: Vec::new(),
            unreadable: Vec::new(),
            has_structure: false,
            has_tool_calls: false,
            choices: 0,
            reasoning_name: None,
            created: None,
            usage: None,
            error: error_of(root),
            model: None,
            id: None,
        };
        for (key, value) in root.members() {
            if value.is_null() {
                continue;
            }
            match key.as_str().unwrap_or_default().as_ref() {
                "choices" => choices::read(&mut payload, value)?,
                "usage" => payload.usage = Some(usage_of(value)?),
                "error" => {}
                "created" if value.kind() == Kind::Number => payload.created = Some(value.span()),
                "model" if value.kind() == Kind::String => {
                    payload.model = value.as_str().map(Into::into);
                }
                name if KNOWN.contains(&name) && value.kind() == Kind::String => {
                    if name == "id" {
                        payload.id = value.as_str().map(Into::into);
                    }
                }
                name if payload.error.is_some() && BARE_ERROR.contains(&name) => {}
                _ => payload.unreadable.push(value.span()),
            }
        }
        Ok(payload)
    }

    /// Every piece of text, in the payload's order: content, reasoning, refusal and the
    /// arguments of calls, of `delta` and `message` forms and of completions. Empty strings
    /// are pieces too.
    pub fn texts(&self) -> &[TextDelta] {
        &self.texts
    }

    /// The choices that end here, and why.
    pub fn finished(&self) -> &[(u32, FinishKind)] {
        &self.finished
    }

    /// Token counts, where the upstream gives them.
    pub fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    /// The error that this payload is, also in the middle of a stream.
    pub fn error(&self) -> Option<&UpstreamErrorBody> {
        self.error.as_ref()
    }

    /// Whether any choice calls a tool.
    pub fn has_tool_calls(&self) -> bool {
        self.has_tool_calls
    }

    /// The model that the upstream says it is.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The completion's id.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The last chunk of a stream with `include_usage`: usage and no choices.
    pub fn is_usage_only(&self) -> bool {
        self.usage.is_some() && self.choices == 0
    }

    /// Whether nothing would be lost but text (and what a guard can't read) if the payload
    /// were dropped: no role, no tool's name, no finish reason, no usage, no error.
    pub fn is_empty_delta(&self) -> bool {
        !self.has_structure
            && self.finished.is_empty()
            && self.usage.is_none()
            && self.error.is_none()
    }
}

pub(super) fn wrong_type(
    field: impl Into<String>,
    expected: &'static str,
    found: Value<'_>,
) -> PayloadError {
    PayloadError::WrongType {
        field: field.into(),
        expected,
        found: found.kind().name(),
    }
}

fn usage_of(usage: Value<'_>) -> Result<Usage, PayloadError> {
    if usage.kind() != Kind::Object {
        return Err(wrong_type("usage", "an object", usage));
    }
    let count = |of: Value<'_>, name: &str| match of.get(name).filter(|count| !count.is_null()) {
        None => Ok(0),
        Some(count) => count
            .as_integer()
            .and_then(|count| u64::try_from(count).ok())
            .ok_or_else(|| wrong_type(format!("usage.{name}"), "a count", count)),
    };
    let detail = |of: &str, name: &str| usage.get(of).map_or(Ok(0), |of| count(of, name));
    Ok(Usage {
        input: count(usage, "prompt_tokens")?,
        output: count(usage, "completion_tokens")?,
        cached_input: detail("prompt_tokens_details", "cached_tokens")?,
        reasoning: detail("completion_tokens_details", "reasoning_tokens")?,
    })
}

/// `{"error": {...}}`, `{"error": "..."}`, vLLM's older `{"object": "error", ...}`, and
/// FastAPI's `{"detail": ...}`.
fn error_of(root: Value<'_>) -> Option<UpstreamErrorBody> {
    let error = root.get("error").filter(|error| !error.is_null());
    let error = match error {
        Some(error) if error.kind() != Kind::Object => return Some(message_only(error)),
        Some(error) => error,
        None if root
            .get("object")
            .is_some_and(|object| object.is_str("error")) =>
        {
            root
        }
        None => {
            let detail = root.get("detail").filter(|_| root.get("choices").is_none());
            return detail.map(message_only);
        }
    };
    let text = |name| error.get(name).and_then(plain);
    Some(UpstreamErrorBody {
        message: text("message").unwrap_or_default(),
        kind: text("type"),
        param: text("param"),
        code: text("code"),
    })
}

fn message_only(value: Value<'_>) -> UpstreamErrorBody {
    let message = plain(value).unwrap_or_else(|| value.raw().to_owned());
    UpstreamErrorBody {
        message,
        kind: None,
        param: None,
        code: None,
    }
}

/// A string or a number as text.
fn plain(value: Value<'_>) -> Option<String> {
    match value.kind() {
        Kind::String => value.as_str().map(Into::into),
        Kind::Number => Some(value.raw().to_owned()),
        _ => None,
    }
}
