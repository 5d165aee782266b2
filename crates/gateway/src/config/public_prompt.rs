//! `[[upstreams.public_prompts]]`: system prompts that are no tenant's secret.

use serde::{Deserialize, Serialize};

/// A system prompt that all tenants may share in an engine's prefix cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PublicPrompt {
    /// The model, by the name that clients use. Absent: every model.
    #[serde(default)]
    pub model: Option<String>,
    /// The text that system prompts begin with.
    #[serde(default)]
    pub text: Option<String>,
    /// The SHA-256 of a whole system prompt, in hex, instead of `text`.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// The most of one upstream: each is compared with every prompt.
pub(super) const MAX_PUBLIC_PROMPTS: usize = 64;

impl PublicPrompt {
    /// What is wrong with it.
    pub fn problem(&self) -> Option<&'static str> {
        match (&self.text, &self.sha256) {
            (Some(_), Some(_)) | (None, None) => Some("a public prompt has either text or sha256"),
            (Some(text), None) if text.is_empty() => Some("the text of a public prompt is empty"),
            (None, Some(digest)) if self.digest().is_none() => Some(match digest.len() {
                64 => "sha256 is not hexadecimal",
                _ => "sha256 has 64 hexadecimal digits",
            }),
            _ => None,
        }
    }

    /// The digest that is declared, if one is.
    pub(crate) fn digest(&self) -> Option<[u8; 32]> {
        let mut digest = [0; 32];
        hex::decode_to_slice(self.sha256.as_deref()?, &mut digest).ok()?;
        Some(digest)
    }

    /// Whether it is about this model, by the name that clients use.
    pub(crate) fn is_about(&self, model: &str) -> bool {
        self.model.as_deref().is_none_or(|name| name == model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_text_or_a_digest() {
        let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        for (json, problem) in [
            (serde_json::json!({"text": "rules"}), None),
            (serde_json::json!({"model": "m", "sha256": digest}), None),
            (serde_json::json!({}), Some("either")),
            (
                serde_json::json!({"text": "rules", "sha256": digest}),
                Some("either"),
            ),
            (serde_json::json!({"text": ""}), Some("empty")),
            (serde_json::json!({"sha256": "9f86"}), Some("64")),
            (
                serde_json::json!({"sha256": "x".repeat(64)}),
                Some("hexadecimal"),
            ),
        ] {
            let prompt: PublicPrompt = serde_json::from_value(json.clone()).unwrap();
            let said = prompt.problem();
            match problem {
                None => assert_eq!(said, None, "{json}"),
                Some(word) => assert!(said.unwrap().contains(word), "{json}: {said:?}"),
            }
        }
    }
}
