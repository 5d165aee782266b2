//! Configured snapshots as files, for edges that compose by themselves.

use crate::cache::Cache;
use crate::error::LoadError;
use crate::load;
use crate::options::{PolicySources, SandboxOptions};
use crate::sandbox::on_a_thread;

/// The three policies, configured and frozen.
#[derive(Debug, Clone)]
pub struct Baked {
    /// Exports `forebay:prefix-cache/prefix-cache@0.2.0`.
    pub prefix_cache: Vec<u8>,
    /// Exports `forebay:guardrails/guardrails@0.2.0`.
    pub guardrails: Vec<u8>,
    /// Exports `forebay:cloud-selector/cloud-selector@0.2.0`.
    pub cloud_selector: Vec<u8>,
    /// What [`Policies::digest`](forebay_gateway::policy::Policies::digest) is for them.
    pub digest: [u8; 32],
    /// The policies that could not be frozen: their bytes are as they came, and whoever runs
    /// them has to call `configure`.
    pub unconfigured: Vec<&'static str>,
}

/// Configures and freezes the policies without running them.
///
/// # Errors
///
/// As [`Sandbox::load`](crate::Sandbox::load).
pub async fn bake(sources: PolicySources, options: SandboxOptions) -> Result<Baked, LoadError> {
    on_a_thread(move |handle| {
        let cache = Cache::open(options.cache_dir.as_deref());
        let frozen = handle.block_on(load::snapshots(&sources, &options, &cache))?;
        let unconfigured = [
            ("prefix-cache", &frozen.prefix_cache),
            ("guardrails", &frozen.guardrails),
            ("cloud-selector", &frozen.cloud_selector),
        ]
        .into_iter()
        .filter(|(_, prepared)| prepared.configure.is_some())
        .map(|(policy, _)| policy)
        .collect();
        Ok(Baked {
            prefix_cache: frozen.prefix_cache.bytes,
            guardrails: frozen.guardrails.bytes,
            cloud_selector: frozen.cloud_selector.bytes,
            digest: frozen.digest,
            unconfigured,
        })
    })
    .await
}
