//! Why an application can't be started. Each message names the place, the value and the way out.

use std::path::PathBuf;

/// An application can't be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file can't be read.
    #[error("{} can't be read ({what}): {why}", path.display())]
    Read {
        /// What the file is.
        what: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// A file is not what its schema allows: the detail has the line.
    #[error("{} is not a valid {what}:\n{detail}", path.display())]
    Syntax {
        /// What the file is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The parser's message, with line and column.
        detail: String,
    },
    /// Something that Spin has and this host has not.
    #[error("{place}: {what} is not supported by the stand-in; {instead}")]
    Unsupported {
        /// The key in the manifest or the runtime configuration.
        place: String,
        /// What was asked for.
        what: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// A value that contradicts another or its own rules.
    #[error("{place}: {why}")]
    Invalid {
        /// The key in the manifest, the runtime configuration or the flag.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// Variables without a value.
    #[error(
        "no value for the required variable{} {}; give {}",
        if names.len() > 1 { "s" } else { "" },
        names.join(", "),
        names.iter().map(|name| format!("--variable {name}=... or SPIN_VARIABLE_{}", name.to_uppercase())).collect::<Vec<_>>().join(", ")
    )]
    MissingVariables {
        /// Their names.
        names: Vec<String>,
    },
    /// A component and its dependencies don't fit together.
    #[error("component.{component}: {why}")]
    Compose {
        /// The component's id.
        component: String,
        /// What does not fit.
        why: String,
    },
    /// The runtime refuses the component.
    #[error("component.{component}: {why}")]
    Component {
        /// The component's id.
        component: String,
        /// What the runtime said.
        why: String,
    },
    /// The address can't be taken.
    #[error("{address} can't be listened on (--listen): {why}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        why: std::io::Error,
    },
    /// The runtime itself can't be set up.
    #[error("the WebAssembly runtime can't be set up: {0}")]
    Runtime(String),
}

impl StartError {
    /// A value that breaks a rule.
    pub(crate) fn invalid(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid {
            place: place.into(),
            why: why.into(),
        }
    }

    /// Something that only Spin has.
    pub(crate) fn unsupported(
        place: impl Into<String>,
        what: impl Into<String>,
        instead: &'static str,
    ) -> Self {
        Self::Unsupported {
            place: place.into(),
            what: what.into(),
            instead,
        }
    }
}
