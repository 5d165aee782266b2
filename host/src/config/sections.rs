//! The sections of `forebay.toml` that belong to the host; the pipeline's own are in the gateway.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use forebay_gateway::config::{
    MasksConfig, MediaConfig, RateConfig, RawConfig, RealtimeConfig, RequestBounds,
    ResponsesConfig, Retries, Secret, Span, Streams, TenantConfig, ThroughConfig, Timeouts,
    UpstreamConfig,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::LoginConfig;
use super::size::Size;

/// The whole of `forebay.toml`. Every section may be left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The address clients connect to.
    pub server: ServerConfig,
    /// The second address: probes, metrics, cache and configuration.
    pub admin: AdminConfig,
    /// Size and count limits.
    pub limits: Limits,
    /// Time limits.
    pub timeouts: Timeouts,
    /// How answers are streamed.
    pub streams: Streams,
    /// What happens when an upstream fails before its first byte.
    pub retries: Retries,
    /// Rate limits of keys without limits of their own.
    pub rate: RateConfig,
    /// Engines and clouds, in order of preference. Without any, the embedded engine simulates a model.
    pub upstreams: Vec<UpstreamConfig>,
    /// Tenants: each has its own cache and limits.
    pub tenants: Vec<TenantConfig>,
    /// API keys.
    pub keys: KeysConfig,
    /// Ways to log in besides API keys.
    pub auth: LoginConfig,
    /// Files that override the built-in catalogue of models and prices.
    pub catalogue: CatalogueConfig,
    /// Which URLs in prompts may be fetched for upstreams that accept only bytes.
    pub media: MediaConfig,
    /// Settings of single pass-through endpoints: audio, images, rerank and others.
    pub through: Vec<ThroughConfig>,
    /// Paths of providers' own APIs that requests may use unchanged, each listed exactly.
    pub raw: Vec<RawConfig>,
    /// Stored answers of OpenAI's Responses API.
    pub responses: ResponsesConfig,
    /// The placeholders that are sent upstream instead of private values.
    pub masks: MasksConfig,
    /// Limits of connections to OpenAI's Realtime API.
    pub realtime: RealtimeConfig,
    /// The cache of answers.
    pub cache: CacheConfig,
    /// Remembered decisions.
    pub memo: MemoConfig,
    /// The three policies.
    pub policies: PoliciesConfig,
    /// What is logged.
    pub log: LogConfig,
    /// Traces, and what metrics and `forebay why` tell apart.
    pub telemetry: TelemetryConfig,
    /// The secret from which tenants' secrets are derived.
    pub secrets: SecretsConfig,
    /// Settings for the gateway as a component on an edge.
    pub edge: EdgeConfig,
}

/// `[server]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Where clients connect. Default 127.0.0.1:8080. An address beyond loopback requires keys.
    pub listen: SocketAddr,
    /// TLS; absent: plain HTTP.
    pub tls: Option<TlsConfig>,
    /// Host names that a gateway without keys accepts besides loopback: `forebay.internal` or
    /// `forebay.internal:8080`. Requests with another `Host` are refused (DNS rebinding).
    pub hosts: Vec<String>,
    /// Web pages that may use the gateway: `https://chat.example.com`. They get CORS headers. Without
    /// keys, requests of all other pages are refused.
    pub origins: Vec<String>,
    /// Threads. Absent: one for each core.
    pub workers: Option<usize>,
    /// How long an idle connection stays open. Default 75s.
    pub idle: Span,
    /// How long open streams may continue after SIGTERM. Default 30s.
    pub drain: Span,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            workers: None,
            // 75 s: longer than clients' pools keep theirs (5 to 60 s), so that it is the client that
            // closes and no request meets a closing connection.
            idle: Span(std::time::Duration::from_secs(75)),
            // 30 s: below the 60 s that init systems wait before they kill.
            drain: Span(std::time::Duration::from_secs(30)),
        }
    }
}

/// `[server.tls]`: reread when the files change and on SIGHUP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The chain of certificates, in PEM, the server's own first.
    pub cert: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// `[admin]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Where the admin API listens. Default 127.0.0.1:8081. An address beyond loopback requires `token`.
    pub listen: SocketAddr,
    /// A second address for `/healthz`, `/readyz` and `/metrics` only. It may be beyond loopback.
    pub probes: Option<SocketAddr>,
    /// The bearer token: `env:NAME` or `file:PATH`. Absent: a random one, put into a file that only
    /// this user can read and whose path is printed at start.
    pub token: Option<Secret>,
    /// Host names that the admin API accepts besides loopback and its own address. Requests with
    /// another `Host` are refused (DNS rebinding).
    pub hosts: Vec<String>,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            probes: None,
            token: None,
            hosts: Vec::new(),
        }
    }
}

/// `[limits]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest request body. Default 8 MiB: a million tokens of text are about 4 MiB.
    pub body: Size,
    /// The largest form with files (audio, images). Default 64 MiB. It counts against `memory`.
    pub upload: Size,
    /// The largest request head. Default 64 KiB.
    pub headers: Size,
    /// The most header fields. Default 100.
    pub header_fields: usize,
    /// The most client connections. Default 10000; above it they get a 503 and are closed.
    pub connections: usize,
    /// The most concurrent requests. Default 8192, at about 100 KB each; above it 503 with `Retry-After`.
    pub requests: u32,
    /// Memory for request bodies with their masked and translated copies, for answers that are not
    /// streamed and for the logs of streams, all together. Default 256 MiB; above it 503, and streams
    /// continue without being stored.
    pub memory: Size,
    /// The most concurrent requests on one HTTP/2 connection. Default 256.
    pub streams_per_connection: u32,
    /// On a gateway with keys: the most connections of one address that have not sent a key yet. Default:
    /// a quarter of `connections`. An IPv6 network of 64 bits counts as one address.
    pub connections_per_address: Option<usize>,
    /// On a gateway with keys: the most concurrent requests of one address. Default: three quarters of
    /// `requests`. Set it to `requests` if all clients connect through one proxy.
    pub requests_per_address: Option<u32>,
    /// On a gateway with keys: the memory for request bodies of one address. Default: three quarters of
    /// `memory`.
    pub memory_per_address: Option<Size>,
    /// The most members in all JSON objects of a request. Default 200000: a conversation of 8 MiB has
    /// fewer than half as many.
    pub members: usize,
    /// The most parts in all messages of a request. Default 20000: agents reach a few thousand.
    pub parts: usize,
    /// The most tools of a request. Default 2048: OpenAI takes 128, collections of MCP servers have hundreds.
    pub tools: usize,
    /// The most URLs in a request. Default 5000: the most that any provider takes is 3600 images.
    pub urls: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let bounds = RequestBounds::default();
        Self {
            body: Size::mib(8),
            upload: Size::mib(64),
            headers: Size::kib(64),
            header_fields: 100,
            connections: 10_000,
            requests: 8192,
            memory: Size::mib(256),
            streams_per_connection: 256,
            connections_per_address: None,
            requests_per_address: None,
            memory_per_address: None,
            members: bounds.members,
            parts: bounds.parts,
            tools: bounds.tools,
            urls: bounds.urls,
        }
    }
}

/// `[keys]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeysConfig {
    /// The file that `forebay keys` writes. Absent: no keys, every client is the tenant `local`, and
    /// the gateway listens on loopback only.
    pub file: Option<PathBuf>,
}

/// `[catalogue]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CatalogueConfig {
    /// Files that override, add or remove rows. Later files win; see `forebay catalogue check`.
    pub files: Vec<PathBuf>,
}

/// `[cache]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheConfig {
    /// The size of the cache in memory. Default 64 MiB. A change requires a restart.
    pub memory: Size,
    /// The largest entry. Default 8 MiB.
    pub max_entry: Size,
    /// The cache's name in `Cache-Status`. Default `forebay`.
    pub name: String,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            memory: Size::mib(64),
            max_entry: Size::mib(8),
            name: "forebay".to_owned(),
        }
    }
}

/// `[memo]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MemoConfig {
    /// Memory for remembered decisions; 0 turns this off. Default 16 MiB. A change requires a restart.
    pub memory: Size,
}

impl Default for MemoConfig {
    fn default() -> Self {
        Self {
            memory: Size::mib(16),
        }
    }
}

/// Whether sandboxes are reused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// A fresh sandbox for each request.
    #[default]
    Request,
    /// Sandboxes are reused within a tenant.
    Tenant,
}

/// `[policies]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PoliciesConfig {
    /// `request` (default): a fresh sandbox for each request. `tenant`: reused within a tenant, faster.
    pub isolation: Isolation,
    /// The most sandboxes at once. Default 128: a decision takes tens of microseconds, so a request
    /// above the limit waits for less than a millisecond.
    pub pool: u32,
    /// The most concurrent answers under output rules: each holds a sandbox until it ends. Default 5000.
    pub guards: u32,
    /// The memory limit of one sandbox. Default 64 MiB: a dictionary of 5,000 terms takes 10 MiB.
    pub memory: Size,
    /// A folder for compiled components, so that a start takes milliseconds instead of a second. Only
    /// this user may have access to it, because a compiled component is native code.
    pub cache_dir: Option<PathBuf>,
    /// Which answers are cached, under which identity, for how long.
    pub prefix_cache: ComponentConfig,
    /// Guardrails for prompts and answers.
    pub guardrails: ComponentConfig,
    /// Which upstreams may answer, in which order.
    pub cloud_selector: ComponentConfig,
}

impl Default for PoliciesConfig {
    fn default() -> Self {
        Self {
            isolation: Isolation::Request,
            pool: 128,
            guards: 5000,
            memory: Size::mib(64),
            cache_dir: None,
            prefix_cache: ComponentConfig::default(),
            guardrails: ComponentConfig::default(),
            cloud_selector: ComponentConfig::default(),
        }
    }
}

/// One policy: `[policies.guardrails]` and so on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ComponentConfig {
    /// The component's file. Absent: the built-in policy.
    pub component: Option<PathBuf>,
    /// The required digest or signature of the component's file. Absent: any file is accepted.
    pub verify: Option<VerifyConfig>,
    /// Its configuration, passed to it as JSON.
    pub config: serde_json::Map<String, serde_json::Value>,
}

/// `[policies.guardrails.verify]` and so on: any other component is refused, at start and on
/// reload. Verification uses no network.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VerifyConfig {
    /// `sha256:` and the digest of the component's file. It is checked first.
    pub digest: Option<String>,
    /// Files with one public key each, in PEM: Ed25519, or ECDSA on P-256. One of these keys must
    /// have signed the component.
    pub keys: Vec<PathBuf>,
    /// The signature's file. Default: the component's name with `.dsse` after it.
    pub signature: Option<PathBuf>,
    /// The lowest signed version that is accepted. Default 0. A reload never accepts a version below
    /// one that was loaded before.
    pub min_version: u64,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object per line.
    Json,
}

/// `[log]`: on stderr, without prompts and secrets. Changes require a restart, except `access`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `text` (default) or `json`.
    pub format: LogFormat,
    /// `error`, `warn`, `info` (default), `debug`, `trace`, or a filter such as `info,hyper=debug`.
    pub level: String,
    /// A line for each request. Default false.
    pub access: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".to_owned(),
            access: false,
        }
    }
}

/// `[telemetry]`: OpenTelemetry traces with the GenAI conventions. A change requires a restart.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// The collector's OTLP/HTTP address, such as `http://127.0.0.1:4318`. Absent: no traces.
    pub otlp: Option<String>,
    /// Headers for the collector; values are `env:NAME` or `file:PATH`.
    pub headers: BTreeMap<String, Secret>,
    /// How many models that are not configured, but listed and served by an upstream, have their own
    /// label in metrics. The others are `other`. Default 256.
    pub models: usize,
    /// How many keys, over all tenants, have their own label in metrics. The others are `other`. Default 1000.
    pub keys: usize,
    /// How many of the last requests `forebay why` can explain, at about 1 KB each. Default 2048; 0 turns it off.
    pub recent: usize,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            otlp: None,
            headers: BTreeMap::new(),
            models: 256,
            keys: 1000,
            recent: 2048,
        }
    }
}

/// `[secrets]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SecretsConfig {
    /// The secret from which each tenant's secret is derived: `env:NAME` or `file:PATH`, 16 bytes or more.
    /// Absent: random at start, which is enough for a cache in memory.
    pub master: Option<Secret>,
}

/// `[edge]`: what `forebay bake` writes for edges. The native gateway does not read it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EdgeConfig {
    /// The size of the cache in one instance, in front of the platform's key-value store. Default 8 MiB:
    /// edges give an instance 128 MB, and some share that among requests.
    pub cache: Size,
    /// The quota of one tenant in a key-value store that never expires entries itself (Spin's and
    /// wasmtime's). Default 256 MiB. The store holds at most 4,096 answers of all tenants.
    pub store_quota: Size,
    /// The most requests in flight in one instance. Default 64.
    pub requests: u32,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            cache: Size::mib(8),
            store_quota: Size::mib(256),
            requests: 64,
        }
    }
}
