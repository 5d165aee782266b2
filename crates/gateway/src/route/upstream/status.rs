//! An upstream as its operator sees it.

use std::time::Instant;

use super::super::endpoint::Replica;
use super::super::token_index::KvSource;
use super::Upstream;

/// An upstream as probes and the admin page show it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct UpstreamStatus {
    /// Its name.
    pub name: String,
    /// Its replicas.
    pub endpoints: Vec<EndpointStatus>,
    /// Measured time to first token, in milliseconds.
    pub ttft_ms: Option<f64>,
    /// Measured tokens of output a second.
    pub tokens_per_second: Option<f64>,
}

/// A replica as probes and the admin page show it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct EndpointStatus {
    /// Its base URL.
    pub url: String,
    /// Whether requests go there.
    pub healthy: bool,
    /// Requests in flight from here.
    pub in_flight: u32,
    /// What is known of its prefix cache, where its KV events are followed.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<PrefixStatus>,
}

/// A replica's prefix cache as probes and the admin page show it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PrefixStatus {
    /// How well it is known: `exact`, `degraded` or `fallback`.
    pub prefix_state: &'static str,
    /// Why not exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_why: Option<String>,
    /// Blocks that it holds as far as known.
    pub prefix_blocks: u64,
}

impl Upstream {
    /// Where the KV events of its replicas come from.
    pub(crate) fn kv_sources(&self) -> impl Iterator<Item = KvSource> {
        let endpoints = self.endpoints.iter().enumerate();
        endpoints.filter_map(|(place, endpoint)| {
            let tokens = self.tokens.as_ref()?;
            let url = place / usize::from(self.config.data_parallel.max(1));
            tokens.source(&self.name, url, endpoint)
        })
    }

    fn prefix_status(&self, endpoint: &Replica) -> Option<PrefixStatus> {
        let known = self.tokens.as_ref()?.known(&endpoint.base)?;
        Some(PrefixStatus {
            prefix_state: known.state.name(),
            prefix_why: known.why,
            prefix_blocks: known.blocks,
        })
    }

    /// As probes and the admin page show it.
    pub(crate) fn status(&self, now: Instant) -> UpstreamStatus {
        let (ttft_ms, tokens_per_second) = self.measured.speed.measured();
        UpstreamStatus {
            name: self.config.name.clone(),
            endpoints: self
                .endpoints
                .iter()
                .map(|e| EndpointStatus {
                    url: e.base.to_string(),
                    healthy: e.is_usable(now),
                    in_flight: e.in_flight(),
                    prefix: self.prefix_status(e),
                })
                .collect(),
            ttft_ms,
            tokens_per_second,
        }
    }
}
