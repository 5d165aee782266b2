//! How policies are loaded: a seam, so that tests can serve without compiling components.

use std::future::Future;
use std::path::Path;

use forebay_gateway::policy::Policies;

use crate::config::PoliciesConfig;

/// The policies can't be used: which one and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PolicyLoadError(pub String);

/// Loads the three policies of a configuration.
pub trait PolicyLoader: Send + Sync + 'static {
    /// What runs them.
    type Policies: Policies;

    /// Loads them. Relative paths count from `base`.
    fn load(&self, config: &PoliciesConfig, base: &Path) -> impl Future<Output = Result<Self::Policies, PolicyLoadError>> + Send;
}
