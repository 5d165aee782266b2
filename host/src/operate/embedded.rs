//! The embedded engine: what answers where no upstream is configured. It simulates, and says so.

use forebay_engine_sim::{SimConfig, SimHandle};
use forebay_gateway::config::UpstreamConfig;
use tokio::sync::OnceCell;

/// The embedded engine did not start.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the embedded engine did not start: {0}")]
pub struct EmbeddedError(String);

/// The embedded engine, started when it is first needed and kept over reloads.
#[derive(Default)]
pub(super) struct Embedded {
    engine: OnceCell<SimHandle>,
}

impl Embedded {
    /// It as an upstream, on a free port of this machine.
    pub(super) async fn upstream(&self) -> Result<UpstreamConfig, EmbeddedError> {
        let start = || async { forebay_engine_sim::spawn(SimConfig::default()).await };
        let engine = self
            .engine
            .get_or_try_init(start)
            .await
            .map_err(|e| EmbeddedError(e.to_string()))?;
        let text = format!(
            "name = \"embedded\"\nurls = [\"{}\"]\ncache_salt = true",
            engine.url()
        );
        toml::from_str(&text).map_err(|e| EmbeddedError(e.to_string()))
    }
}
