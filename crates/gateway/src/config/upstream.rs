//! What an operator configures of one engine or cloud: who it is, what it speaks and can do, what it costs.

use std::collections::BTreeMap;

use forebay_dialect::exchange::Grade;
use serde::{Deserialize, Serialize};

use super::offer::{Capabilities, OfferFacts, PriceConfig};
use super::provider::{Problems, Provider, ProviderOptions};
use super::public_prompt::MAX_PUBLIC_PROMPTS;
use super::{
    Affinity, KvEvents, PublicPrompt, RoutingRule, Secret, Span, TokenizerConfig, seconds,
};

/// Whether the gateway asks for a provider's prompt cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum PromptCaching {
    /// Where it is expected to save money.
    Auto,
    /// Never. What clients ask for themselves is passed on.
    Off,
}

/// What becomes of a request's fields that an upstream can't take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Losses {
    /// What can be done without is left out or rewritten, and `x-forebay-lost` names it. Where
    /// the answer would be wrong and nobody would notice (content that the model has to see, a
    /// tool or a form of answer that was demanded), the upstream is passed over; where none is
    /// left, the client gets an error that names the fields. The default.
    #[default]
    Tolerant,
    /// The upstream is passed over for anything that could change the answer.
    Strict,
    /// Everything is left out, and `x-forebay-lost` names it.
    Drop,
}

impl Losses {
    /// Whether a loss of that grade refuses the request.
    pub fn refuses(self, grade: Grade) -> bool {
        match self {
            Losses::Tolerant => grade == Grade::Refused,
            Losses::Strict => grade >= Grade::Tolerable,
            Losses::Drop => false,
        }
    }
}

/// How an answer that its client does not stream is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// As one body, as the client does. Only `timeouts.total` bounds it. The default.
    #[default]
    Whole,
    /// As a stream, which becomes one body here: `timeouts.first_byte` and `timeouts.idle` hold, and
    /// a replica that falls silent is given up for the next.
    Stream,
}

impl UpstreamConfig {
    /// What becomes of a loss of that field: the most precise entry of `field_losses` decides.
    pub fn losses_of(&self, param: &str) -> Losses {
        if self.field_losses.is_empty() {
            return self.losses;
        }
        let mut name = String::with_capacity(param.len());
        let mut within = false;
        for character in param.chars() {
            match character {
                '[' => within = true,
                ']' => within = false,
                _ if within => {}
                character => name.push(character),
            }
        }
        let mut name = name.as_str();
        loop {
            if let Some(losses) = self.field_losses.get(name) {
                return *losses;
            }
            match name.rsplit_once('.') {
                Some((parent, _)) => name = parent,
                None => return self.losses,
            }
        }
    }
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

/// `[upstreams.timeouts]`: limits of time that differ from `[timeouts]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTimeouts {
    /// From the request to the first byte of a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<Span>,
    /// Between two pieces of a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Span>,
}

/// `[[upstreams]]`: an engine or a cloud.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Its name in logs, metrics and headers.
    pub name: String,
    /// The provider. Default `compatible`: any server with OpenAI's API.
    #[serde(default)]
    pub provider: Provider,
    /// Options of this provider.
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
    /// Credentials other than a single key: see the provider's page. Native host only.
    #[serde(default)]
    pub auth: Option<AuthTable>,
    /// The formats it speaks natively, if they differ from the provider's usual ones: `chat`,
    /// `completions`, `responses`, `messages`, `embeddings`, `gemini`, `converse`. Requests in
    /// another are translated into the first.
    #[serde(default)]
    pub speaks: Vec<String>,
    /// The endpoints that pass through to it (`rerank`, `moderations`, `audio.speech`, …), if they
    /// differ from the provider's usual ones.
    #[serde(default)]
    pub passes: Option<Vec<String>>,
    /// What happens to fields that it does not support. Default `tolerant`.
    #[serde(default)]
    pub losses: Losses,
    /// The same for single fields, by the client's name without positions: `seed = "strict"`,
    /// `"messages.content" = "drop"`. A field that is not listed follows the field that contains it.
    #[serde(default)]
    pub field_losses: BTreeMap<String, Losses>,
    /// The gateway's client certificate, if it requires one.
    #[serde(default)]
    pub tls: Option<ClientTls>,
    /// The output limit to send if the provider requires one and the client sent none. Default 4096.
    #[serde(default = "four_thousand")]
    pub default_max_tokens: u64,
    /// Headers to add, such as an organisation. Secret values are references: `env:NAME` or `file:PATH`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The models it serves: the name clients use, and the name it knows. Empty: every model, by its own name.
    #[serde(default)]
    pub models: BTreeMap<String, String>,
    /// Send a `cache_salt` for each tenant, so that no tenant can tell from response times what another
    /// has sent. Only vLLM and SGLang support it; for them it is the default.
    #[serde(default)]
    pub cache_salt: Option<bool>,
    /// System prompts that are no tenant's secret. The engine is told to leave their tokens out of
    /// the salt (`shared_prefix_tokens`), so that they are computed once for all tenants. vLLM and
    /// SGLang salt whole prompts: not for them. Needs `tokenizer`. At most 64.
    #[serde(default)]
    pub public_prompts: Vec<PublicPrompt>,
    /// The model's tokenizer and chat template, for exact token counts and prefix blocks. Native host
    /// only.
    #[serde(default)]
    pub tokenizer: Option<TokenizerConfig>,
    /// Whether the gateway uses the provider's prompt cache: markers for Anthropic's models and
    /// Bedrock when a prefix repeats, a `prompt_cache_key` for OpenAI, Azure and Mistral.
    /// Default `auto` for Anthropic, Azure, Bedrock, Mistral, OpenAI and Vertex, `off` for others.
    #[serde(default)]
    pub prompt_cache: Option<PromptCaching>,
    /// It is a Forebay gateway itself: it ends broken streams with an error event and counts tokens.
    /// On platforms that can, what is neither stored nor screened here is then passed on unread.
    #[serde(default)]
    pub relay: bool,
    /// Ask for usage in streams (`stream_options.include_usage`). Default true.
    #[serde(default = "yes")]
    pub include_usage: bool,
    /// How it is asked for answers that the client does not stream. Default `whole`.
    #[serde(default)]
    pub progress: Progress,
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
    /// Expected time to first token until it is measured. Default: the catalogue's figure, else 500ms.
    #[serde(default)]
    pub expected_ttft: Option<Span>,
    /// Expected output tokens per second until they are measured. Default: the catalogue's figure, else 50.
    #[serde(default)]
    pub expected_tokens_per_second: Option<f64>,
    /// Time limits that differ from `[timeouts]`.
    #[serde(default)]
    pub timeouts: UpstreamTimeouts,
    /// The same for single models, by the name that clients use.
    #[serde(default)]
    pub model_timeouts: BTreeMap<String, UpstreamTimeouts>,
    /// The path of its health check; empty: none. Default `/health` for engines, none for clouds.
    #[serde(default)]
    pub health_path: Option<String>,
    /// The time between two health checks. Default 5s.
    #[serde(default = "five_seconds")]
    pub health_interval: Span,
    /// Its replicas' KV events, which tell the gateway what each replica has cached. Absent: each is
    /// assumed to hold the prompts that were sent there last.
    #[serde(default)]
    pub kv_events: Option<KvEvents>,
    /// The rule by which a replica is chosen for a request, whatever the selector says. Default: the
    /// selector chooses, by its `workers.rule`; where it leaves the choice, the rule is `forebay`.
    #[serde(default)]
    pub routing: Option<RoutingRule>,
    /// What makes requests one session: `"key"` or `"header:NAME"`. A session stays at its replica
    /// unless another one is better by more than the selector's `workers.hysteresis`. Default: none.
    #[serde(default)]
    pub affinity: Option<Affinity>,
    /// Read each replica's `/metrics` with its health check: the size of its prefix cache, and the
    /// requests from others. Default: on for vLLM and SGLang, and with `kv_events`.
    #[serde(default)]
    pub engine_metrics: Option<bool>,
    /// Data-parallel ranks behind each URL (vLLM: `--data-parallel-size`). Each rank has a prefix
    /// cache of its own and is chosen like a replica, by the header `x-data-parallel-rank`. Default
    /// 1: the engine is one replica.
    #[serde(default = "one")]
    pub data_parallel: u16,
    /// Speak HTTP/2 without TLS from the first byte.
    #[serde(default)]
    pub h2c: bool,
    /// A file of certificates to trust, in PEM.
    #[serde(default)]
    pub ca_file: Option<String>,
}

/// The most data-parallel ranks of an engine: more than any deployment has.
const MAX_RANKS: u16 = 1024;

fn yes() -> bool {
    true
}
fn one() -> u16 {
    1
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
    /// Whether it is told a salt that separates tenants in its prefix cache.
    pub fn salts_caches(&self) -> bool {
        self.cache_salt
            .unwrap_or(matches!(self.provider, Provider::Vllm | Provider::Sglang))
    }

    /// Whether it is asked to cache prompts.
    pub fn caches_prompts(&self) -> bool {
        let usual = matches!(
            self.provider,
            Provider::Anthropic
                | Provider::Azure
                | Provider::Bedrock
                | Provider::Mistral
                | Provider::Openai
                | Provider::Vertex
        );
        match self.prompt_cache {
            Some(set) => set == PromptCaching::Auto,
            // Another Forebay asks for it itself.
            None => usual && !self.relay,
        }
    }

    /// Whether its replicas' metrics are read with their health checks.
    pub fn reads_metrics(&self) -> bool {
        let engine = matches!(self.provider, Provider::Vllm | Provider::Sglang);
        self.engine_metrics
            .unwrap_or(engine || self.kv_events.is_some())
    }

    /// The path of its health check, if it has one.
    pub fn health_path(&self) -> Option<&str> {
        match &self.health_path {
            Some(path) => Some(path.as_str()).filter(|path| !path.is_empty()),
            None => self.provider.is_engine().then_some("/health"),
        }
    }

    /// What is wrong with its options and with what else types can't say.
    pub fn provider_problems(&self) -> Problems {
        let mut problems = self.seller().err().unwrap_or_default();
        if !(1..=MAX_RANKS).contains(&self.data_parallel) {
            let why = format!(
                "an engine has 1 to {MAX_RANKS} data-parallel ranks, not {}",
                self.data_parallel
            );
            problems.push(("data_parallel", why));
        }
        for wire in &self.speaks {
            if forebay_dialect::Wire::parse(wire).is_none() {
                problems.push(("speaks", format!("\"{wire}\" is not a known format; use one of chat, completions, responses, messages, embeddings, gemini, converse, cohere, oci")));
            }
        }
        if let Some(problem) = self.tokenizer.as_ref().and_then(|t| t.problem()) {
            problems.push(("tokenizer", problem.to_owned()));
        }
        if let Some(problem) = self.public_problem() {
            problems.push(("public_prompts", problem));
        }
        for name in self.passes.iter().flatten() {
            if !crate::through::NAMES.contains(&name.as_str()) {
                let why = format!(
                    "\"{name}\" is not a pass-through endpoint; use one of {}",
                    crate::through::NAMES.join(", ")
                );
                problems.push(("passes", why));
            }
        }
        if self.key.is_some() && self.auth.is_some() {
            problems.push(("auth", "an upstream has a key or auth, not both".to_owned()));
        }
        problems
    }

    /// Why it can't leave public prompts out of its salt.
    fn public_problem(&self) -> Option<String> {
        if self.public_prompts.is_empty() {
            return None;
        }
        if self.public_prompts.len() > MAX_PUBLIC_PROMPTS {
            return Some(format!(
                "an upstream has at most {MAX_PUBLIC_PROMPTS} public prompts, not {}",
                self.public_prompts.len()
            ));
        }
        let problem = match () {
            () if matches!(self.provider, Provider::Vllm | Provider::Sglang) => Some(
                "vLLM and SGLang salt whole prompts, so public prompts have no effect there; an engine that takes shared_prefix_tokens is a compatible upstream",
            ),
            () if !self.salts_caches() => {
                Some("public prompts are left out of the salt; set cache_salt = true")
            }
            () if self.tokenizer.is_none() => Some("public prompts need the model's tokenizer"),
            () => self.public_prompts.iter().find_map(PublicPrompt::problem),
        };
        problem.map(str::to_owned)
    }

    /// Its base URLs: the configured ones, or the provider's public address.
    ///
    /// # Errors
    /// No URL is configured, and something is wrong with the options, on which the public address depends.
    pub fn base_urls(&self) -> Result<Vec<String>, Problems> {
        if !self.urls.is_empty() {
            return Ok(self.urls.clone());
        }
        let region = Some(self.region.as_str()).filter(|region| !region.is_empty());
        let public = self.seller()?.public_url(region);
        Ok(public.into_iter().collect())
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
