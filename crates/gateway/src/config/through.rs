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
    /// `tokenize`, `detokenize`, `classify`, `pooling`.
    pub endpoint: String,
    /// Whether the guardrails judge it. Sound, pictures and files can't be read: where a rule
    /// applies, such requests are refused unless this is `off`. Default `on`.
    #[serde(default)]
    pub guard: Judging,
}

impl ThroughConfig {
    /// The endpoints that there are.
    pub fn names() -> &'static [&'static str] {
        crate::through::NAMES
    }
}
