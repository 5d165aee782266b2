//! What an operator configures of the pipeline. The host's file holds these sections beside its own.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod affinity;
mod kv_events;
mod masks;
mod offer;
mod provider;
mod public_prompt;
mod realtime;
mod routing;
mod services;
mod through;
mod tokenizer;
mod upstream;

pub use affinity::Affinity;
pub use kv_events::{KvAddress, KvEvents, KvHash};
pub use masks::{MasksConfig, Placeholders};
pub use offer::{Capabilities, OfferFacts, PriceConfig};
pub use provider::{Problems, Provider, ProviderOptions, UnknownProvider};
pub use public_prompt::PublicPrompt;
pub use realtime::RealtimeConfig;
pub use routing::RoutingRule;
pub use services::{SERVICES, Service};
pub use through::{Judging, RawConfig, ThroughConfig};
pub use tokenizer::TokenizerConfig;
pub use upstream::{
    AuthTable, ClientTls, ConfiguredUpstream, Losses, Progress, PromptCaching, UpstreamConfig,
    UpstreamTimeouts,
};

/// A duration, written `250ms`, `30s`, `5m` or `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(Span).map_err(|e| {
            serde::de::Error::custom(format!(
                "\"{text}\" is not a duration ({e}); use a number with a unit, such as 250ms, 30s or 5m"
            ))
        })
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "examples": ["250ms", "30s", "5m"]})
    }
}

const fn seconds(n: u64) -> Span {
    Span(Duration::from_secs(n))
}

/// `[timeouts]`: separate limits of the way to the upstream and back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// From the first byte of a request to the last of its head; also its body's. Default 10s.
    pub request: Span,
    /// From the request to the upstream to the first byte of a stream. Default 60s: a long prompt
    /// waits in an engine's queue and is then prefilled. An answer that is not streamed comes when
    /// all of it is done, and is bounded by `total`.
    pub first_byte: Span,
    /// Between two pieces of an upstream's stream. Default 180s: models that reason are silent for
    /// minutes.
    pub idle: Span,
    /// From the request's head to the last byte out. Default 10m.
    pub total: Span,
    /// Establishing a connection to an upstream. Default 3s.
    pub connect: Span,
    /// How long a connection to an upstream is used. The first request that finds it older is its last,
    /// and the next one gets a new connection, for which the upstream's name is resolved anew. Default 1m.
    pub connection_age: Span,
    /// How long a client may leave its stream unread before it is cut. Default 30s.
    pub slow_client: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            request: seconds(10),
            first_byte: seconds(60),
            idle: seconds(180),
            total: seconds(600),
            connect: seconds(3),
            // A minute: what names in a cluster or at a cloud usually live, and a handshake a minute
            // costs nothing beside an answer.
            connection_age: seconds(60),
            slow_client: seconds(30),
        }
    }
}

/// `[streams]`: how answers flow.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Streams {
    /// A comment (in Anthropic's format a `ping`) is sent on a stream that is idle this long, so
    /// that proxies keep it open. Default 15s.
    pub keep_alive: Span,
    /// When an upstream has not begun to answer after this long, the head of a stream goes out all
    /// the same, and comments follow; what fails later is an error event, not a status. Absent: as
    /// `keep_alive`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_head: Option<Span>,
    /// How far the slowest client of a flight may lag behind its head, in bytes. Default 1 MiB:
    /// a slow reader is cut beyond it, the flight is not.
    pub client_buffer: usize,
    /// How far the upstream may run ahead of the fastest client, in bytes. Default 256 KiB:
    /// beyond it the upstream is not read until a client catches up.
    pub upstream_buffer: usize,
    /// The largest answer that is recorded and shared, in bytes. Default 8 MiB.
    pub max_recording: usize,
    /// The largest single event of a stream, in bytes. Default 16 MiB: models send pictures in one.
    pub max_event: usize,
    /// The largest unstreamed answer of an upstream, in bytes. Default 32 MiB.
    pub max_response: usize,
    /// How long a stream whose client asked for event ids goes on after the client left. Default 30s.
    pub resume_grace: Span,
    /// When the last client leaves, record the answer to its end instead of cancelling the upstream.
    pub record_abandoned: bool,
}

impl Streams {
    /// After which silence the head of a stream goes out.
    pub fn early_head(&self) -> Duration {
        self.early_head.unwrap_or(self.keep_alive).0
    }
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            keep_alive: seconds(15),
            early_head: None,
            client_buffer: 1 << 20,
            upstream_buffer: 256 << 10,
            max_recording: 8 << 20,
            max_event: 16 << 20,
            max_response: 32 << 20,
            resume_grace: seconds(30),
            record_abandoned: false,
        }
    }
}

/// `[retries]`: what happens when an upstream fails before its first byte.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Retries {
    /// Tries in all, over endpoints and upstreams. Default 3.
    pub attempts: u32,
    /// Failures in a row that eject an endpoint. Default 5.
    pub eject_after: u32,
    /// How long an endpoint stays ejected. Default 10s.
    pub eject_for: Span,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 3,
            eject_after: 5,
            eject_for: seconds(10),
        }
    }
}

/// `[responses]`: what is kept of answers to OpenAI's responses, for requests that go on from them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ResponsesConfig {
    /// Keep answers whose request does not say `store: false`, in the cache's memory or the edge's
    /// store, encrypted under the tenant's secret. Default true.
    pub store: bool,
    /// How long they are kept. Default 24h. They leave earlier where the cache's memory is full.
    pub ttl: Span,
}

impl Default for ResponsesConfig {
    fn default() -> Self {
        Self {
            store: true,
            // A day: agents pause overnight at most, and the cache's memory bounds it all anyway.
            ttl: seconds(24 * 3600),
        }
    }
}

/// A secret by reference: `env:NAME` or `file:PATH`. The host resolves it; it never prints.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// `[media]`: what may be fetched for upstreams that take bytes where a prompt names a URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct MediaConfig {
    /// Hosts that may be asked, by exact name, or `*.example.org` for all below it. Empty: none.
    pub hosts: Vec<String>,
    /// Private networks that a host's name may lead to all the same, such as `10.2.0.0/16`.
    /// Without this only public addresses are asked.
    pub networks: Vec<String>,
    /// The largest medium, in bytes. Default 5 MiB.
    pub max_bytes: usize,
    /// How long one may take. Default 5s.
    pub timeout: Span,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            networks: Vec::new(),
            // 5 MiB: Anthropic's limit for one image, the largest of those that take bytes.
            max_bytes: 5 << 20,
            timeout: seconds(5),
        }
    }
}

/// `[[tenants]]`: who shares a cache and a set of limits.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TenantConfig {
    /// Its name.
    pub name: String,
    /// The most its recordings may weigh in the memory tier, in bytes. Absent: no quota of its own.
    pub cache_quota: Option<u64>,
    /// Regions or jurisdictions its prompts may go to. Empty: anywhere.
    pub residency: Vec<String>,
    /// The most one request may cost, in millionths of a US dollar.
    pub budget_micro_usd: Option<u64>,
    /// Requests per minute of all its keys together, besides each key's own limit. Absent: no limit.
    pub requests_per_minute: Option<u32>,
    /// Tokens per minute, input and output, of all its keys together. Absent: no limit.
    pub tokens_per_minute: Option<u32>,
}

/// `[rate]`: limits of a key that names none itself.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RateConfig {
    /// Requests per minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens per minute, input and output.
    pub tokens_per_minute: Option<u32>,
    /// The output tokens that are reserved for a request of a tenant and model without a history.
    /// Default 1024. Later ones reserve what their answers took; a smaller `max_tokens` holds.
    pub default_max_tokens: Option<u32>,
}

/// How much one request may have of what costs more than its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestBounds {
    /// Members of all objects together. Default 200,000: each takes 40 bytes here, and a conversation
    /// of 8 MiB has fewer than 100,000.
    pub members: usize,
    /// Parts of all messages together. Default 20,000: agents reach a few thousand.
    pub parts: usize,
    /// Tools. Default 2,048: OpenAI takes 128, and collections of MCP servers have some hundreds.
    pub tools: usize,
    /// Strings that are URLs. Default 5,000: the most that any provider takes is Gemini's 3,600 images.
    pub urls: usize,
}

impl Default for RequestBounds {
    fn default() -> Self {
        Self {
            members: 200_000,
            parts: 20_000,
            tools: 2_048,
            urls: 5_000,
        }
    }
}

impl RequestBounds {
    /// What a request has too much of: in words, how much, the limit, and the setting.
    pub(crate) fn exceeded(
        &self,
        extent: forebay_dialect::Extent,
    ) -> Option<(&'static str, usize, usize, &'static str)> {
        [
            (
                "JSON members",
                extent.members,
                self.members,
                "limits.members",
            ),
            ("parts", extent.parts, self.parts, "limits.parts"),
            ("tools", extent.tools, self.tools, "limits.tools"),
            ("URLs", extent.urls, self.urls, "limits.urls"),
        ]
        .into_iter()
        .find(|(_, has, limit, _)| has > limit)
    }
}

/// All that the pipeline itself is configured with. Printing it names upstreams, never their keys.
#[derive(Clone, Default)]
pub struct GatewayConfig {
    /// `[timeouts]`.
    pub timeouts: Timeouts,
    /// `[streams]`.
    pub streams: Streams,
    /// `[retries]`.
    pub retries: Retries,
    /// `[rate]`.
    pub rate: RateConfig,
    /// `[[tenants]]`.
    pub tenants: Vec<TenantConfig>,
    /// Upstreams with their secrets resolved, in order of preference.
    pub upstreams: Vec<ConfiguredUpstream>,
    /// `[responses]`.
    pub responses: ResponsesConfig,
    /// `[masks]`.
    pub masks: MasksConfig,
    /// `[realtime]`.
    pub realtime: RealtimeConfig,
    /// `[media]`.
    pub media: MediaConfig,
    /// `[[through]]`.
    pub through: Vec<ThroughConfig>,
    /// `[[raw]]`.
    pub raw: Vec<RawConfig>,
    /// How much one request may have of what costs more than its bytes.
    pub bounds: RequestBounds,
    /// The most requests in flight; beyond it 503.
    pub max_in_flight: u32,
    /// Names the cache in `Cache-Status`. `forebay` unless configured.
    pub cache_name: String,
}

impl std::fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let upstreams: Vec<&str> = self
            .upstreams
            .iter()
            .map(|u| u.config.name.as_str())
            .collect();
        f.debug_struct("GatewayConfig")
            .field("upstreams", &upstreams)
            .field("timeouts", &self.timeouts)
            .field("max_in_flight", &self.max_in_flight)
            .finish_non_exhaustive()
    }
}
