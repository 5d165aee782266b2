//! What all connections share: the generation that a reload replaces, and what outlives reloads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use forebay_gateway::Gateway;

use crate::config::Config;
use crate::keys::Oidc;
use crate::listener::{Held, Peers};
use crate::platform::{Native, NativePolicies};
use crate::store::MemoryStore;
use crate::telemetry::Metrics;

/// One configuration at work. Requests keep the one they came in under.
pub struct Generation<P: NativePolicies> {
    /// The pipeline.
    pub gateway: Arc<Gateway<Native<P>>>,
    /// The policies it asks.
    pub policies: Arc<P>,
    /// The login with tokens, where one is configured.
    pub oidc: Option<Arc<Oidc>>,
    /// As loaded, secrets as references.
    pub config: Arc<Config>,
    /// When it was loaded.
    pub loaded: SystemTime,
}

/// Where the process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Lifecycle {
    /// Not accepting yet.
    Starting,
    /// Accepting.
    Serving,
    /// Finishing what is open.
    Draining,
}

/// What all connections share.
pub struct Front<P: NativePolicies> {
    current: ArcSwap<Generation<P>>,
    platform: Arc<Native<P>>,
    store: Arc<MemoryStore>,
    peers: Arc<Peers>,
    lifecycle: AtomicU8,
}

impl<P: NativePolicies> Front<P> {
    /// A front with its first generation, not serving yet.
    pub fn new(first: Generation<P>, platform: Arc<Native<P>>, store: Arc<MemoryStore>) -> Self {
        Self {
            current: ArcSwap::from_pointee(first),
            platform,
            store,
            peers: Arc::default(),
            lifecycle: AtomicU8::new(Lifecycle::Starting as u8),
        }
    }

    /// The generation that new requests come in under.
    pub fn current(&self) -> Arc<Generation<P>> {
        self.current.load_full()
    }

    /// Replaces it.
    pub fn replace(&self, generation: Generation<P>) {
        self.current.store(Arc::new(generation));
    }

    /// The platform.
    pub fn platform(&self) -> &Arc<Native<P>> {
        &self.platform
    }

    /// The memory tier.
    pub fn store(&self) -> &Arc<MemoryStore> {
        &self.store
    }

    /// Bytes of bodies in memory.
    pub fn held(&self) -> &Arc<Held> {
        self.platform.held()
    }

    /// What each client address holds.
    pub fn peers(&self) -> &Arc<Peers> {
        &self.peers
    }

    /// Counters.
    pub fn metrics(&self) -> &Metrics {
        &self.platform.observers().metrics
    }

    /// Moves on.
    pub fn enter(&self, stage: Lifecycle) {
        self.lifecycle.store(stage as u8, Relaxed);
    }

    /// Where the process is.
    pub fn lifecycle(&self) -> Lifecycle {
        match self.lifecycle.load(Relaxed) {
            0 => Lifecycle::Starting,
            1 => Lifecycle::Serving,
            _ => Lifecycle::Draining,
        }
    }
}
