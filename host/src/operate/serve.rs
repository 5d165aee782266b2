//! Starts the gateway, and ends it without cutting anyone off.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::front::{Front, Generation, Lifecycle};
use super::policies::PolicyLoader;
use super::reload::{Bound, Control, Prepared, ReloadError, apply_labels, make_gateway, quotas};
use super::watch::Watch;
use crate::admin::{self, AdminError};
use crate::config::{self, Overrides};
use crate::listener::{self, BindError, Doors, TlsKeys};
use crate::platform::Native;
use crate::platform::clock;
use crate::store::{MemoryLimits, MemoryStore};
use crate::telemetry::{Observers, TraceError, Traces};

/// What to serve.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The configuration's file; none: `forebay.toml` here, or defaults.
    pub file: Option<PathBuf>,
    /// What the command line says over it.
    pub overrides: Overrides,
}

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address can't be taken.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The configuration can't be used.
    #[error(transparent)]
    Config(#[from] ReloadError),
    /// The admin surface can't be set up.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The collector can't be used.
    #[error(transparent)]
    Traces(#[from] TraceError),
    /// The system did not say where we listen.
    #[error("the listener has no address: {0}")]
    Address(std::io::Error),
}

/// A gateway at work.
pub struct Running<L: PolicyLoader> {
    /// Where clients connect.
    pub address: SocketAddr,
    /// Where the admin surface is.
    pub admin: SocketAddr,
    /// Where probes and metrics are, besides.
    pub probes: Option<SocketAddr>,
    /// Whether clients connect by TLS.
    pub tls: bool,
    /// The file that holds the admin token, where it was made at start.
    pub token_file: Option<PathBuf>,
    /// What connections share.
    pub front: Arc<Front<L::Policies>>,
    control: Arc<Control<L>>,
    keys: Option<Arc<TlsKeys>>,
    doors: Doors,
    drain: Duration,
    accepting: JoinHandle<()>,
    serving_admin: Vec<JoinHandle<()>>,
}

/// Starts a gateway. It accepts when this returns.
#[allow(clippy::too_many_lines, reason = "a start is one list, in this order")]
pub async fn start<L: PolicyLoader>(options: Options, loader: L) -> Result<Running<L>, StartError> {
    let control = Arc::new(Control::new(options.file, options.overrides, loader));
    let read = control.read().await?;
    // Addresses first: whether they are free is known at once, policies take a second to load.
    let listener = listener::bind(read.0.server.listen, "server.listen", "--listen").await?;
    let admin_listener = listener::bind(read.0.admin.listen, "admin.listen", "--admin").await?;
    let probes_listener = match read.0.admin.probes {
        Some(probes) => Some(listener::bind(probes, "admin.probes", "another admin.probes").await?),
        None => None,
    };
    let keys = match &read.0.server.tls {
        Some(tls) => {
            Some(Arc::new(TlsKeys::load(tls, &read.2.base).map_err(|e| {
                ReloadError::Config(config::refused_tls(&read.2, &e))
            })?))
        }
        None => None,
    };
    let Prepared {
        config,
        mut resolved,
        policies,
        tokenizers,
        ..
    } = control.prepare(read, None).await?;

    let traces = match &config.telemetry.otlp {
        Some(endpoint) => Some(Traces::new(endpoint, &resolved.telemetry_headers)?),
        None => None,
    };
    let observers = Arc::new(Observers::new(traces));
    observers.set_access_log(config.log.access);
    apply_labels(&observers, &config);
    let platform = Arc::new(Native::new(config.memo.memory.0, observers));
    platform.set_tokenizers(tokenizers);
    let store = Arc::new(MemoryStore::new(MemoryLimits {
        bytes: config.cache.memory.0,
        max_entry: config.cache.max_entry.0,
    }));
    store.set_quotas(quotas(&config));
    let token = resolved.admin_token.take();
    let oidc = resolved.oidc.clone();
    let gateway = make_gateway(&platform, &store, &policies, resolved, None)?;
    gateway.start_health_checks();
    control.feeds.follow(gateway.kv_sources());

    let (drain, connections) = (config.server.drain.0, config.limits.connections);
    let config = Arc::new(config);
    let first = Generation {
        gateway,
        policies,
        oidc: oidc.clone(),
        config: config.clone(),
        loaded: clock::wall(),
    };
    let front = Arc::new(Front::new(first, platform, store));
    let address = listener.local_addr().map_err(StartError::Address)?;
    let admin_address = admin_listener.local_addr().map_err(StartError::Address)?;
    let probes = probes_listener
        .as_ref()
        .map(tokio::net::TcpListener::local_addr)
        .transpose()
        .map_err(StartError::Address)?;

    control.listens_on(Bound {
        clients: address,
        admin: admin_address,
    });
    let (token, token_file) = admin::token(token, admin_address)?;
    let doors = Doors::default();
    let surface = admin::Surface::new(
        front.clone(),
        control.clone(),
        keys.clone(),
        token,
        admin_address,
    );
    let mut serving_admin = vec![tokio::spawn(admin::serve(admin_listener, surface.clone()))];
    serving_admin
        .extend(probes_listener.map(|probes| tokio::spawn(admin::serve_probes(probes, surface))));
    let accepting = tokio::spawn(listener::accept(
        listener,
        keys.clone(),
        front.clone(),
        doors.clone(),
        connections,
    ));
    front.enter(Lifecycle::Serving);
    if let Some(oidc) = oidc {
        // The first request need not wait for the issuer.
        tokio::spawn(async move { oidc.warm().await });
    }
    Ok(Running {
        address,
        admin: admin_address,
        probes,
        tls: keys.is_some(),
        token_file,
        front,
        control,
        keys,
        doors,
        drain,
        accepting,
        serving_admin,
    })
}

impl<L: PolicyLoader> Running<L> {
    /// Reads the configuration again; on an error nothing changes.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        self.control.reload(&self.front, self.keys.as_deref()).await
    }

    /// Reloads on every change of the configuration's files, for ever.
    pub async fn reload_on_change(&self) {
        let Some(mut watch) = self.watch() else {
            return std::future::pending().await;
        };
        loop {
            watch.changed().await;
            self.reload_and_log("a file changed").await;
            // The new configuration may name other files. What changed during the reload is not lost:
            // the old watch has it.
            let Some(next) = self.watch() else {
                return std::future::pending().await;
            };
            if !watch.has_changed() {
                watch = next;
            }
        }
    }

    fn watch(&self) -> Option<Watch> {
        let files = self.control.watched(&self.front.current().config);
        if files.is_empty() {
            return None;
        }
        Watch::new(&files)
            .inspect_err(|error| tracing::warn!(%error, "the configuration files can't be watched; reload with SIGHUP"))
            .ok()
    }

    /// Reloads and says how it went.
    pub async fn reload_and_log(&self, why: &str) {
        match self.reload().await {
            Ok(()) => tracing::info!(why, "configuration reloaded"),
            Err(error) => tracing::error!(
                why,
                "reload rejected, the old configuration stays in use: {error}"
            ),
        }
    }

    /// Stops accepting, lets open requests finish within `server.drain`, cuts what is left. Returns
    /// how many connections were cut.
    pub async fn drain(self) -> usize {
        self.front.enter(Lifecycle::Draining);
        self.doors.closing.cancel();
        // The socket closes with the task: from here on connecting is refused.
        let _ = self.accepting.await;
        self.doors.open.close();
        let left = match tokio::time::timeout(self.drain, self.doors.open.wait()).await {
            Ok(()) => 0,
            Err(_) => self.doors.open.len(),
        };
        self.doors.cut.cancel();
        self.doors.open.wait().await;
        for admin in self.serving_admin {
            admin.abort();
        }
        if let Some(traces) = &self.front.platform().observers().traces {
            traces.shutdown().await;
        }
        left
    }
}
