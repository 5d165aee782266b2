//! A configured gateway that serves nobody: what a command asks about a configuration.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use forebay_gateway::Explanation;
use forebay_gateway::error::GatewayError;

use super::policies::PolicyLoader;
use super::reload::{Control, ReloadError, make_gateway};
use crate::config::Overrides;
use crate::platform::Native;
use crate::store::{MemoryLimits, MemoryStore};
use crate::telemetry::Observers;

/// Why a request can't be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The configuration can't be used.
    #[error(transparent)]
    Config(#[from] ReloadError),
    /// The request can't.
    #[error("{}", .0.message)]
    Request(GatewayError),
}

/// Explains a request to this path by the configuration alone: nothing is known of any engine.
///
/// # Errors
/// If the configuration or the request can't be used.
pub async fn explain_prefix<L: PolicyLoader>(
    file: Option<PathBuf>,
    loader: L,
    path: &str,
    body: Bytes,
    tenant: Option<&str>,
) -> Result<Explanation, ExplainError> {
    let control = Control::new(file, Overrides::default(), loader);
    let prepared = control.prepare(control.read().await?, None).await?;
    let platform = Arc::new(Native::new(0, Arc::new(Observers::new(None))));
    // Nothing is stored.
    let store = Arc::new(MemoryStore::new(MemoryLimits {
        bytes: 0,
        max_entry: 0,
    }));
    let policies = prepared.policies;
    let gateway = make_gateway(&platform, &store, &policies, prepared.resolved, None)?;
    let explained = gateway.explain_prefix(path, body, tenant).await;
    explained.map_err(ExplainError::Request)
}
