//! What an operator configures of endpoints that pass through.

use serde::{Deserialize, Serialize};

/// Whether the guardrails judge what passes through an endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Judging {
    /// They judge all text, and refuse what they can't read where a rule applies. The default.
    #[default]
    On,
    /// They see nothing of it.
    Off,
}

/// `[[through]]`: what is different at one endpoint that passes through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ThroughConfig {
    /// Its name: `rerank`, `moderations`, `images.generations`, `images.edits`,
    /// `images.variations`, `audio.speech`, `audio.transcriptions`, `audio.translations`, `score`,
    /// `tokenize`, `detokenize`, `classify`, `pooling`, `files`, `batches`, `vector_stores`,
    /// `containers`, `cachedContents`.
    pub endpoint: String,
    /// Whether the guardrails judge it. Sound, pictures and files can't be read: where a rule
    /// applies, such requests are refused unless this is `off`. Default `on`.
    #[serde(default)]
    pub guard: Judging,
}

/// `[[raw]]`: a path of a provider's own API that requests may go to as they are. None by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// The exact path, here and at the upstream: `/v1/fine_tuning/jobs`. A query goes along.
    pub path: String,
    /// The upstream that has it.
    pub upstream: String,
    /// Who may use it. Empty: every tenant. What an upstream keeps there is everybody's who may.
    #[serde(default)]
    pub tenants: Vec<String>,
    /// Nothing of it can be read: where a rule applies it is refused unless this is `off`. Default `on`.
    #[serde(default)]
    pub guard: Judging,
}

impl RawConfig {
    /// Why it can't be listed.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
        if !METHODS.contains(&self.method.as_str()) {
            let why = format!("\"{}\" is not one of {}", self.method, METHODS.join(", "));
            return Some(("method", why));
        }
        let segments = || self.path.split('/').skip(1);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/".contains(&b);
        let walks = segments().any(|part| part.is_empty() || part == "." || part == "..");
        if !self.path.starts_with('/') || walks || !self.path.bytes().all(plain) {
            let why = format!(
                "\"{}\" is not an exact path: letters, digits and -._~: between single slashes",
                self.path
            );
            return Some(("path", why));
        }
        None
    }
}

impl ThroughConfig {
    /// The endpoints that there are.
    pub fn names() -> &'static [&'static str] {
        crate::through::NAMES
    }
}
