//! What one payload of an answer says: a chunk of a stream, or a whole completion.

use std::borrow::Cow;

use bytes::Bytes;

use crate::canonical::{Channel, FinishKind, Usage};
use crate::contract::status::status_of;
use crate::fields::Place;
use crate::json::{Document, JsonError, Kind, Span, Value};
use crate::wire::Wire;

/// Why bytes from an upstream are no payload. Never contains output text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// No acceptable JSON.
    #[error("the upstream sent a response that is not valid JSON: {0}")]
    Json(#[from] JsonError),
    /// No member that an answer of the format has.
    #[error("the upstream sent a response without an answer")]
    NoAnswer,
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
    /// The stretch it belongs to: texts of one stretch and channel are one text in pieces. In
    /// OpenAI's chat and Gemini a stretch is a choice; elsewhere it is a content block or an
    /// output item; a text that an event tells again as a whole is a stretch of its own.
    pub choice: u32,
    /// Where in the choice it belongs.
    pub channel: Channel,
    /// The text, decoded.
    pub text: String,
    /// The value's bytes, a string's quotes included.
    pub(crate) span: Span,
    /// The same text under a second name, as servers send that keep an old name alive
    /// (`reasoning` and `reasoning_content`).
    pub(crate) twin: Option<Span>,
    /// The text is the value itself, JSON (a call's arguments as an object), not a string.
    pub(crate) raw: bool,
}

/// An error as an upstream reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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

impl UpstreamErrorBody {
    /// The HTTP status that its code or type stands for; 500 where they say nothing.
    pub fn status(&self) -> u16 {
        status_of(self.code.as_deref(), self.kind.as_deref())
    }
}

/// An item of a stream.
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

/// Whether an event's data is the literal `[DONE]` that ends a stream.
pub fn is_done_marker(data: &[u8]) -> bool {
    data.trim_ascii() == b"[DONE]"
}

/// A chunk of a stream or a whole completion: its bytes and what they say.
#[derive(Debug, Clone)]
pub struct Payload {
    /// As the upstream sent it.
    pub raw: Bytes,
    pub(crate) wire: Wire,
    pub(crate) texts: Vec<TextDelta>,
    pub(crate) finished: Vec<(u32, FinishKind)>,
    /// Stretches that are complete with this payload.
    pub(crate) closed: Vec<u32>,
    /// Values that may hold output but can't be read as text.
    pub(crate) unreadable: Vec<Span>,
    /// Where the names of called tools begin, in the payload's order.
    pub(crate) tool_names: Vec<u32>,
    /// Where what repeats the request begins, in the payload's order.
    pub(crate) echoes: Vec<u32>,
    /// A role, a tool's name or id: something that is lost if the payload is dropped.
    pub(crate) has_structure: bool,
    pub(crate) has_tool_calls: bool,
    /// It carries usage and nothing else.
    pub(crate) usage_only: bool,
    /// It ends its stream.
    pub(crate) terminal: bool,
    /// OpenAI's chat: the name under which this upstream sends reasoning, where it shows here.
    pub(crate) reasoning_name: Option<&'static str>,
    /// OpenAI's `created` as written.
    pub(crate) created: Option<Span>,
    pub(crate) usage: Option<Usage>,
    pub(crate) error: Option<UpstreamErrorBody>,
    pub(crate) model: Option<String>,
    pub(crate) id: Option<String>,
}

impl Payload {
    /// A payload of a format, as `read` reads it (see [`Payload::parse`]).
    pub(crate) fn read_by(
        wire: Wire,
        raw: Bytes,
        read: impl FnOnce(&mut Payload, Value<'_>) -> Result<(), PayloadError>,
    ) -> Result<Self, PayloadError> {
        let document = Document::parse(&raw)?;
        let root = document.root();
        object(root, "payload")?;
        let mut payload = Payload {
            raw: raw.clone(),
            wire,
            texts: Vec::new(),
            finished: Vec::new(),
            closed: Vec::new(),
            unreadable: Vec::new(),
            tool_names: Vec::new(),
            echoes: Vec::new(),
            has_structure: false,
            has_tool_calls: false,
            usage_only: false,
            terminal: false,
            reasoning_name: None,
            created: None,
            usage: None,
            error: None,
            model: None,
            id: None,
        };
        read(&mut payload, root)?;
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

    /// The stretches that are complete with this payload: what is still held of them may go
    /// out with it, and nothing more of them comes.
    pub fn closed(&self) -> &[u32] {
        &self.closed
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

    /// The last chunk of an OpenAI stream with `include_usage`: usage and no choices. Clients
    /// that did not ask for it must not get it.
    pub fn is_usage_only(&self) -> bool {
        self.usage_only
    }

    /// Whether it ends its stream (see [`crate::Terminal::Payload`]).
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether nothing would be lost but text (and what a guard can't read) if the payload
    /// were dropped: no role, no tool's name, no finish reason, no usage, no error.
    pub fn is_empty_delta(&self) -> bool {
        !self.has_structure
            && self.finished.is_empty()
            && self.usage.is_none()
            && self.error.is_none()
            && !self.terminal
    }

    pub(crate) fn text(&self, span: Span) -> &str {
        let bytes = self.raw.get(span.range()).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// Refuses what is no object.
pub(crate) fn object<'d>(value: Value<'d>, field: &str) -> Result<Value<'d>, PayloadError> {
    match value.kind() {
        Kind::Object => Ok(value),
        _ => Err(wrong_type(field, "an object", value)),
    }
}

/// A whole number; some servers write it in quotes.
fn number<T: TryFrom<i128>>(value: Value<'_>) -> Option<T> {
    let quoted = || value.as_str()?.parse::<i128>().ok();
    T::try_from(value.as_integer().or_else(quoted)?).ok()
}

/// What an answer or an event tells of its tokens. What is no object, as the empty list of some
/// servers, tells nothing.
pub(crate) fn usage_in(of: Value<'_>) -> Option<Value<'_>> {
    of.get("usage").filter(|usage| usage.kind() == Kind::Object)
}

/// A count of an answer's usage; 0 where it is not told.
pub(crate) fn count(of: Value<'_>, name: &str) -> Result<u64, PayloadError> {
    let Some(count) = of.some(name) else {
        return Ok(0);
    };
    number(count).ok_or_else(|| wrong_type(format!("usage.{name}"), "a count", count))
}

/// What an answer consists of, which is an object.
pub(crate) fn object_of<'d>(
    value: Option<Value<'d>>,
    field: &str,
) -> Result<Value<'d>, PayloadError> {
    object(value.ok_or(PayloadError::NoAnswer)?, field)
}

/// A string of an answer.
pub(crate) fn string(value: Value<'_>, place: impl Place) -> Result<Cow<'_, str>, PayloadError> {
    let wrong = || wrong_type(place.told(), "a string", value);
    value.as_str().ok_or_else(wrong)
}

/// A string member of an answer, where it is there.
pub(crate) fn text_of<'d>(
    of: Value<'d>,
    name: &str,
    place: impl Place,
) -> Result<Option<Cow<'d, str>>, PayloadError> {
    let text = of.some(name);
    text.map(|text| string(text, place)).transpose()
}

/// The number of a choice, a call or a block.
pub(crate) fn index(value: Value<'_>, field: &str) -> Result<u32, PayloadError> {
    number(value).ok_or_else(|| wrong_type(field, "an index", value))
}

pub(crate) fn wrong_type(
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

/// Texts that were held back, by stretch and channel.
pub(crate) type Texts = (u32, Vec<(Channel, String)>);

/// Texts by stretch and channel, each joined, in the order of their first appearance.
pub(crate) fn by_stretch<'t>(
    texts: impl Iterator<Item = &'t (u32, Channel, String)>,
) -> Vec<Texts> {
    let mut stretches: Vec<Texts> = Vec::new();
    for (stretch, channel, text) in texts {
        let known = stretches.iter().position(|(known, _)| known == stretch);
        let at = known.unwrap_or_else(|| {
            stretches.push((*stretch, Vec::new()));
            stretches.len() - 1
        });
        let channels = &mut stretches[at].1;
        match channels.iter_mut().find(|(earlier, _)| earlier == channel) {
            Some((_, earlier)) => earlier.push_str(text),
            None => channels.push((*channel, text.clone())),
        }
    }
    stretches
}
