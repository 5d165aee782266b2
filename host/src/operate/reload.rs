//! Reloading, all or nothing: a new gateway is made beside the old one and takes its place when
//! everything about it is good. Requests in flight keep the old one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use forebay_gateway::Gateway;
use tokio::sync::Mutex;

use super::embedded::{Embedded, EmbeddedError};
use super::feeds::Feeds;
use super::front::{Front, Generation};
use super::policies::{PolicyLoadError, PolicyLoader};
use crate::config::{self, Config, ConfigError, Overrides, Resolved, Source};
use crate::keys::Surviving;
use crate::listener::TlsKeys;
use crate::platform::clock;
use crate::platform::{Native, NativePolicies, Tokenizers};
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
    /// An upstream is.
    #[error("an upstream can't be used: {0}")]
    Upstream(String),
    /// The embedded engine did not start.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// It would take protection away from a gateway that stays reachable as it was.
    #[error(
        "the gateway would become less safe while it runs: {0}; restart it if that is intended"
    )]
    LessSafe(String),
}

/// The addresses that a running gateway has, whatever its file says by now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) clients: SocketAddr,
    pub(super) admin: SocketAddr,
}

/// What turns configurations into generations.
pub struct Control<L: PolicyLoader> {
    file: Option<PathBuf>,
    overrides: Overrides,
    loader: L,
    /// The secret that serves where none is configured: the process's own, so that a reload keeps the cache.
    master: [u8; 32],
    embedded: Embedded,
    pub(super) feeds: Feeds,
    bound: OnceLock<Bound>,
    turn: Mutex<()>,
}

/// A configuration with everything it needs, checked.
pub(super) struct Prepared<P> {
    pub(super) config: Config,
    pub(super) resolved: Resolved,
    pub(super) source: Source,
    pub(super) policies: Arc<P>,
    pub(super) tokenizers: Tokenizers,
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
            feeds: Feeds::default(),
            bound: OnceLock::new(),
            turn: Mutex::new(()),
        }
    }

    /// Says where the gateway listens. From then on reloads are judged by it.
    pub(super) fn listens_on(&self, bound: Bound) {
        // Set once: a gateway keeps its sockets for life.
        let _ = self.bound.set(bound);
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
            _ => {
                let loaded = self.loader.load(&config.policies, &source.base).await;
                Arc::new(loaded.map_err(|e| refused(&source, &config, e))?)
            }
        };
        let (upstreams, base) = (config.upstreams.clone(), source.base.clone());
        let loading = move || Tokenizers::load(&upstreams, &base);
        // Files of tens of megabytes: not on a thread that must answer soon.
        let tokenizers = tokio::task::spawn_blocking(loading)
            .await
            .unwrap_or_default();
        Ok(Prepared {
            tokenizers,
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
            Err(_) => {
                // A key that was taken away must not live on because something else is wrong.
                self.revoke(front);
                front.metrics().reloads_failed.inc()
            }
        };
        outcome
    }

    /// Ends the keys that the running configuration's keys file no longer has. Adds none.
    fn revoke(&self, front: &Front<L::Policies>) {
        let old = front.current();
        let Some(file) = &old.config.keys.file else {
            return;
        };
        let file = Source::base_of(self.file.as_deref()).join(file);
        let Some(surviving) = Surviving::read(&file) else {
            return;
        };
        let Some((keys, revoked)) = old.gateway.key_ring().narrowed(|key| surviving.of(key)) else {
            return;
        };
        // A file with none of the keys in use is another file, not a list of revocations: taking it for
        // one would lock everybody out, since nothing of it is added.
        if keys.is_empty() && !surviving.is_empty() {
            return;
        }
        if !revoked.is_empty() {
            tracing::warn!(
                keys = revoked.join(", "),
                "keys revoked although the reload was rejected"
            );
        }
        let gateway = old.gateway.with_keys(Arc::new(keys));
        gateway.start_health_checks();
        front.replace(Generation {
            gateway,
            policies: old.policies.clone(),
            oidc: old.oidc.clone(),
            config: old.config.clone(),
            loaded: old.loaded,
        });
    }

    /// Rejects what would take protection away from sockets that stay as they are.
    fn keep_safe(&self, old: &Config, new: &Config, source: &Source) -> Result<(), ReloadError> {
        let Some(bound) = self.bound.get() else {
            return Ok(());
        };
        let less = |what: String| Err(ReloadError::LessSafe(what));
        if self.file.is_some() && source.text.trim().is_empty() {
            return less(format!("{} is empty", source.name()));
        }
        if !bound.clients.ip().is_loopback() {
            if new.keys.file.is_none() && new.auth.oidc.is_none() {
                return less(format!(
                    "no keys are configured (keys.file), and it listens on {}",
                    bound.clients
                ));
            }
            if old.server.tls.is_some() && new.server.tls.is_none() {
                return less(format!(
                    "TLS is gone (server.tls), and it listens on {}",
                    bound.clients
                ));
            }
        }
        if !bound.admin.ip().is_loopback() && new.admin.token.is_none() {
            return less(format!(
                "the admin token is gone (admin.token), and the admin surface listens on {}",
                bound.admin
            ));
        }
        Ok(())
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
            tokenizers,
        } = {
            let read = self.read().await?;
            self.keep_safe(&old.config, &read.0, &read.2)?;
            self.prepare(read, Some(&old)).await?
        };
        let oidc = resolved.oidc.clone();
        if let (Some(new), Some(old)) = (&oidc, &old.oidc) {
            new.adopt(old);
        }
        let gateway = make_gateway(
            front.platform(),
            front.store(),
            &policies,
            resolved,
            Some(&old.gateway),
        )?;
        // The last step that can fail; nothing has changed until here.
        if let (Some(tls), Some(keys)) = (tls, &config.server.tls) {
            tls.reload(keys, &source.base)
                .map_err(|e| ReloadError::Config(config::refused_tls(&source, &e)))?;
        }
        front.platform().set_tokenizers(tokenizers);
        for setting in needs_restart(&old.config, &config) {
            tracing::warn!("{setting} has changed; restart to apply it");
        }
        front.store().set_quotas(quotas(&config));
        apply_labels(front.platform().observers(), &config);
        front
            .platform()
            .observers()
            .set_access_log(config.log.access);
        gateway.start_health_checks();
        self.feeds.follow(gateway.kv_sources());
        front.replace(Generation {
            gateway,
            policies,
            oidc,
            config: Arc::new(config),
            loaded: clock::wall(),
        });
        Ok(())
    }

    /// Files whose change is a reason to reload.
    pub fn watched(&self, config: &Config) -> Vec<PathBuf> {
        let Ok(source) = Source::find(self.file.as_deref()) else {
            return Vec::new();
        };
        let secrets = [&config.admin.token, &config.secrets.master]
            .into_iter()
            .flatten()
            .chain(config.upstreams.iter().filter_map(|u| u.key.as_ref()))
            .map(|secret| secret.0.as_str())
            .chain(
                config
                    .upstreams
                    .iter()
                    .flat_map(|u| u.headers.values().map(String::as_str)),
            );
        let named = [
            config.keys.file.as_ref(),
            config.server.tls.as_ref().map(|tls| &tls.cert),
            config.server.tls.as_ref().map(|tls| &tls.key),
            config.policies.prefix_cache.component.as_ref(),
            config.policies.guardrails.component.as_ref(),
            config.policies.cloud_selector.component.as_ref(),
            config
                .auth
                .oidc
                .as_ref()
                .and_then(|oidc| oidc.ca_file.as_ref()),
        ];
        let named = named.into_iter().flatten().chain(&config.catalogue.files);
        let verified = [
            &config.policies.prefix_cache,
            &config.policies.guardrails,
            &config.policies.cloud_selector,
        ]
        .into_iter()
        .flat_map(|component| super::verify::files(component, &source.base));
        let files = secrets
            .filter_map(|reference| reference.strip_prefix("file:"))
            .map(|file| source.base.join(file))
            .chain(named.map(|file| source.base.join(file)))
            .chain(verified);
        source.path.iter().cloned().chain(files).collect()
    }
}

/// A policy's refusal, at the line that it is about where it names one.
pub(crate) fn refused(source: &Source, config: &Config, error: PolicyLoadError) -> ReloadError {
    match config::refused_policy(source, &config.policies, &error.0) {
        Some(error) => ReloadError::Config(error),
        None => ReloadError::Policies(error),
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

/// What is told of requests: models that the configuration names get a label of their own.
pub(super) fn apply_labels(observers: &crate::telemetry::Observers, config: &Config) {
    let metrics = &observers.metrics;
    observers.recent.set_limit(config.telemetry.recent);
    let names = config
        .upstreams
        .iter()
        .flat_map(|upstream| upstream.models.keys());
    metrics.set_served_limit(config.telemetry.models);
    metrics.set_key_limit(config.telemetry.keys);
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
