//! What can be wrong with a policy when it is loaded.

use crate::compose::VERSION;

/// Why the policies could not be loaded. Nothing is half loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is not a component that compiles.
    #[error("the {policy} component does not compile: {detail}")]
    Compile {
        /// Which policy.
        policy: &'static str,
        /// What the compiler says.
        detail: String,
    },
    /// The component lacks an export, or an export has another type.
    #[error(
        "the {policy} component does not implement the contract forebay:{policy}@{VERSION}: {detail}"
    )]
    Contract {
        /// Which policy.
        policy: &'static str,
        /// What is missing or different.
        detail: String,
    },
    /// The component was built for a contract before 0.2.0.
    #[error(
        "the {policy} component was built for {found}; this version of Forebay runs \
         forebay:{policy}@{VERSION}. Build it again, as docs/migrating-0.2.md describes"
    )]
    Outdated {
        /// Which policy.
        policy: &'static str,
        /// The interface that it imports or exports.
        found: String,
    },
    /// `configure` refused the configuration.
    #[error("the {policy} policy refuses its configuration: {message}")]
    Configure {
        /// Which policy.
        policy: &'static str,
        /// The policy's own words.
        message: String,
    },
    /// The component broke down before or in `configure`.
    #[error("the {policy} policy could not be started: {detail}")]
    Start {
        /// Which policy.
        policy: &'static str,
        /// The trap's name or the limit.
        detail: String,
    },
    /// The three could not be composed into one component.
    #[error("the policies could not be composed: {detail}")]
    Compose {
        /// What the composer says.
        detail: String,
    },
    /// The runtime could not be set up with these options.
    #[error("the sandbox could not be set up: {detail}")]
    Runtime {
        /// What the runtime says.
        detail: String,
    },
}
