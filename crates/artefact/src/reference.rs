//! References to artefacts in a registry: `registry.example.com/team/guardrails:1` or `…@sha256:…`.

use std::fmt;
use std::str::FromStr;

use crate::digest::{Digest, DigestError};

/// The longest repository name and the longest tag (OCI distribution specification).
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

/// An artefact in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The registry's host, with its port if it has one.
    pub registry: String,
    /// The repository.
    pub repository: String,
    /// The tag.
    pub tag: Option<String>,
    /// The manifest's digest.
    pub digest: Option<Digest>,
}

/// A text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// No registry in it.
    #[error("\"{0}\" names no registry; write registry.example.com/team/guardrails:1")]
    Registry(String),
    /// Letters that a repository can't have.
    #[error(
        "\"{0}\" is not a repository; use lower-case letters, digits, and . _ - / between them"
    )]
    Repository(String),
    /// Letters that a tag can't have.
    #[error("\"{0}\" is not a tag; use letters, digits, and . _ -")]
    Tag(String),
    /// The digest is none.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// Neither a tag nor a digest.
    #[error("\"{0}\" has neither a tag nor a digest")]
    Bare(String),
}

impl Reference {
    /// What the manifest is asked for by: the digest, or else the tag.
    #[must_use]
    pub fn target(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => String::new(),
        }
    }

    /// The same artefact, pinned by this digest.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self {
            digest: Some(digest),
            tag: None,
            ..self.clone()
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let text = text.strip_prefix("oci://").unwrap_or(text);
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        let no_registry = || ReferenceError::Registry(text.to_owned());
        let (registry, path) = rest.split_once('/').ok_or_else(no_registry)?;
        // A host has a dot or a port; a first part without either is a folder of some default registry.
        let host = registry.contains(['.', ':']) || registry == "localhost";
        let in_host = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        if !host || !registry.chars().all(in_host) {
            return Err(no_registry());
        }
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        let part = |part: &str| {
            let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            part.starts_with(inner)
                && part.ends_with(inner)
                && part.chars().all(|c| inner(c) || "._-".contains(c))
        };
        if repository.len() > MAX_NAME || !repository.split('/').all(part) {
            return Err(ReferenceError::Repository(repository.to_owned()));
        }
        if let Some(tag) = tag {
            let inner = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if tag.is_empty()
                || tag.len() > MAX_TAG
                || tag.starts_with(['.', '-'])
                || !tag.chars().all(inner)
            {
                return Err(ReferenceError::Tag(tag.to_owned()));
            }
        }
        if tag.is_none() && digest.is_none() {
            return Err(ReferenceError::Bare(text.to_owned()));
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_read_what_they_write() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for text in [
            "registry.example.com/team/guardrails:1.2",
            "localhost:5000/a:b",
            "[::1]:5000/a/b:c",
            &format!("127.0.0.1:5000/a@{digest}"),
            &format!("localhost/a:b@{digest}"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
        }
        let both: Reference = format!("oci://localhost/a:b@{digest}").parse().unwrap();
        assert_eq!(both.target(), digest);
    }

    #[test]
    fn what_is_no_reference_is_told_why() {
        for text in [
            "",
            "guardrails",
            "team/guardrails:1",
            "localhost/",
            "localhost/A:1",
            "localhost/a/../b:1",
            "localhost/a:",
            "localhost/a:-x",
            "localhost/a",
            "localhost/a@sha256:12",
            "exa mple.com/a:1",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
