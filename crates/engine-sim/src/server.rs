//! The replica as a server: accepts connections, runs the engine beside them, stops both.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::api::body::Connection;
use crate::api::router::App;
use crate::config::{ConfigError, SimConfig};
use crate::connection::SimIo;
use crate::engine::Engine;
use crate::engine::publisher::{self, PublishError};
use crate::metrics::Metrics;
use crate::stats::SimStats;

/// Connections at once: more than the running set and the waiting queue can keep busy.
const MAX_CONNECTIONS: usize = 16_384;

/// How long answers under way may go on after shutdown.
const GRACE: Duration = Duration::from_secs(1);

/// How long a client may take over its request's headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a replica cannot run.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The configuration is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// KV events cannot be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The address cannot be listened on.
    #[error("the simulated engine cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: String,
        /// Why not.
        source: io::Error,
    },
}

/// A replica that runs in this process. Dropping it stops it.
pub struct SimHandle {
    addr: SocketAddr,
    kv_events: Option<String>,
    kv_replay: Option<String>,
    engine: Engine,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl SimHandle {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its base URL, without `/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Where it publishes KV events, the port as bound; none if it does not.
    #[must_use]
    pub fn kv_events(&self) -> Option<&str> {
        self.kv_events.as_deref()
    }

    /// Where it replays KV events, the port as bound; none if it does not.
    #[must_use]
    pub fn kv_replay(&self) -> Option<&str> {
        self.kv_replay.as_deref()
    }

    /// What it has done and does.
    #[must_use]
    pub fn stats(&self) -> SimStats {
        self.engine.stats()
    }

    /// Stops it: answers under way may go on for a second.
    pub async fn shutdown(mut self) {
        self.cancel.cancel();
        // It ends by itself; if it panicked there is nothing left to stop.
        let _ = (&mut self.task).await;
    }
}

impl Drop for SimHandle {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// Starts a replica on a free port of 127.0.0.1.
///
/// # Errors
/// [`SimError`] if the configuration is out of range or a socket cannot be bound.
pub async fn spawn(config: SimConfig) -> Result<SimHandle, SimError> {
    let address = "127.0.0.1:0";
    let listen = |source| SimError::Listen {
        address: address.to_owned(),
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    start(listener, config).await
}

/// Serves on `listener` until `shutdown` is ready.
///
/// # Errors
/// [`SimError`] if the configuration is out of range or a socket cannot be bound.
pub async fn serve(
    listener: TcpListener,
    config: SimConfig,
    shutdown: impl Future<Output = ()>,
) -> Result<(), SimError> {
    let handle = start(listener, config).await?;
    shutdown.await;
    handle.shutdown().await;
    Ok(())
}

/// Starts a replica on `listener`.
///
/// # Errors
/// [`SimError`] if the configuration is out of range or a socket cannot be bound.
pub async fn start(listener: TcpListener, config: SimConfig) -> Result<SimHandle, SimError> {
    config.validate()?;
    let addr = listener.local_addr().map_err(|source| SimError::Listen {
        address: "the listener's address".to_owned(),
        source,
    })?;
    let cancel = CancellationToken::new();
    let (events, kv_events, kv_replay) = match &config.kv_events {
        Some(endpoint) => {
            let topic = &config.kv_events_topic;
            let replay = config.kv_replay.as_deref();
            let started = publisher::start(endpoint, replay, topic, cancel.clone()).await?;
            (Some(started.queue), Some(started.events), started.replay)
        }
        None => (None, None, None),
    };
    let metrics = Metrics::new(&config);
    let engine = Engine::new(&config, Arc::clone(&metrics), events);
    let app = Arc::new(App {
        fingerprint: fingerprint(&config),
        engine: engine.clone(),
        metrics,
        config,
        load: Arc::new(AtomicUsize::new(0)),
    });
    let stop = cancel.clone();
    let stepping = engine.clone();
    let task = tokio::spawn(async move {
        let stopped = CancellationToken::new();
        let steps = tokio::spawn(stepping.run(stopped.clone()));
        accept(listener, app, stop).await;
        stopped.cancel();
        let _ = steps.await;
    });
    Ok(SimHandle {
        addr,
        kv_events,
        kv_replay,
        engine,
        cancel,
        task,
    })
}

/// Names the build and the configuration, as vLLM's fingerprint does.
fn fingerprint(config: &SimConfig) -> String {
    let digest = Sha256::digest(toml::to_string(config).unwrap_or_default());
    let short: String = digest
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("forebay-sim-{}-{short}", env!("CARGO_PKG_VERSION"))
}

async fn accept(listener: TcpListener, app: Arc<App>, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            permit = Arc::clone(&room).acquire_owned() => permit,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        // Those that ended leave the set.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let serving = serve_connection(stream, Arc::clone(&app), stop.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of file handles, most likely: some will be given back.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GRACE, all).await;
    connections.shutdown().await;
}

async fn serve_connection(stream: TcpStream, app: Arc<App>, stop: CancellationToken) {
    // A stream of small events must not wait for a full segment; where that fails it is only slower.
    let _ = stream.set_nodelay(true);
    let control = Connection::default();
    let io = TokioIo::new(SimIo::new(stream, control.clone()));
    let service = service_fn(move |request| Arc::clone(&app).answer(request, control.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(io, service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
