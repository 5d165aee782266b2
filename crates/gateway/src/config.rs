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

impl Capabilities {
    /// What both can.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            streaming: self.streaming && other.streaming,
            tools: self.tools && other.tools,
            json_schema: self.json_schema && other.json_schema,
            vision: self.vision && other.vision,
            audio: self.audio && other.audio,
            logprobs: self.logprobs && other.logprobs,
            multiple_choices: self.multiple_choices && other.multiple_choices,
            token_ids: self.token_ids && other.token_ids,
        }
    }
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

/// Who an upstream is: what it speaks, where, and how it is authenticated to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Any server that speaks as OpenAI does. The default.
    #[default]
    Compatible,
    /// OpenAI.
    Openai,
    /// Azure OpenAI and AI Foundry.
    Azure,
    /// AWS Bedrock.
    Bedrock,
    /// An AWS SageMaker endpoint with a container that speaks as OpenAI does (vLLM, TGI, DJL).
    Sagemaker,
    /// Google Vertex AI.
    Vertex,
    /// Google's Gemini API.
    Gemini,
    /// Oracle OCI Generative AI.
    Oci,
    /// Anthropic.
    Anthropic,
    /// Cohere.
    Cohere,
    /// Mistral.
    Mistral,
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
    /// Text Generation Inference.
    Tgi,
    /// llama.cpp's server.
    Llamacpp,
    /// Ollama.
    Ollama,
    /// NVIDIA NIM.
    Nim,
    /// Ray Serve LLM.
    Ray,
}

impl Provider {
    /// Its name in configurations.
    pub fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|name| name.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

/// `[upstreams.options]`: what only some providers know. A provider ignores none of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ProviderOptions {
    /// Azure: `v1` (default), `deployments`, `foundry` or `anthropic`. Bedrock: `converse`
    /// (default), `invoke` (Anthropic's models) or `openai`.
    pub api: Option<String>,
    /// Azure: the version of the `deployments` and `foundry` forms.
    pub api_version: Option<String>,
    /// Vertex: the project.
    pub project: Option<String>,
    /// Vertex: the location; `global` where absent.
    pub location: Option<String>,
    /// Vertex: the models' maker (`google`, `anthropic`, `mistralai`, `openapi`); by the model's name where absent.
    pub publisher: Option<String>,
    /// OCI: the compartment's OCID.
    pub compartment: Option<String>,
    /// OCI: `generic` or `cohere`; by the model's name where absent.
    pub format: Option<String>,
}

impl ProviderOptions {
    /// `api`, or nothing.
    pub(crate) fn api(&self) -> &str {
        self.api.as_deref().unwrap_or_default()
    }
}

/// What becomes of a request's fields that an upstream can't take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Losses {
    /// The upstream is passed over; where none is left, the client gets an error that names the
    /// fields. The default.
    #[default]
    Strict,
    /// They are left out, and `x-forebay-lost` names them.
    Drop,
}

/// `[upstreams.tls]`: the gateway's own certificate, for upstreams that ask for one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClientTls {
    /// The chain of certificates, in PEM, the gateway's own first.
    pub cert: String,
    /// Its private key, in PEM.
    pub key: String,
}

/// `[[upstreams]]`: an engine or a cloud.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Its name in logs, metrics and headers.
    pub name: String,
    /// Who it is. Default `compatible`: speaks as OpenAI does.
    #[serde(default)]
    pub provider: Provider,
    /// What only this provider knows.
    #[serde(default)]
    pub options: ProviderOptions,
    /// Base URLs of its replicas, without `/v1`: `http://10.0.0.7:8000`, or `env:NAME`. Absent:
    /// the provider's public address, where it has one.
    #[serde(default)]
    pub urls: Vec<String>,
    /// Its API key: `env:NAME` or `file:PATH`, sent the way the provider wants it. The client's
    /// own key is never forwarded.
    #[serde(default)]
    pub key: Option<Secret>,
    /// Credentials that are more than one key: see the pages on providers. Native host only.
    #[serde(default)]
    pub auth: Option<AuthTable>,
    /// The formats it speaks natively, where they are not the provider's usual ones: `chat`,
    /// `completions`, `responses`, `messages`, `embeddings`, `gemini`, `converse`. Requests in
    /// another are translated into the first.
    #[serde(default)]
    pub speaks: Vec<String>,
    /// What becomes of fields that it can't take. Default `strict`.
    #[serde(default)]
    pub losses: Losses,
    /// The gateway's own certificate, where it asks for one.
    #[serde(default)]
    pub tls: Option<ClientTls>,
    /// The output limit to name where the provider demands one and the client named none. Default 4096.
    #[serde(default = "four_thousand")]
    pub default_max_tokens: u64,
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
    /// Expected time to first token before any is measured. Absent: the catalogue's figure, else 500ms.
    #[serde(default)]
    pub expected_ttft: Option<Span>,
    /// Expected tokens of output a second before any are measured. Absent: the catalogue's figure, else 50.
    #[serde(default)]
    pub expected_tokens_per_second: Option<f64>,
    /// The path of its health check; empty: none. Default `/health` for engines, none for clouds.
    #[serde(default)]
    pub health_path: Option<String>,
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
fn five_seconds() -> Span {
    seconds(5)
}
fn four_thousand() -> u64 {
    4096
}

/// `[upstreams.auth]`, which the host reads: a table whose `kind` says what else is in it.
/// Secrets in it are references. It never prints.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct AuthTable(pub serde_json::Map<String, serde_json::Value>);

impl std::fmt::Debug for AuthTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthTable")
    }
}

impl UpstreamConfig {
    /// The path of its health check, if it has one.
    pub fn health_path(&self) -> Option<&str> {
        match &self.health_path {
            Some(path) => Some(path.as_str()).filter(|path| !path.is_empty()),
            None => self.provider.is_engine().then_some("/health"),
        }
    }

    /// What its provider can't do with these options: the field, and why.
    pub fn provider_problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let options = &self.options;
        let apis: &[&str] = match self.provider {
            Provider::Azure => &["v1", "deployments", "foundry", "anthropic"],
            Provider::Bedrock => &["converse", "invoke", "openai"],
            _ => &[],
        };
        let only = |set: bool, field: &'static str, who: &[Provider]| {
            (set && !who.contains(&self.provider)).then(|| {
                let names: Vec<String> = who.iter().map(|p| p.name()).collect();
                (field, format!("only {} has `{field}`", names.join(" and ")))
            })
        };
        use Provider::{Azure, Bedrock, Oci, Vertex};
        problems.extend(only(options.api.is_some(), "api", &[Azure, Bedrock]));
        problems.extend(only(options.api_version.is_some(), "api_version", &[Azure]));
        problems.extend(only(options.project.is_some(), "project", &[Vertex]));
        problems.extend(only(options.location.is_some(), "location", &[Vertex]));
        problems.extend(only(options.publisher.is_some(), "publisher", &[Vertex]));
        problems.extend(only(options.compartment.is_some(), "compartment", &[Oci]));
        problems.extend(only(options.format.is_some(), "format", &[Oci]));
        if let Some(api) = &options.api
            && !apis.is_empty()
            && !apis.contains(&api.as_str())
        {
            let why = format!("\"{api}\" is none of {}", apis.join(", "));
            problems.push(("api", why));
        }
        if self.provider == Vertex && options.project.is_none() {
            problems.push(("provider", "Vertex needs options.project".to_owned()));
        }
        if self.provider == Oci && options.compartment.is_none() {
            problems.push(("provider", "OCI needs options.compartment".to_owned()));
        }
        for wire in &self.speaks {
            if forebay_dialect::Wire::parse(wire).is_none() {
                problems.push(("speaks", format!("\"{wire}\" is no format")));
            }
        }
        if self.key.is_some() && self.auth.is_some() {
            problems.push(("auth", "an upstream has a key or auth, not both".to_owned()));
        }
        problems
    }

    /// Its base URLs: the configured ones, or the provider's public address.
    pub fn base_urls(&self) -> Vec<String> {
        if self.urls.is_empty() {
            let public = self.provider.public_url(&self.options, &self.region);
            public.into_iter().collect()
        } else {
            self.urls.clone()
        }
    }
}

/// An upstream with what its configuration refers to.
#[derive(Clone)]
pub struct ConfiguredUpstream {
    /// Its configuration.
    pub config: UpstreamConfig,
    /// Its plain API key, resolved.
    pub key: Option<String>,
    /// What authenticates requests to it where that is more than a key.
    pub authorizer: Option<std::sync::Arc<dyn crate::authorize::Authorizer>>,
    /// What is known of single models there, by the name that clients use.
    pub offers: BTreeMap<String, OfferFacts>,
}

impl ConfiguredUpstream {
    /// An upstream of which nothing is known but its configuration and its key.
    pub fn plain(config: UpstreamConfig, key: Option<String>) -> Self {
        Self {
            config,
            key,
            authorizer: None,
            offers: BTreeMap::new(),
        }
    }
}

/// What is known of one model at an upstream. What the configuration says itself wins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OfferFacts {
    /// What it costs.
    pub price: Option<Price>,
    /// Tokens of prompt and answer together; 0 is unknown.
    pub context_tokens: u64,
    /// What it can do there.
    pub capabilities: Capabilities,
    /// Expected time to first token, in milliseconds.
    pub ttft_ms: Option<f64>,
    /// Expected tokens of output a second.
    pub tokens_per_second: Option<f64>,
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
    pub upstreams: Vec<ConfiguredUpstream>,
    /// `[media]`.
    pub media: MediaConfig,
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
