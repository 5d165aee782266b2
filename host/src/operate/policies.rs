//! How policies are loaded: a seam, so that tests can serve without compiling components, and what
//! fills it: wasmtime.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use forebay_sandbox::{Baked, ComponentSource, LoadError, PolicySources, Sandbox, SandboxOptions};
use sha2::{Digest as _, Sha256};

use super::verify::{self, Versions};
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

/// Loads components into wasmtime, and never a signed one that is older than one it loaded before.
#[derive(Debug, Clone, Default)]
pub struct Components {
    loaded: Arc<Mutex<Versions>>,
}

impl PolicyLoader for Components {
    type Policies = Sandbox;

    async fn load(&self, config: &PoliciesConfig, base: &Path) -> Result<Sandbox, PolicyLoadError> {
        let loaded = || self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let before = loaded().clone();
        let ((sources, versions), options) =
            (sources(config, base, &before)?, options(config, base));
        let (config, base) = (config.clone(), base.to_owned());
        let sandbox = in_a_thread_that_ends(move || async move {
            let loaded = Sandbox::load(sources, options).await;
            loaded.map_err(|e| unusable(&config, &base, &e))
        })
        .await?;
        loaded().extend(versions);
        Ok(sandbox)
    }
}

/// Compiling takes a hundred megabytes for a few seconds. A thread that ends gives them back; a
/// worker of the runtime would keep them.
async fn in_a_thread_that_ends<F, T>(
    work: impl FnOnce() -> F + Send + 'static,
) -> Result<T, PolicyLoadError>
where
    F: Future<Output = Result<T, PolicyLoadError>>,
    T: Send + 'static,
{
    let (done, result) = tokio::sync::oneshot::channel();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let loaded = match runtime {
            Ok(runtime) => runtime.block_on(work()),
            Err(error) => Err(PolicyLoadError(format!(
                "the policies' loader can't start: {error}"
            ))),
        };
        // Nobody waits any more when the program is being stopped: then there is nothing to say.
        let _ = done.send(loaded);
    };
    std::thread::Builder::new()
        .name("forebay-load".to_owned())
        .spawn(run)
        .map_err(|e| PolicyLoadError(format!("the policies' loader can't start: {e}")))?;
    result.await.unwrap_or_else(|_| {
        Err(PolicyLoadError(
            "the policies' loader ended without a result".to_owned(),
        ))
    })
}

/// Configures and freezes the policies without running them, for edges that compose by themselves.
pub async fn bake(config: &PoliciesConfig, base: &Path) -> Result<Baked, PolicyLoadError> {
    let (sources, _) = sources(config, base, &Versions::new())?;
    forebay_sandbox::bake(sources, options(config, base))
        .await
        .map_err(|e| unusable(config, base, &e))
}

/// The error, with the file of the policy that it is about where the configuration names one.
fn unusable(config: &PoliciesConfig, base: &Path, error: &LoadError) -> PolicyLoadError {
    let named = match error {
        LoadError::Compile { policy, .. }
        | LoadError::Outdated { policy, .. }
        | LoadError::Contract { policy, .. }
        | LoadError::Configure { policy, .. }
        | LoadError::Start { policy, .. } => match *policy {
            "prefix-cache" => config.prefix_cache.component.as_ref(),
            "guardrails" => config.guardrails.component.as_ref(),
            _ => config.cloud_selector.component.as_ref(),
        },
        LoadError::Compose { .. } | LoadError::Runtime { .. } => None,
    };
    PolicyLoadError(match named {
        Some(file) => format!("{error} ({})", base.join(file).display()),
        None => error.to_string(),
    })
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
        cache_dir: match &config.cache_dir {
            Some(folder) => Some(base.join(folder)),
            None => own_cache(),
        },
        shipped_prefix_cache: crate::shipped::policy("prefix-cache")
            .map(|component| Sha256::digest(component).into()),
        ..SandboxOptions::default()
    }
}

/// `$XDG_CACHE_HOME/forebay/compiled`, or the same under `~/.cache`. None without a home.
fn own_cache() -> Option<PathBuf> {
    let given = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let caches = given("XDG_CACHE_HOME").or_else(|| Some(given("HOME")?.join(".cache")))?;
    Some(caches.join("forebay").join("compiled"))
}

/// The three components, and the versions of those that are signed.
fn sources(
    config: &PoliciesConfig,
    base: &Path,
    loaded: &Versions,
) -> Result<(PolicySources, Versions), PolicyLoadError> {
    let mut versions = Versions::new();
    let mut source = |name: &'static str, section: &str, config: &ComponentConfig| {
        let (source, version) = source((name, section), config, base, loaded)?;
        versions.extend(version.map(|version| (name, version)));
        Ok::<_, PolicyLoadError>(source)
    };
    let sources = PolicySources {
        prefix_cache: source("prefix-cache", "prefix_cache", &config.prefix_cache)?,
        guardrails: source("guardrails", "guardrails", &config.guardrails)?,
        cloud_selector: source("cloud-selector", "cloud_selector", &config.cloud_selector)?,
    };
    Ok((sources, versions))
}

/// A component, verified where the configuration asks for that, and its version where it is signed.
fn source(
    (name, section): (&'static str, &str),
    config: &ComponentConfig,
    base: &Path,
    loaded: &Versions,
) -> Result<(ComponentSource, Option<u64>), PolicyLoadError> {
    let file = match &config.component {
        Some(file) => Some((
            base.join(file),
            format!("policies.{section}.component names it"),
        )),
        None => given(name).map(|file| (file, "FOREBAY_COMPONENTS names its folder".to_owned())),
    };
    let bytes = match &file {
        Some((file, why)) => std::fs::read(file).map_err(|e| {
            PolicyLoadError(format!(
                "the {name} component {} can't be read: {e}; {why}",
                file.display()
            ))
        })?,
        None => crate::shipped::policy(name)
            .ok_or_else(|| PolicyLoadError(format!("there is no policy {name}")))?
            .to_vec(),
    };
    let version = match (&config.verify, &file) {
        (Some(config), Some((file, _))) => {
            verify::check(name, (config, file), base, &bytes, loaded)?
        }
        _ => None,
    };
    let source = ComponentSource {
        bytes,
        config: serde_json::Value::Object(config.config.clone()),
    };
    Ok((source, version))
}

/// A component's file in the folder that `FOREBAY_COMPONENTS` names, instead of the one inside the program.
fn given(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("FOREBAY_COMPONENTS").filter(|folder| !folder.is_empty())?;
    Some(PathBuf::from(folder).join(format!("{name}.wasm")))
}
