//! Reloading, all or nothing: a new gateway is made beside the old one and takes its place when
//! everything about it is good. Requests in flight keep the old one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use forebay_gateway::Gateway;
use tokio::sync::Mutex;

use super::embedded::{Embedded, EmbeddedError};
use super::front::{Front, Generation};
use super::policies::{PolicyLoadError, PolicyLoader};
use crate::config::{self, Config, ConfigError, Overrides, Resolved, Source};
use crate::listener::{TlsError, TlsKeys};
use crate::platform::{Native, NativePolicies};
use crate::store::MemoryStore;

/// Why a configuration can't be put to work.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The file is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A policy is.
    #[error(transparent)]
    Policies(#[from] PolicyLoadError),
    /// The certificate is.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An upstream is.
    #[error("an upstream can't be used: {0}")]
    Upstream(String),
    /// The embedded engine did not start.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
}

/// What turns configurations into generations.
pub struct Control<L: PolicyLoader> {
    file: Option<PathBuf>,
    overrides: Overrides,
    loader: L,
    /// The secret that serves where none is configured: the process's own, so that a reload keeps the cache.
    master: [u8; 32],
    embedded: Embedded,
    turn: Mutex<()>,
}

/// A configuration with everything it needs, checked.
pub(super) struct Prepared<P> {
    pub(super) config: Config,
    pub(super) resolved: Resolved,
    pub(super) source: Source,
    pub(super) policies: Arc<P>,
}

impl<L: PolicyLoader> Control<L> {
    /// Of this file, with these overrides.
    pub fn new(file: Option<PathBuf>, overrides: Overrides, loader: L) -> Self {
        Self {
            file,
            overrides,
            loader,
            master: rand::random(),
            embedded: Embedded::default(),
            turn: Mutex::new(()),
        }
    }

    /// Reads and checks the configuration, without its policies.
    pub(super) async fn read(&self) -> Result<(Config, Resolved, Source), ReloadError> {
        let source = Source::find(self.file.as_deref())?;
        let mut config = config::load(&source, &self.overrides)?;
        if config.upstreams.is_empty() {
            config.upstreams.push(self.embedded.upstream().await?);
        }
        let resolved = config::resolve(&config, &source, &self.master)?;
        Ok((config, resolved, source))
    }

    /// Adds the policies: the old ones where nothing about them changed.
    pub(super) async fn prepare(
        &self,
        (config, resolved, source): (Config, Resolved, Source),
        old: Option<&Generation<L::Policies>>,
    ) -> Result<Prepared<L::Policies>, ReloadError> {
        // A component's file may have changed under the same name, so only built-in ones are kept.
        let own_files = [
            &config.policies.prefix_cache,
            &config.policies.guardrails,
            &config.policies.cloud_selector,
        ]
        .iter()
        .any(|component| component.component.is_some());
        let policies = match old {
            Some(old) if old.config.policies == config.policies && !own_files => {
                old.policies.clone()
            }
            _ => Arc::new(self.loader.load(&config.policies, &source.base).await?),
        };
        Ok(Prepared {
            config,
            resolved,
            source,
            policies,
        })
    }

    /// Reads everything again and puts it to work, or changes nothing.
    pub async fn reload(
        &self,
        front: &Front<L::Policies>,
        tls: Option<&TlsKeys>,
    ) -> Result<(), ReloadError> {
        let _turn = self.turn.lock().await;
        let outcome = self.try_reload(front, tls).await;
        match &outcome {
            Ok(()) => front.metrics().reloads.inc(),
            Err(_) => front.metrics().reloads_failed.inc(),
        };
        outcome
    }

    async fn try_reload(
        &self,
        front: &Front<L::Policies>,
        tls: Option<&TlsKeys>,
    ) -> Result<(), ReloadError> {
        let old = front.current();
        let Prepared {
            config,
            resolved,
            source,
            policies,
        } = self.prepare(self.read().await?, Some(&old)).await?;
        let gateway = make_gateway(
            front.platform(),
            front.store(),
            &policies,
            resolved,
            Some(&old.gateway),
        )?;
        // The last step that can fail; nothing has changed until here.
        if let (Some(tls), Some(keys)) = (tls, &config.server.tls) {
            tls.reload(keys, &source.base)?;
        }
        for setting in needs_restart(&old.config, &config) {
            tracing::warn!("{setting} has changed and takes effect with a restart");
        }
        front.store().set_quotas(quotas(&config));
        apply_labels(front.metrics(), &config);
        front
            .platform()
            .observers()
            .set_access_log(config.log.access);
        gateway.start_health_checks();
        front.replace(Generation {
            gateway,
            policies,
            config: Arc::new(config),
            loaded: SystemTime::now(),
        });
        Ok(())
    }

    /// Files whose change is a reason to reload.
    pub fn watched(&self, config: &Config) -> Vec<PathBuf> {
        let Ok(source) = Source::find(self.file.as_deref()) else {
            return Vec::new();
        };
        let mut files: Vec<PathBuf> = source.path.into_iter().collect();
        let named = [
            config.keys.file.as_ref(),
            config.server.tls.as_ref().map(|tls| &tls.cert),
            config.server.tls.as_ref().map(|tls| &tls.key),
            config.policies.prefix_cache.component.as_ref(),
            config.policies.guardrails.component.as_ref(),
            config.policies.cloud_selector.component.as_ref(),
        ];
        files.extend(
            named
                .into_iter()
                .flatten()
                .chain(&config.catalogue.files)
                .map(|file| source.base.join(file)),
        );
        files
    }
}

/// A gateway of a checked configuration.
pub(super) fn make_gateway<P: NativePolicies>(
    platform: &Arc<Native<P>>,
    store: &Arc<MemoryStore>,
    policies: &Arc<P>,
    resolved: Resolved,
    old: Option<&Gateway<Native<P>>>,
) -> Result<Arc<Gateway<Native<P>>>, ReloadError> {
    Gateway::new(
        platform.clone(),
        policies.clone(),
        store.clone(),
        resolved.gateway,
        resolved.keys,
        old,
    )
    .map_err(|e| ReloadError::Upstream(e.to_string()))
}

pub(super) fn quotas(config: &Config) -> impl Iterator<Item = (&str, u64)> {
    config
        .tenants
        .iter()
        .filter_map(|tenant| Some((tenant.name.as_str(), tenant.cache_quota?)))
}

/// Models that the configuration names get a label of their own.
pub(super) fn apply_labels(metrics: &crate::telemetry::Metrics, config: &Config) {
    let names = config
        .upstreams
        .iter()
        .flat_map(|upstream| upstream.models.keys());
    metrics.set_served_limit(config.telemetry.models);
    metrics.set_models(names.map(|name| Arc::from(name.as_str())));
}

fn needs_restart<'a>(old: &Config, new: &Config) -> impl Iterator<Item = &'a str> {
    [
        (old.server.listen != new.server.listen, "server.listen"),
        (
            old.server.tls.is_some() != new.server.tls.is_some(),
            "server.tls",
        ),
        (old.server.workers != new.server.workers, "server.workers"),
        (old.admin.listen != new.admin.listen, "admin.listen"),
        (old.admin.probes != new.admin.probes, "admin.probes"),
        (old.admin.token != new.admin.token, "admin.token"),
        (
            old.limits.connections != new.limits.connections,
            "limits.connections",
        ),
        (
            old.cache.memory != new.cache.memory || old.cache.max_entry != new.cache.max_entry,
            "cache",
        ),
        (old.memo.memory != new.memo.memory, "memo.memory"),
        (old.telemetry.otlp != new.telemetry.otlp, "telemetry.otlp"),
        (
            old.log.format != new.log.format || old.log.level != new.log.level,
            "log",
        ),
    ]
    .into_iter()
    .filter_map(|(changed, name)| changed.then_some(name))
}
