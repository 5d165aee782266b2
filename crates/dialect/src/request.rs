//! A request: the client's body beside what it says.

use bytes::Bytes;

use crate::canonical::{Needs, Part, Prompt, TOKEN_IDS};
use crate::json::{Document, JsonError, Kind, Span, Value};
use crate::wire::{Target, Wire};

/// Why a body is not taken as a request. Messages are for the client; they name fields and
/// limits, never what a prompt says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The body is no acceptable JSON.
    #[error("could not read the request body: {0}")]
    Json(#[from] JsonError),
    /// A field has the wrong type.
    #[error("invalid type for '{param}': expected {expected}, but got {found}")]
    WrongType {
        /// The field's path, such as `messages[2].content`.
        param: String,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A required field is absent.
    #[error("missing required parameter: '{param}'")]
    Missing {
        /// The field's path.
        param: String,
    },
    /// A value is of the right type but not possible.
    #[error("invalid value for '{param}': {reason}")]
    InvalidValue {
        /// The field's path.
        param: String,
        /// What is possible.
        reason: &'static str,
    },
    /// Nobody asks in this format.
    #[error("'{wire}' is a format of upstreams, not of clients")]
    NotForClients {
        /// The format.
        wire: &'static str,
    },
}

impl RequestError {
    /// The field that is wrong, where it is one field.
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Json(_) | Self::NotForClients { .. } => None,
            Self::WrongType { param, .. }
            | Self::Missing { param }
            | Self::InvalidValue { param, .. } => Some(param),
        }
    }

    /// A stable code for machines, OpenAI's own where it has one.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(JsonError::NotUtf8 { .. }) => "invalid_utf8",
            Self::Json(JsonError::TooDeep { .. }) => "nesting_too_deep",
            Self::Json(JsonError::DuplicateField { .. }) => "duplicate_field",
            Self::Json(_) => "invalid_json",
            Self::WrongType { .. } => "invalid_type",
            Self::Missing { .. } => "missing_required_parameter",
            Self::InvalidValue { .. } | Self::NotForClients { .. } => "invalid_value",
        }
    }

    pub(crate) fn wrong_type(
        param: impl Into<String>,
        expected: &'static str,
        found: Value<'_>,
    ) -> Self {
        Self::WrongType {
            param: param.into(),
            expected,
            found: found.kind().name(),
        }
    }
}

/// A top-level member of the body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) key: Span,
    pub(crate) value: Span,
}

/// All that a body says.
pub(crate) struct Read {
    pub(crate) prompt: Prompt,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) needs: Needs,
    pub(crate) places: Vec<Vec<Option<Span>>>,
}

/// A request as it came, and what it says.
///
/// The body is kept as it is. What a caller wants changed is spliced into it, so that every
/// byte that nobody touched reaches the upstream as the client wrote it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The client's body, with the edits made so far.
    pub body: Bytes,
    /// What it says.
    pub prompt: Prompt,
    /// The client wants a stream.
    pub stream: bool,
    /// The client wants the stream to end with its usage.
    pub include_usage: bool,
    pub(crate) target: Target,
    pub(crate) needs: Needs,
    /// Of each part of each message: the text's, the arguments' or the whole part's bytes.
    pub(crate) places: Vec<Vec<Option<Span>>>,
    /// The body's members, in its order.
    pub(crate) members: Vec<Member>,
    extent: Extent,
}

/// How much there is of what costs more than its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// Members of all objects.
    pub members: usize,
    /// Parts of all messages.
    pub parts: usize,
    /// Tools.
    pub tools: usize,
    /// Strings that are URLs (`http` and `https`).
    pub urls: usize,
}

impl Request {
    /// A request of a format, as `read` reads it (see [`Request::parse`]).
    pub(crate) fn read_by(
        target: Target,
        body: Bytes,
        read: impl FnOnce(&Target, Value<'_>) -> Result<Read, RequestError>,
    ) -> Result<Self, RequestError> {
        let document = Document::parse(&body)?;
        let root = document.root();
        let read = read(&target, root)?;
        let members = root
            .members()
            .map(|(key, value)| Member {
                key: key.span(),
                value: value.span(),
            })
            .collect();
        let extent = extent(&document, &read.prompt);
        Ok(Self {
            extent,
            prompt: read.prompt,
            stream: read.stream,
            include_usage: read.include_usage,
            needs: read.needs,
            places: read.places,
            members,
            target,
            body,
        })
    }

    /// A request whose body is nobody's to read here: it passes as it is, to whoever has the model.
    pub fn passing(model: String, stream: bool, body: Bytes) -> Self {
        Self {
            body,
            prompt: Prompt {
                operation: crate::canonical::Operation::Chat,
                model,
                messages: Vec::new(),
                tools: Vec::new(),
                sampling: crate::canonical::Sampling::default(),
                extra: Vec::new(),
            },
            stream,
            include_usage: false,
            target: Target::new(Wire::Chat),
            needs: Needs::default(),
            places: Vec::new(),
            members: Vec::new(),
            extent: Extent::default(),
        }
    }

    /// How much there is of what costs more than its bytes.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// The format it came in.
    pub fn wire(&self) -> Wire {
        self.target.wire
    }

    /// What an upstream must be able to do to serve this.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Bytes of memory that it takes beside its body.
    pub fn bytes_beside_body(&self) -> usize {
        let places = self.places.iter().map(|of| size_of_val(&**of));
        self.prompt.bytes() + places.sum::<usize>() + size_of_val(&*self.members)
    }

    /// An estimate of the prompt's tokens, to be reserved until the upstream has counted: its
    /// bytes divided by three and rounded up, or the number of ids where it is token ids.
    pub fn estimated_input_tokens(&self) -> u64 {
        let mut bytes = self.prompt.tools.iter().map(String::len).sum::<usize>();
        let mut ids = 0;
        for message in &self.prompt.messages {
            for part in &message.parts {
                match part {
                    Part::Text(text) => bytes += text.len(),
                    Part::ToolCall(call) => bytes += call.name.len() + call.arguments.len(),
                    Part::Opaque(part) if part.kind == TOKEN_IDS => {
                        ids += part.json.bytes().filter(|byte| *byte == b',').count() + 1;
                    }
                    Part::Opaque(part) => bytes += part.json.len().min(OPAQUE_BYTES),
                }
            }
        }
        (bytes.div_ceil(3) + ids) as u64
    }
}

fn extent(document: &Document<'_>, prompt: &Prompt) -> Extent {
    let mut extent = Extent {
        parts: prompt.messages.iter().map(|m| m.parts.len()).sum(),
        tools: prompt.tools.len(),
        ..Extent::default()
    };
    for value in document.values() {
        match value.kind() {
            Kind::Object => extent.members += value.members().count(),
            Kind::String => {
                let content = value.raw().get(1..).unwrap_or_default();
                let is_url = ["http://", "https://", "http:\\/", "https:\\/"]
                    .iter()
                    .any(|scheme| content.starts_with(scheme));
                extent.urls += usize::from(is_url);
            }
            _ => {}
        }
    }
    extent
}

/// What an image, a sound or a file counts at most, in bytes: 2,048 tokens. Its base64 says
/// little about its tokens; OpenAI's largest image at high detail is 1,445.
const OPAQUE_BYTES: usize = 3 * 2048;
