//! What an operator configures of the pipeline. The host's file holds these sections beside its own.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::policy::Price;

/// A duration, written `250ms`, `30s`, `5m` or `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(Span).map_err(|e| {
            serde::de::Error::custom(format!(
                "\"{text}\" is no duration ({e}); write 250ms, 30s or 5m"
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

/// `[timeouts]`: four separate limits of the way to the upstream and back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// From the first byte of a request to the last of its head; also its body's. Default 10s.
    pub request: Span,
    /// From the request to the upstream to the first byte of the answer's body. Default 60s:
    /// a long prompt waits in an engine's queue and is then prefilled.
    pub first_byte: Span,
    /// Between two pieces of an upstream's stream. Default 30s.
    pub idle: Span,
    /// From the request's head to the last byte out. Default 10m.
    pub total: Span,
    /// Establishing a connection to an upstream. Default 3s.
    pub connect: Span,
    /// How long a client may leave its stream unread before it is cut. Default 30s.
    pub slow_client: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            request: seconds(10),
            first_byte: seconds(60),
            idle: seconds(30),
            total: seconds(600),
            connect: seconds(3),
            slow_client: seconds(30),
        }
    }
}

/// `[streams]`: how answers flow.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Streams {
    /// A comment is sent on a stream that is idle this long, so that proxies keep it open. Default 15s.
    pub keep_alive: Span,
    /// How far the slowest client of a flight may lag behind its head, in bytes. Default 1 MiB:
    /// a slow reader is cut beyond it, the flight is not.
    pub client_buffer: usize,
    /// How far the upstream may run ahead of the fastest client, in bytes. Default 256 KiB:
    /// beyond it the upstream is not read until a client catches up.
    pub upstream_buffer: usize,
    /// The largest answer that is recorded and shared, in bytes. Default 8 MiB.
    pub max_recording: usize,
    /// The largest single event of a stream, in bytes. Default 1 MiB.
    pub max_event: usize,
    /// The largest unstreamed answer of an upstream, in bytes. Default 32 MiB.
    pub max_response: usize,
    /// How long a stream whose client asked for event ids goes on after the client left. Default 30s.
    pub resume_grace: Span,
    /// When the last client leaves, record the answer to its end instead of cancelling the upstream.
    pub record_abandoned: bool,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            keep_alive: seconds(15),
            client_buffer: 1 << 20,
            upstream_buffer: 256 << 10,
            max_recording: 8 << 20,
            max_event: 1 << 20,
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

/// What an upstream can do. All true unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "a table of flags is what it is"
)]
pub struct Capabilities {
    /// Streamed answers.
    pub streaming: bool,
    /// Tool calls.
    pub tools: bool,
    /// Output that follows a JSON schema.
    pub json_schema: bool,
    /// Images in the prompt.
    pub vision: bool,
    /// Audio in the prompt.
    pub audio: bool,
    /// Log probabilities.
    pub logprobs: bool,
    /// More than one choice.
    pub multiple_choices: bool,
    /// Prompts given as token ids.
    pub token_ids: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            streaming: true,
            tools: true,
            json_schema: true,
            vision: true,
            audio: true,
            logprobs: true,
            multiple_choices: true,
            token_ids: true,
        }
    }
}

/// `[[upstreams]]`: an engine or a cloud that speaks OpenAI's dialect.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Its name in logs, metrics and headers.
    pub name: String,
    /// Base URLs of its replicas, without `/v1`: `http://10.0.0.7:8000`, or `env:NAME`.
    pub urls: Vec<String>,
    /// Its API key: `env:NAME` or `file:PATH`. The client's own key is never forwarded.
    #[serde(default)]
    pub key: Option<Secret>,
    /// Headers to add, such as an organisation.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The models it serves: the name clients use, and the name it knows. Empty: every model, by its own name.
    #[serde(default)]
    pub models: BTreeMap<String, String>,
    /// It is an engine we see inside: it gets a `cache_salt` that separates tenants. Only vLLM and SGLang know it.
    #[serde(default)]
    pub cache_salt: bool,
    /// It is a Forebay gateway itself: it ends broken streams with an error event and counts tokens.
    /// On platforms that can, what is neither stored nor screened here is then passed on unread.
    #[serde(default)]
    pub relay: bool,
    /// Ask for usage in streams (`stream_options.include_usage`). Default true.
    #[serde(default = "yes")]
    pub include_usage: bool,
    /// Its region, such as `eu-west-1`.
    #[serde(default)]
    pub region: String,
    /// Its jurisdiction, such as `EU`.
    #[serde(default)]
    pub jurisdiction: String,
    /// What it costs, in millionths of a US dollar per million tokens.
    #[serde(default)]
    pub price: Option<PriceConfig>,
    /// What it can do.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// Tokens of prompt and answer together; 0 is unknown.
    #[serde(default)]
    pub context_tokens: u64,
    /// Requests it takes at once, over all replicas; 0 is unknown.
    #[serde(default)]
    pub capacity: u32,
    /// Expected time to first token before any is measured. Default 500ms.
    #[serde(default = "half_second")]
    pub expected_ttft: Span,
    /// Expected tokens of output a second before any are measured. Default 50.
    #[serde(default = "fifty")]
    pub expected_tokens_per_second: f64,
    /// The path of its health check; empty: none. Default `/health`.
    #[serde(default = "health_path")]
    pub health_path: String,
    /// Between two health checks. Default 5s.
    #[serde(default = "five_seconds")]
    pub health_interval: Span,
    /// Speak HTTP/2 without TLS from the first byte.
    #[serde(default)]
    pub h2c: bool,
    /// A file of certificates to trust, in PEM.
    #[serde(default)]
    pub ca_file: Option<String>,
}

fn yes() -> bool {
    true
}
fn half_second() -> Span {
    Span(Duration::from_millis(500))
}
fn five_seconds() -> Span {
    seconds(5)
}
fn fifty() -> f64 {
    50.0
}
fn health_path() -> String {
    "/health".to_owned()
}

/// `price`, in millionths of a US dollar per million tokens: 5000000 is $5.00 a million.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PriceConfig {
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens of the prompt out of the upstream's cache; as `input` where absent.
    #[serde(default)]
    pub cached_input: Option<u64>,
    /// Tokens of the completion.
    pub output: u64,
}

impl From<PriceConfig> for Price {
    fn from(price: PriceConfig) -> Self {
        Self {
            input: price.input,
            cached_input: price.cached_input.unwrap_or(price.input),
            output: price.output,
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
    /// The output tokens that are reserved for a request that names no `max_tokens`. Default 1024.
    pub default_max_tokens: Option<u32>,
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
    pub upstreams: Vec<(UpstreamConfig, Option<String>)>,
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
            .map(|(u, _)| u.name.as_str())
            .collect();
        f.debug_struct("GatewayConfig")
            .field("upstreams", &upstreams)
            .field("timeouts", &self.timeouts)
            .field("max_in_flight", &self.max_in_flight)
            .finish_non_exhaustive()
    }
}
