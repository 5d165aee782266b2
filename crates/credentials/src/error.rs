//! What can go wrong with a credential. Every message names which one and where it was configured,
//! none holds its value.

use std::sync::Arc;

use crate::clock::Skew;

/// Why a request could not be authenticated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("upstreams \"{}\": {} ({}) {problem}", .origin.upstream, .origin.credential, .origin.field)]
pub struct CredentialError {
    origin: Origin,
    problem: Problem,
}

impl CredentialError {
    /// The upstream whose credential it is.
    pub fn upstream(&self) -> &str {
        &self.origin.upstream
    }

    /// The field of the configuration, below the upstream: `auth.client_secret`.
    pub fn field(&self) -> &'static str {
        self.origin.field
    }

    /// What is wrong with it.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Asking again later may help: the provider could not be asked, or was busy.
    pub fn is_transient(&self) -> bool {
        match &self.problem {
            Problem::Unreachable { .. } => true,
            Problem::Refused { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }
}

/// What is wrong with a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A variable or a file is not there, or empty.
    #[error("is missing: {what}")]
    Missing {
        /// The variable or file, and what the system says.
        what: String,
    },
    /// A secret stands where a reference should. It is not repeated.
    #[error("is given by reference: write \"env:NAME\" or \"file:PATH\", not the value itself")]
    NotAReference,
    /// It is there, and can't be used.
    #[error("can't be used: {why}")]
    Unusable {
        /// Why, and the way out.
        why: String,
    },
    /// The provider says no.
    #[error("was refused by {by}: {code}, status {status}{}", clock(.skew.as_ref(), by))]
    Refused {
        /// The endpoint, without path.
        by: String,
        /// The provider's error code.
        code: String,
        /// The HTTP status.
        status: u16,
        /// This machine's clock is off, which may be the cause.
        skew: Option<Skew>,
    },
    /// The endpoint could not be asked.
    #[error("could not be exchanged: {by} can't be reached: {why}")]
    Unreachable {
        /// The endpoint, without path.
        by: String,
        /// The host's words.
        why: String,
    },
    /// The endpoint's answer is not what its documentation says.
    #[error("could not be exchanged: {by} returned an answer that can't be used: {why}{}", clock(.skew.as_ref(), by))]
    Answer {
        /// The endpoint, without path.
        by: String,
        /// What is wrong with it; nothing of its text.
        why: String,
        /// This machine's clock is off, which may be the cause.
        skew: Option<Skew>,
    },
    /// The request is such that it can't be signed.
    #[error("can't sign this request: {why}")]
    Request {
        /// What is wrong with the request.
        why: String,
    },
}

fn clock(skew: Option<&Skew>, by: &str) -> String {
    skew.map_or_else(String::new, |skew| {
        format!(" ({skew} {by}; set it, by NTP for instance)")
    })
}

/// Which credential, and where it was configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) upstream: Arc<str>,
    /// In words: `the Entra client secret`.
    pub(crate) credential: &'static str,
    /// Its path below the upstream: `auth.client_secret`.
    pub(crate) field: &'static str,
}

impl Origin {
    pub(crate) fn new(upstream: &Arc<str>, credential: &'static str, field: &'static str) -> Self {
        Self {
            upstream: Arc::clone(upstream),
            credential,
            field,
        }
    }

    /// Another field of the same upstream.
    pub(crate) fn with(&self, credential: &'static str, field: &'static str) -> Self {
        Self::new(&self.upstream, credential, field)
    }

    pub(crate) fn error(&self, problem: Problem) -> CredentialError {
        CredentialError {
            origin: self.clone(),
            problem,
        }
    }

    pub(crate) fn unusable(&self, why: impl Into<String>) -> CredentialError {
        self.error(Problem::Unusable { why: why.into() })
    }
}
