//! The embedded engine: what answers where no upstream is configured. It simulates, and says so.

use forebay_gateway::config::UpstreamConfig;
use tokio::sync::OnceCell;

/// The embedded engine did not start.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the embedded engine did not start: {0}")]
pub struct EmbeddedError(String);

/// The embedded engine, started when it is first needed and kept over reloads.
#[derive(Debug, Default)]
pub(super) struct Embedded {
    url: OnceCell<String>,
}

impl Embedded {
    /// It as an upstream.
    pub(super) async fn upstream(&self) -> Result<UpstreamConfig, EmbeddedError> {
        let url = self.url.get_or_try_init(start).await?;
        let text = format!("name = \"embedded\"\nurls = [\"{url}\"]\ncache_salt = true");
        toml::from_str(&text).map_err(|e| EmbeddedError(e.to_string()))
    }
}

async fn start() -> Result<String, EmbeddedError> {
    Err(EmbeddedError("not there yet".to_owned()))
}
