//! `forebay.toml`: read, checked, and turned into what the rest of the host works with.
//!
//! Unknown keys are errors, secrets are references (`env:NAME`, `file:PATH`), sizes are
//! integers of bytes or `"8 MiB"`, durations `"30s"`. Relative paths count from the file's folder.

mod auth;
mod diagnose;
mod edge;
mod findings;
mod limits;
mod load;
mod offers;
mod plain;
mod refused;
mod resolve;
mod secret;
mod sections;
mod size;
mod validate;

pub(crate) use auth::is_safe_url;
pub use auth::{LoginConfig, OidcConfig, TokenAlgorithm};
pub use diagnose::{ConfigError, Problem};
pub use edge::edge_settings;
pub use findings::findings;
pub use load::{Overrides, Parts, Source, load, load_parts};
pub use refused::{refused_policy, refused_tls, refused_upstream};
pub use resolve::{Resolved, resolve};
pub use secret::{SecretError, resolve_secret};
pub use sections::{
    AdminConfig, CacheConfig, ComponentConfig, Config, EdgeConfig, Isolation, KeysConfig, Limits,
    LogConfig, LogFormat, MemoConfig, PoliciesConfig, SecretsConfig, ServerConfig, TelemetryConfig,
    TlsConfig, VerifyConfig,
};
pub use size::Size;
pub(crate) use validate::{check_url, unusable_tenant};
