//! How policies are loaded: a seam, so that tests can serve without compiling components, and what
//! fills it: wasmtime.

use std::future::Future;
use std::path::{Path, PathBuf};

use forebay_sandbox::{Baked, ComponentSource, PolicySources, Sandbox, SandboxOptions};

use crate::config::{ComponentConfig, Isolation, PoliciesConfig};
use crate::platform::NativePolicies;

/// The policies can't be used: which one and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PolicyLoadError(pub String);

/// Loads the three policies of a configuration.
pub trait PolicyLoader: Send + Sync + 'static {
    /// What runs them.
    type Policies: NativePolicies;

    /// Loads them. Relative paths count from `base`.
    fn load(
        &self,
        config: &PoliciesConfig,
        base: &Path,
    ) -> impl Future<Output = Result<Self::Policies, PolicyLoadError>> + Send;
}

/// Loads components into wasmtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct Components;

impl PolicyLoader for Components {
    type Policies = Sandbox;

    async fn load(&self, config: &PoliciesConfig, base: &Path) -> Result<Sandbox, PolicyLoadError> {
        let sources = sources(config, base)?;
        Sandbox::load(sources, options(config, base))
            .await
            .map_err(|e| PolicyLoadError(e.to_string()))
    }
}

/// Configures and freezes the policies without running them, for edges that compose by themselves.
pub async fn bake(config: &PoliciesConfig, base: &Path) -> Result<Baked, PolicyLoadError> {
    forebay_sandbox::bake(sources(config, base)?, options(config, base))
        .await
        .map_err(|e| PolicyLoadError(e.to_string()))
}

/// Whether the components that come with Forebay are where they belong.
pub fn built_in_components_are_there() -> bool {
    ["prefix-cache", "guardrails", "cloud-selector"]
        .iter()
        .all(|name| built_in(name).is_ok_and(|file| file.exists()))
}

fn options(config: &PoliciesConfig, base: &Path) -> SandboxOptions {
    SandboxOptions {
        isolation: match config.isolation {
            Isolation::Request => forebay_sandbox::Isolation::Request,
            Isolation::Tenant => forebay_sandbox::Isolation::Tenant,
        },
        sessions: config.pool,
        guards: config.guards,
        memory_bytes: config.memory.bytes(),
        cache_dir: config.cache_dir.as_ref().map(|folder| base.join(folder)),
        ..SandboxOptions::default()
    }
}

fn sources(config: &PoliciesConfig, base: &Path) -> Result<PolicySources, PolicyLoadError> {
    Ok(PolicySources {
        prefix_cache: source("prefix-cache", "prefix_cache", &config.prefix_cache, base)?,
        guardrails: source("guardrails", "guardrails", &config.guardrails, base)?,
        cloud_selector: source(
            "cloud-selector",
            "cloud_selector",
            &config.cloud_selector,
            base,
        )?,
    })
}

fn source(
    name: &str,
    section: &str,
    config: &ComponentConfig,
    base: &Path,
) -> Result<ComponentSource, PolicyLoadError> {
    let (file, hint) = match &config.component {
        Some(file) => (
            base.join(file),
            format!("policies.{section}.component names it"),
        ),
        None => (
            built_in(name)?,
            format!(
                "build it with `cargo xtask build`, or name another in policies.{section}.component"
            ),
        ),
    };
    let bytes = std::fs::read(&file).map_err(|e| {
        PolicyLoadError(format!(
            "the {name} component {} can't be read: {e}; {hint}",
            file.display()
        ))
    })?;
    Ok(ComponentSource {
        bytes,
        config: serde_json::Value::Object(config.config.clone()),
    })
}

/// Where the components that come with Forebay are: in `FOREBAY_COMPONENTS`, or beside the folder of the program.
fn built_in(name: &str) -> Result<PathBuf, PolicyLoadError> {
    let file = format!("{name}.wasm");
    if let Some(folder) = std::env::var_os("FOREBAY_COMPONENTS").filter(|folder| !folder.is_empty())
    {
        return Ok(PathBuf::from(folder).join(file));
    }
    let program = std::env::current_exe()
        .map_err(|e| PolicyLoadError(format!("the program does not know where it is: {e}")))?;
    let folder = program
        .parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new("/"));
    Ok(folder.join("components").join(file))
}
