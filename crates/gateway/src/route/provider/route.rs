//! Where and how a request goes to a provider.

use forebay_dialect::Wire;
use forebay_dialect::exchange::Profile;

/// How an upstream frames a streamed answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Sse,
    /// AWS event-stream frames, one event each.
    Frames,
    /// AWS event-stream frames around a model's own events (Bedrock's InvokeModel).
    Chunks,
    /// AWS event-stream frames around pieces of a container's event stream (SageMaker).
    Pieces,
}

/// Where and how a request goes to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// The format that is spoken there.
    pub wire: Wire,
    /// Path and query, from the base URL on.
    pub path: String,
    /// Its own way in that format.
    pub profile: Profile,
    /// How it frames streams.
    pub framing: Framing,
    /// Members of the body beyond the format, as JSON.
    pub set: Vec<(&'static str, String)>,
    /// Members that the body must not have, since the path says them.
    pub remove: &'static [&'static str],
    /// Members that are called otherwise there, or are unknown, although the format is the
    /// same: a body that has one is written anew.
    pub differs: &'static [&'static str],
}

impl Route {
    /// A route in the format's standard profile, with streams as server-sent events.
    pub(in crate::route) fn new(wire: Wire, path: impl Into<String>) -> Self {
        Self {
            wire,
            path: path.into(),
            profile: Profile::Standard,
            framing: Framing::Sse,
            set: Vec::new(),
            remove: &[],
            differs: &[],
        }
    }

    pub(super) fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    pub(super) fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }
}

/// The usual paths: those of whoever made the format.
pub(super) fn standard(wire: Wire, model: &str, stream: bool) -> Route {
    let path = match wire {
        Wire::Gemini => {
            let verb = gemini_verb(stream);
            return Route::new(wire, format!("/v1beta/models/{model}:{verb}"));
        }
        Wire::Converse => return converse(wire, model, stream),
        Wire::Chat => "/v1/chat/completions",
        Wire::Completions => "/v1/completions",
        Wire::Embeddings => "/v1/embeddings",
        Wire::Responses => "/v1/responses",
        Wire::Messages => "/v1/messages",
        Wire::Cohere => "/v2/chat",
        Wire::Oci => "/20231130/actions/chat",
    };
    Route::new(wire, path)
}

/// AWS's Converse.
pub(super) fn converse(wire: Wire, model: &str, stream: bool) -> Route {
    let verb = if stream {
        "converse-stream"
    } else {
        "converse"
    };
    Route::new(wire, format!("/model/{model}/{verb}")).framing(Framing::Frames)
}

/// The verb of Google's paths.
pub(super) fn gemini_verb(stream: bool) -> &'static str {
    if stream {
        "streamGenerateContent?alt=sse"
    } else {
        "generateContent"
    }
}

/// Whether a name would walk through a path, also once it is decoded (RFC 3986, section 5.2.4).
pub(crate) fn has_dot_segment(model: &str) -> bool {
    model
        .split(['/', '\\'])
        .any(|segment| matches!(segment, "." | ".."))
}

/// A model's name as one segment of a path (RFC 3986): Bedrock's have colons and slashes.
pub(crate) fn encode(model: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(model.len());
    for byte in model.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
