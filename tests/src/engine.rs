//! The simulated engine in this process, as an upstream that behaves (until asked not to).

use forebay_engine_sim::{SimConfig, SimHandle, SimStats, spawn};

use crate::config::Config;
use crate::wait::eventually;

/// A simulated replica.
pub struct Engine(SimHandle);

impl Engine {
    /// One that takes no time.
    pub async fn instant() -> Self {
        Self::of(SimConfig::instant()).await
    }

    /// One that takes this many milliseconds for a token.
    pub async fn slow(ms_per_token: f64) -> Self {
        Self::of(SimConfig {
            speed: 1.0,
            decode_step_base_us: ms_per_token * 1000.0,
            ..SimConfig::instant()
        })
        .await
    }

    /// One of this configuration.
    pub async fn of(config: SimConfig) -> Self {
        Self(spawn(config).await.expect("the simulated engine starts"))
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// Where it publishes KV events.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn kv_events(&self) -> &str {
        self.0.kv_events().expect("it publishes KV events")
    }

    /// Where it replays them.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn kv_replay(&self) -> &str {
        self.0.kv_replay().expect("it replays KV events")
    }

    /// What it has done.
    #[must_use]
    pub fn stats(&self) -> SimStats {
        self.0.stats()
    }

    /// Answers that it has computed, whole or not.
    #[must_use]
    pub fn computed(&self) -> u64 {
        let stats = self.stats();
        stats.finished + stats.aborted
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, condition: impl Fn(&SimStats) -> bool) {
        eventually(what, || async { condition(&self.stats()).then_some(()) }).await;
    }

    /// A configuration with it as the only upstream, named `sim`.
    #[must_use]
    pub fn behind(&self, text: &str) -> Config {
        Config::new(text).upstream("sim", &self.url(), "")
    }
}
