//! Secrets by reference: `env:NAME` or `file:PATH`. Values are never shown, references are.

use std::path::Path;

use forebay_gateway::config::Secret;

/// Why a reference gives no secret. Names the reference, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It is no reference: probably the secret itself, so it is not repeated.
    #[error(
        "a secret is given by reference: write \"env:NAME\" or \"file:PATH\", not the value itself"
    )]
    NotAReference,
    /// The variable is not set, or empty.
    #[error("the secret {reference} is missing: the environment variable is not set or empty")]
    Unset {
        /// As configured.
        reference: String,
    },
    /// The file can't be read.
    #[error("the secret {reference} is missing: {why}")]
    Unreadable {
        /// As configured.
        reference: String,
        /// What the system said.
        why: String,
    },
}

/// Whether a text is a reference to a secret.
pub(super) fn is_reference(text: &str) -> bool {
    ["env:", "file:"]
        .iter()
        .any(|scheme| text.len() > scheme.len() && text.starts_with(scheme))
}

/// The secret that a reference names. Files are trimmed at the end; relative paths count from `base`.
pub fn resolve_secret(secret: &Secret, base: &Path) -> Result<String, SecretError> {
    let reference = secret.0.as_str();
    if let Some(name) = reference.strip_prefix("env:") {
        return match std::env::var(name) {
            Ok(value) if !value.is_empty() => Ok(value),
            _ => Err(SecretError::Unset {
                reference: reference.to_owned(),
            }),
        };
    }
    if let Some(path) = reference.strip_prefix("file:") {
        let unreadable = |why: String| SecretError::Unreadable {
            reference: reference.to_owned(),
            why,
        };
        let value =
            std::fs::read_to_string(base.join(path)).map_err(|e| unreadable(e.to_string()))?;
        let value = value.trim_end();
        if value.is_empty() {
            return Err(unreadable("the file is empty".to_owned()));
        }
        return Ok(value.to_owned());
    }
    Err(SecretError::NotAReference)
}
