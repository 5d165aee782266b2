//! Upstreams as they are now: replicas, health, load, measured speed, and what they probably have warm.

mod choice;
mod status;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use forebay_dialect::Wire;
use forebay_dialect::canonical::Needs;
use forebay_dialect::openai::models::ModelEntry;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::Route;
use super::agreement::Agreement;
use super::endpoint::Replica;
use super::prompt_cache::{PromptCache, Terms};
use super::provider::Seller;
use super::public::PublicPrompts;
use super::report::EngineReport;
use super::speed::Speed;
use super::token_index::TokenIndex;
use super::warmth::Warmth;
use super::workers::Workers;
use crate::authorize::Authorizer;
use crate::config::{Affinity, ConfiguredUpstream, OfferFacts, Problems, Timeouts, UpstreamConfig};
use crate::enter::identity::keyed;
use crate::platform::{FreshConnection, UpstreamTransport};
use crate::policy::{Block, Price};
use crate::state::Ledger;

pub(crate) use choice::{Need, View};
pub use status::{EndpointStatus, PrefixStatus, UpstreamStatus};

/// An upstream and its state.
pub(crate) struct Upstream {
    /// Its name.
    pub name: Arc<str>,
    /// Its configuration.
    pub config: UpstreamConfig,
    /// Its provider with its options.
    pub(super) seller: Box<dyn Seller>,
    /// How connections to it are made.
    pub transport: UpstreamTransport,
    /// Headers of every request to it: its plain key and what is configured.
    pub(super) headers: HeaderMap,
    /// Authenticates requests where that is more than a key.
    pub authorizer: Option<Arc<dyn Authorizer>>,
    /// What is known of single models.
    offers: BTreeMap<String, OfferFacts>,
    /// The formats it is said to speak; empty: its provider's.
    speaks: Vec<Wire>,
    pub(crate) endpoints: Vec<Arc<Replica>>,
    /// What its replicas hold block by block, where their KV events are followed.
    tokens: Option<Arc<TokenIndex>>,
    /// Whether its tokenizer here says what its engine says. A reload begins anew.
    pub(super) agreement: Agreement,
    /// The tokens of its public prompts. A reload begins anew.
    pub(super) public: PublicPrompts,
    /// It refuses what keeps tenants apart. Until the operator decides: a reload begins anew.
    shares: AtomicBool,
    /// Measured; shared with the upstream of the same name after a reload.
    measured: Arc<Measured>,
}

/// Without any measurement and without a word in configuration or catalogue: a prompt of some
/// thousand tokens on one H100, unloaded.
const USUAL_TTFT_MS: f64 = 500.0;
const USUAL_TOKENS_PER_SECOND: f64 = 50.0;
/// A candidate that nothing was measured of for this long may be asked to see how it does now.
const IDLE: Duration = Duration::from_secs(1);
/// Between two warnings about the same account: enough to be seen, not enough to fill a log.
const WARN_EVERY: Duration = Duration::from_secs(60);
/// The most fields that an upstream is known to refuse: more than the gateway ever adds.
const MAX_REFUSED: usize = 16;

/// What outlives a reload.
#[derive(Debug, Default)]
struct Measured {
    speed: Speed,
    warmth: Warmth,
    workers: Workers,
    prompt_cache: PromptCache,
    /// Fields that the gateway adds by itself and that this upstream refuses.
    refuses: Mutex<Vec<String>>,
    /// When an operator was last told that it does not accept the gateway's account.
    warned: Mutex<Option<Instant>>,
    /// The models that it listed.
    pub(super) listed: Mutex<Listed>,
}

/// The models that an upstream listed last.
#[derive(Debug, Default, Clone)]
pub(crate) struct Listed {
    /// What it listed; kept when a later list fails.
    pub(crate) models: Arc<[ModelEntry]>,
    /// When it was last asked.
    pub(crate) asked: Option<Instant>,
}

/// A configured upstream that can't be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UpstreamConfigError {
    /// Options that its provider does not have, values that it does not know, or options that are missing.
    #[error("upstream \"{name}\": {why} (upstreams.options)")]
    Options {
        /// The upstream.
        name: String,
        /// Everything that is wrong.
        why: String,
    },
    /// A format that is none.
    #[error(
        "upstream \"{name}\": \"{wire}\" is not a known format; there are chat, completions, responses, messages, embeddings, gemini, converse, cohere and oci (upstreams.speaks)"
    )]
    Wire {
        /// The upstream.
        name: String,
        /// What is configured.
        wire: String,
    },
    /// No URL or one that is none.
    #[error("upstream \"{name}\": \"{url}\" is not an http or https URL (upstreams.urls)")]
    Url {
        /// The upstream.
        name: String,
        /// The URL.
        url: String,
    },
    /// A header that is none.
    #[error(
        "upstream \"{name}\": header \"{header}\" has a name or value that HTTP does not allow (upstreams.headers)"
    )]
    Header {
        /// The upstream.
        name: String,
        /// The header's name.
        header: String,
    },
}

impl UpstreamConfigError {
    fn options(config: &UpstreamConfig, problems: Problems) -> Self {
        let all: Vec<String> = problems.into_iter().map(|(_, why)| why).collect();
        Self::Options {
            name: config.name.clone(),
            why: all.join("; "),
        }
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("config", &self.config)
            .field("headers", &self.headers)
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}

impl Upstream {
    /// Makes the runtime form of a configured upstream, whose replicas' rests and ejections are kept in
    /// `ledger`. `scope` is a secret number, from which
    /// names of blocks are made.
    pub(crate) fn new(
        configured: ConfiguredUpstream,
        timeouts: &Timeouts,
        carry: Option<&Upstream>,
        ledger: &Ledger,
        scope: u64,
    ) -> Result<Self, UpstreamConfigError> {
        let ConfiguredUpstream {
            mut config,
            key,
            authorizer,
            offers,
        } = configured;
        let name: Arc<str> = config.name.as_str().into();
        let bad_header = |header: &str| UpstreamConfigError::Header {
            name: config.name.clone(),
            header: header.to_owned(),
        };
        let seller = config.seller();
        let seller = seller.map_err(|it| UpstreamConfigError::options(&config, it))?;
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let (header, before) = seller.key_header();
            let mut value =
                HeaderValue::from_str(&format!("{before}{key}")).map_err(|_| bad_header(header))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(header), value);
        }
        let mut speaks = Vec::with_capacity(config.speaks.len());
        for wire in &config.speaks {
            speaks.push(Wire::parse(wire).ok_or_else(|| UpstreamConfigError::Wire {
                name: config.name.clone(),
                wire: wire.clone(),
            })?);
        }
        for (header, value) in &config.headers {
            let parsed =
                HeaderName::from_bytes(header.as_bytes()).map_err(|_| bad_header(header))?;
            let mut value = HeaderValue::from_str(value).map_err(|_| bad_header(header))?;
            value.set_sensitive(true);
            headers.insert(parsed, value);
        }
        // Resolved by now: they may be secrets, and the rest of the configuration may be shown.
        config.headers.clear();
        let endpoints = replicas(&config, carry, ledger)?;
        let transport = UpstreamTransport {
            connect_timeout: timeouts.connect.0,
            connection_age: timeouts.connection_age.0,
            h2c: config.h2c,
            ca_file: config.ca_file.clone(),
            client_tls: config.tls.clone(),
        };
        let measured = carry.map_or_else(Arc::default, |old| old.measured.clone());
        let tokens = config.kv_events.as_ref().map(|events| {
            let known = carry.and_then(|old| old.tokens.clone());
            let known = known.filter(|known| known.serves(events));
            known.unwrap_or_else(|| Arc::new(TokenIndex::new(events, scope)))
        });
        // Another Forebay speaks as its clients do.
        if config.relay && speaks.is_empty() {
            speaks = Wire::CLIENTS.to_vec();
        }
        Ok(Self {
            name,
            config,
            seller,
            transport,
            headers,
            authorizer,
            offers,
            speaks,
            endpoints,
            tokens,
            agreement: Agreement::default(),
            public: PublicPrompts::default(),
            shares: AtomicBool::new(false),
            measured,
        })
    }

    /// The name under which it knows a model, if it serves it.
    pub(crate) fn model_name<'a>(&'a self, model: &'a str) -> Option<&'a str> {
        if self.config.models.is_empty() {
            return Some(model);
        }
        self.config.models.get(model).map(String::as_str)
    }

    /// Whether it serves this model to requests of this format.
    pub(crate) fn takes(&self, client: Wire, model: &str) -> bool {
        self.model_name(model)
            .is_some_and(|name| self.route(client, name, false).is_some())
    }

    /// How a request of this format goes to it, if it does.
    pub(crate) fn route(&self, client: Wire, model: &str, stream: bool) -> Option<Route> {
        self.seller.route_of(&self.speaks, client, model, stream)
    }

    /// Whether a residency list allows it. An empty list allows everything.
    pub(crate) fn resides_in(&self, allowed: &[String]) -> bool {
        allowed.is_empty()
            || allowed.iter().any(|place| {
                (*place == self.config.region || *place == self.config.jurisdiction)
                    && !place.is_empty()
            })
    }

    /// Whether its configuration names this model.
    pub(crate) fn names(&self, model: &str) -> bool {
        self.config.models.contains_key(model)
    }

    /// Tokens of prompt and answer together, where they are known.
    pub(crate) fn context_tokens(&self, model: &str) -> Option<u64> {
        let offered = || self.offers.get(model).map(|offer| offer.context_tokens);
        let named = Some(self.config.context_tokens).filter(|tokens| *tokens > 0);
        named.or_else(offered).filter(|tokens| *tokens > 0)
    }

    /// What a model costs here, where that is known.
    pub(crate) fn price(&self, model: &str) -> Option<Price> {
        let offered = || self.offers.get(model).and_then(|offer| offer.price);
        self.config.price.map(Into::into).or_else(offered)
    }

    /// What it was sent that its provider's prompt cache may hold.
    pub(super) fn prompt_cache(&self) -> &PromptCache {
        &self.measured.prompt_cache
    }

    /// What a model's tokens cost there, where that is known: a price, and that of a token that is
    /// written into the prompt cache.
    pub(crate) fn full_price(&self, model: &str) -> Option<(Price, Option<u64>)> {
        if let Some(price) = self.config.price {
            return Some((price.into(), price.cache_write));
        }
        let offer = self.offers.get(model)?;
        Some((offer.price?, offer.cache_write))
    }

    /// What markers cost and save for this model.
    pub(super) fn cache_terms(&self, model: &str) -> Terms {
        let Some((price, write)) = self.full_price(model).filter(|(price, _)| price.input > 0)
        else {
            return Terms::default();
        };
        let share = |amount: u64| amount as f64 / price.input as f64;
        Terms {
            premium: write.map(|write| (share(write) - 1.0).max(0.0)),
            discount: (price.cached_input < price.input).then(|| 1.0 - share(price.cached_input)),
        }
    }

    /// The most tokens that a model answers with, where the catalogue says so.
    pub(crate) fn max_output(&self, model: &str) -> Option<u64> {
        let offered = self.offers.get(model).map(|offer| offer.max_output);
        offered.filter(|most| *most > 0)
    }

    /// What it can do with a model.
    pub(crate) fn capabilities(&self, model: &str) -> Needs {
        match self.offers.get(model) {
            Some(offer) => self.config.capabilities.and(offer.capabilities).into(),
            None => self.config.capabilities.into(),
        }
    }

    /// The replica with this base URL.
    pub(super) fn endpoint(&self, base: &str) -> Option<Arc<Replica>> {
        let mut endpoints = self.endpoints.iter();
        endpoints.find(|endpoint| *endpoint.base == *base).cloned()
    }

    /// Takes note that it now has these blocks of a tenant warm.
    pub(crate) fn warmed(&self, chain: &[Block], tenant: u64) {
        self.measured.warmth.note(chain, tenant);
    }

    /// Takes note of how fast it streamed an answer.
    pub(crate) fn measured(&self, ttft: Duration, tokens: u64, decode: Duration, now: Instant) {
        self.measured.speed.note(ttft, tokens, decode, now);
    }

    /// Whether it refuses a field that the gateway would add by itself.
    pub(crate) fn refuses(&self, field: &str) -> bool {
        self.refused().iter().any(|known| known == field)
    }

    /// Takes note that it refuses a field. Returns whether that is news.
    pub(super) fn note_refused(&self, field: &str) -> bool {
        let mut refused = self.refused();
        let news = refused.len() < MAX_REFUSED && !refused.iter().any(|known| known == field);
        if news {
            refused.push(field.to_owned());
        }
        news
    }

    /// Takes note that it refuses what keeps tenants apart. Returns whether that is news.
    pub(super) fn note_shares(&self) -> bool {
        !self.shares.swap(true, Relaxed)
    }

    /// Whether it refuses what keeps tenants apart, so that no request of theirs may go there.
    pub(crate) fn shares(&self) -> bool {
        self.shares.load(Relaxed)
    }

    /// Whether an operator is to be told again that it does not accept the gateway's account.
    pub(super) fn warning_is_due(&self, now: Instant) -> bool {
        let warned = &self.measured.warned;
        let mut warned = warned.lock().unwrap_or_else(PoisonError::into_inner);
        let due = warned.is_none_or(|at| now.saturating_duration_since(at) >= WARN_EVERY);
        if due {
            *warned = Some(now);
        }
        due
    }

    /// The models that it listed last.
    pub(crate) fn listed(&self) -> MutexGuard<'_, Listed> {
        let listed = &self.measured.listed;
        listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a stream of a model may take to its first byte.
    pub(crate) fn first_byte(&self, model: &str, timeouts: &Timeouts) -> Duration {
        let of_model = self.config.model_timeouts.get(model);
        of_model
            .and_then(|own| own.first_byte)
            .or(self.config.timeouts.first_byte)
            .unwrap_or(timeouts.first_byte)
            .0
    }

    /// How long a stream of a model may be silent once it has begun.
    pub(crate) fn idle(&self, model: &str, timeouts: &Timeouts) -> Duration {
        let of_model = self.config.model_timeouts.get(model);
        of_model
            .and_then(|own| own.idle)
            .or(self.config.timeouts.idle)
            .unwrap_or(timeouts.idle)
            .0
    }

    fn refused(&self) -> MutexGuard<'_, Vec<String>> {
        let refuses = &self.measured.refuses;
        refuses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests in flight to all its replicas.
    pub(crate) fn in_flight(&self) -> u32 {
        self.endpoints.iter().map(|e| e.in_flight()).sum()
    }

    /// A request for a page of a replica, with the upstream's own credentials. It goes over a connection
    /// of its own: a kept one that has closed meanwhile would say nothing about the replica.
    pub(crate) fn get(
        &self,
        endpoint: &Replica,
        path: &str,
    ) -> Option<http::Request<bytes::Bytes>> {
        let mut request = http::Request::get(endpoint.url(path))
            .body(bytes::Bytes::new())
            .ok()?;
        request.headers_mut().extend(self.headers.clone());
        request.extensions_mut().insert(FreshConnection);
        Some(request)
    }

    /// A replica's own metrics tell how large its cache is and how many requests it has.
    pub(super) fn reported(&self, endpoint: &Replica, report: &EngineReport, now: Instant) {
        let requests = report.running.saturating_add(report.waiting);
        endpoint.reports(requests, report.cache_usage, now);
        endpoint.prefill.reported(report.prefill);
        if let Some(tokens) = report.tokens() {
            self.measured.workers.resize(&endpoint.base, tokens);
            if let Some(index) = &self.tokens {
                index.resize(&endpoint.base, tokens);
            }
        }
    }

    /// A replica lists these adapters.
    pub(super) fn lists(&self, adapters: Vec<forebay_prefix::Lora>) {
        if let Some(index) = &self.tokens {
            index.lists(adapters);
        }
    }

    /// The session that a request with these headers belongs to, of a tenant with this secret.
    pub(crate) fn session(&self, head: &HeaderMap, key: &str, secret: &[u8]) -> Option<u64> {
        let name = match self.config.affinity.as_ref()? {
            Affinity::Key => key.as_bytes(),
            Affinity::Header(name) => head.get(name)?.as_bytes(),
        };
        let session = keyed(secret, &[b"forebay session v1", name]);
        Some(super::first_eight(&session))
    }

    /// What its replicas hold block by block, where that is followed.
    pub(super) fn token_index(&self) -> Option<&Arc<TokenIndex>> {
        self.tokens.as_ref()
    }

    /// Whether requests to it carry a salt that separates tenants in its prefix cache.
    pub(super) fn salts(&self) -> bool {
        self.config.salts_caches() && !self.refuses("cache_salt")
    }
}

/// The replicas of an upstream; those that were known before are the same.
fn replicas(
    config: &UpstreamConfig,
    carry: Option<&Upstream>,
    ledger: &Ledger,
) -> Result<Vec<Arc<Replica>>, UpstreamConfigError> {
    let bad_url = |url: &str| UpstreamConfigError::Url {
        name: config.name.clone(),
        url: url.to_owned(),
    };
    let urls = config.base_urls();
    let urls = urls.map_err(|it| UpstreamConfigError::options(config, it))?;
    let mut replicas = Vec::new();
    for url in &urls {
        let base = url.trim_end_matches('/').trim_end_matches("/v1");
        let ok = base.parse::<Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some()
        });
        if !ok {
            return Err(bad_url(url));
        }
        let ranks = (config.data_parallel > 1).then_some(0..config.data_parallel);
        let ranks = ranks.map_or_else(|| vec![None], |ranks| ranks.map(Some).collect());
        for rank in ranks {
            let name = Replica::name_of(base, rank);
            let known = carry.and_then(|old| old.endpoint(&name));
            replicas.push(
                known.unwrap_or_else(|| {
                    Arc::new(Replica::kept_in(ledger, &config.name, base, rank))
                }),
            );
        }
    }
    if replicas.is_empty() {
        return Err(bad_url(""));
    }
    Ok(replicas)
}
