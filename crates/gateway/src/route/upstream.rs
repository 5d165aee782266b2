//! Upstreams as they are now: replicas, health, load, measured speed, and what they probably have warm.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use forebay_dialect::Wire;
use forebay_dialect::canonical::Needs;
use forebay_dialect::openai::models::ModelEntry;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::Route;
use super::agreement::Agreement;
use super::endpoint::{Endpoint, Standing};
use super::prefix::Prefix;
use super::prompt_cache::{PromptCache, Terms};
use super::report::EngineReport;
use super::speed::Speed;
use super::token_index::{KvSource, TokenIndex};
use super::warmth::Warmth;
use super::workers::{Scene, Seen, Workers};
use crate::authorize::Authorizer;
use crate::config::Affinity;
use crate::config::{Capabilities, ConfiguredUpstream, OfferFacts, Timeouts, UpstreamConfig};
use crate::enter::identity::keyed;
use crate::platform::UpstreamTransport;
use crate::policy::{Block, Candidate, Price, Worker};

/// An upstream and its state.
pub(crate) struct Upstream {
    /// Its name.
    pub name: Arc<str>,
    /// Its configuration.
    pub config: UpstreamConfig,
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
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
    /// What its replicas hold block by block, where their KV events are followed.
    tokens: Option<Arc<TokenIndex>>,
    /// Whether its tokenizer here says what its engine says. A reload begins anew.
    pub(super) agreement: Agreement,
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

/// A replica, picked for a prompt.
#[derive(Debug, Clone)]
pub(crate) struct Picked {
    pub(crate) endpoint: Arc<Endpoint>,
    /// Tokens of the prompt that it probably has to compute.
    pub(crate) uncached_tokens: u64,
}

/// What a replica is picked for.
pub(crate) struct Need<'a> {
    /// The model, as the client named it.
    pub(crate) model: &'a str,
    /// Who was asked already.
    pub(crate) tried: &'a [Arc<Endpoint>],
    pub(crate) prefix: &'a Prefix,
    /// Whom the selector chose, when it looked.
    pub(crate) advised: Option<&'a Arc<Endpoint>>,
    pub(crate) random: u64,
    pub(crate) now: Instant,
}

/// How a selector sees an upstream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    /// The model, as the client named it.
    pub(crate) model: &'a str,
    /// The prompt's blocks.
    pub(crate) chain: &'a [Block],
    /// Separates the tenants' prefixes.
    pub(crate) tenant: u64,
    /// The prompt, as the choice of a replica sees it.
    pub(crate) prefix: &'a Prefix,
    /// What is ejected counts as healthy: nobody else is left.
    pub(crate) last_resort: bool,
    /// An upstream that was not measured for a while is shown as it is expected to be.
    pub(crate) explore: bool,
    /// Replicas are listed from another one on for each request: a policy has no randomness of its
    /// own with which to spread what costs the same.
    pub(crate) random: u64,
    /// When.
    pub(crate) now: Instant,
}

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

/// A configured upstream that can't be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UpstreamConfigError {
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
    /// Makes the runtime form of a configured upstream. `scope` is a secret number, from which
    /// names of blocks are made.
    pub(crate) fn new(
        configured: ConfiguredUpstream,
        connect_timeout: Duration,
        carry: Option<&Upstream>,
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
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let (header, before) = config.provider.key_header();
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
        let mut endpoints = Vec::new();
        for url in &config.base_urls() {
            let base = url.trim_end_matches('/').trim_end_matches("/v1");
            let ok = base.parse::<Uri>().is_ok_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some()
            });
            if !ok {
                return Err(UpstreamConfigError::Url {
                    name: config.name.clone(),
                    url: url.clone(),
                });
            }
            let known = carry
                .and_then(|old| old.endpoints.iter().find(|e| *e.base == *base))
                .cloned();
            endpoints.push(known.unwrap_or_else(|| Arc::new(Endpoint::new(base))));
        }
        if endpoints.is_empty() {
            return Err(UpstreamConfigError::Url {
                name: config.name.clone(),
                url: String::new(),
            });
        }
        let transport = UpstreamTransport {
            connect_timeout,
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
            transport,
            headers,
            authorizer,
            offers,
            speaks,
            endpoints,
            tokens,
            agreement: Agreement::default(),
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
        let options = &self.config.options;
        self.config
            .provider
            .route(options, &self.speaks, client, model, stream)
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

    /// What the selector sees of it now, in this place of the order.
    pub(crate) fn candidate(&self, view: View<'_>, order: u32) -> Candidate {
        let config = &self.config;
        let offer = self.offers.get(view.model);
        let speed = &self.measured.speed;
        let ttft_ms = config
            .expected_ttft
            .map(|t| t.0.as_secs_f64() * 1e3)
            .or_else(|| offer.and_then(|offer| offer.ttft_ms))
            .unwrap_or(USUAL_TTFT_MS);
        let tokens_per_second = config
            .expected_tokens_per_second
            .or_else(|| offer.and_then(|offer| offer.tokens_per_second))
            .unwrap_or(USUAL_TOKENS_PER_SECOND);
        let workers = self.workers(view);
        let held = workers.iter().map(|worker| worker.held_tokens).max();
        let explored = view.explore && speed.idle(view.now).is_some_and(|idle| idle >= IDLE);
        Candidate {
            name: config.name.clone(),
            region: config.region.clone(),
            jurisdiction: config.jurisdiction.clone(),
            healthy: self.may_be_asked(view.model, view.last_resort, view.now),
            capabilities: match offer {
                Some(offer) => config.capabilities.and(offer.capabilities).into(),
                None => config.capabilities.into(),
            },
            context_tokens: self.context_tokens(view.model).unwrap_or_default(),
            price: self.price(view.model),
            ttft_ms: if explored {
                ttft_ms.min(speed.ttft_ms(ttft_ms, view.now))
            } else {
                speed.ttft_ms(ttft_ms, view.now)
            },
            tokens_per_second: if explored {
                tokens_per_second.max(speed.tokens_per_second(tokens_per_second, view.now))
            } else {
                speed.tokens_per_second(tokens_per_second, view.now)
            },
            in_flight: self.in_flight(),
            capacity: config.capacity,
            warm_tokens: match held.filter(|_| view.prefix.chain(&self.name).is_some()) {
                Some(held) => held,
                None => self.measured.warmth.tokens(view.chain, view.tenant),
            },
            order,
            workers,
        }
    }

    /// Whether a replica may be asked for a model; as a last resort one that is ejected too.
    fn may_be_asked(&self, model: &str, last_resort: bool, now: Instant) -> bool {
        self.endpoints
            .iter()
            .any(|endpoint| match endpoint.standing(model, now) {
                Standing::Good | Standing::Trial => true,
                Standing::Shy(_) | Standing::Ejected(_) => last_resort,
                Standing::Resting(_) | Standing::Down => false,
            })
    }

    /// When the first replica that rests for this model may be asked again, where none that is up
    /// does anything but rest.
    pub(crate) fn rests_until(&self, model: &str, now: Instant) -> Option<Instant> {
        let mut first: Option<Instant> = None;
        for endpoint in &self.endpoints {
            match endpoint.standing(model, now) {
                Standing::Resting(until) => {
                    first = Some(first.map_or(until, |known| known.min(until)));
                }
                Standing::Down => {}
                _ => return None,
            }
        }
        first
    }

    /// Its replicas as the selector sees them.
    pub(super) fn workers(&self, view: View<'_>) -> Vec<Worker> {
        let endpoints: Vec<&Arc<Endpoint>> = self.endpoints.iter().collect();
        let scene = self.scene(view.prefix, view.now);
        let seen = self.measured.workers.seen(&endpoints, &scene);
        let worker = |(endpoint, seen): (&Arc<Endpoint>, Seen)| Worker {
            id: endpoint.base.to_string(),
            healthy: matches!(
                endpoint.standing(view.model, view.now),
                Standing::Good | Standing::Trial
            ),
            in_flight: seen.worker.in_flight,
            queued_tokens: seen.worker.queued_tokens,
            prefill_rate: seen.worker.prefill_rate,
            decode_rate: seen.worker.decode_rate,
            held_tokens: seen.worker.held_tokens,
            index: seen.index,
            has_affinity: seen.worker.has_affinity,
        };
        let mut workers: Vec<Worker> = self.endpoints.iter().zip(seen).map(worker).collect();
        let places = workers.len().max(1) as u64;
        workers.rotate_left((view.random % places) as usize);
        // Whichever is first, any other is second: two neighbours would always go together.
        if places > 2 {
            let second = 1 + (view.random >> 32) % (places - 1);
            workers.swap(1, second as usize);
        }
        workers
    }

    /// The replica with this base URL.
    pub(super) fn endpoint(&self, base: &str) -> Option<Arc<Endpoint>> {
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

    /// A request for a page of a replica, with the upstream's own credentials.
    pub(crate) fn get(
        &self,
        endpoint: &Endpoint,
        path: &str,
    ) -> Option<http::Request<bytes::Bytes>> {
        let mut request = http::Request::get(format!("{}{path}", endpoint.base))
            .body(bytes::Bytes::new())
            .ok()?;
        request.headers_mut().extend(self.headers.clone());
        Some(request)
    }

    /// Picks a replica for a model that was not tried yet: one that may have recovered first, so
    /// that it comes back into use, else the one where the prompt is expected to cost least. `last_resort`:
    /// else one that is ejected.
    pub(crate) fn pick(&self, need: &Need<'_>, last_resort: bool) -> Option<Picked> {
        let Need { prefix, now, .. } = *need;
        let plain = |endpoint: &Arc<Endpoint>| Picked {
            endpoint: endpoint.clone(),
            uncached_tokens: self.prompt_tokens(prefix),
        };
        let mut good = Vec::with_capacity(self.endpoints.len());
        let mut rest: Option<(Instant, &Arc<Endpoint>)> = None;
        for endpoint in &self.endpoints {
            if need.tried.iter().any(|t| Arc::ptr_eq(t, endpoint)) {
                continue;
            }
            match endpoint.standing(need.model, now) {
                Standing::Good => good.push(endpoint),
                Standing::Trial => return Some(plain(endpoint)),
                Standing::Shy(until) | Standing::Ejected(until)
                    if last_resort && rest.is_none_or(|(first, _)| until < first) =>
                {
                    rest = Some((until, endpoint));
                }
                _ => {}
            }
        }
        match good[..] {
            [] => rest.map(|(_, endpoint)| plain(endpoint)),
            [one] => Some(plain(one)),
            _ => {
                let workers = &self.measured.workers;
                let scene = self.scene(prefix, now);
                let advised = need
                    .advised
                    .and_then(|advised| good.iter().position(|one| Arc::ptr_eq(one, advised)));
                let picked = match advised {
                    Some(place) => Some((place, workers.uncached(good[place], &scene))),
                    None => workers.pick(&good, &scene, need.random),
                };
                let (place, uncached_tokens) = picked?;
                Some(Picked {
                    endpoint: good[place].clone(),
                    uncached_tokens,
                })
            }
        }
    }

    /// A prompt goes to one of its replicas.
    pub(super) fn sent(&self, endpoint: &Endpoint, prefix: &Prefix, now: Instant) {
        // One replica is no choice: nothing is to be remembered.
        if self.endpoints.len() > 1 {
            self.measured
                .workers
                .sent(endpoint, &self.scene(prefix, now));
        }
    }

    /// A replica's own metrics tell how large its cache is and how many requests it has.
    pub(super) fn reported(&self, endpoint: &Endpoint, report: &EngineReport, now: Instant) {
        endpoint.reports(report.running.saturating_add(report.waiting), now);
        if let Some(tokens) = report.tokens() {
            self.measured.workers.resize(&endpoint.base, tokens);
            if let Some(index) = &self.tokens {
                index.resize(&endpoint.base, tokens);
            }
        }
    }

    /// What the choice of a replica for a prompt goes by.
    fn scene<'a>(&'a self, prefix: &'a Prefix, now: Instant) -> Scene<'a> {
        let speed = &self.measured.speed;
        Scene {
            upstream: &self.name,
            prefix,
            tokens: self.tokens.as_deref(),
            tokens_per_second: speed.tokens_per_second(USUAL_TOKENS_PER_SECOND, now),
            now,
        }
    }

    /// A prompt as the rule for replicas sees it.
    pub(super) fn request(&self, prefix: &Prefix) -> forebay_routing::Request {
        forebay_routing::Request {
            tokens: self.prompt_tokens(prefix),
            output_tokens: prefix.output_tokens,
            ..forebay_routing::Request::default()
        }
    }

    /// Tokens of a prompt: counted where its tokens are known here, else estimated.
    pub(super) fn prompt_tokens(&self, prefix: &Prefix) -> u64 {
        prefix.tokens(prefix.chain(&self.name))
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

    /// Where the KV events of its replicas come from.
    pub(crate) fn kv_sources(&self) -> impl Iterator<Item = KvSource> {
        let endpoints = self.endpoints.iter().enumerate();
        endpoints.filter_map(|(place, endpoint)| {
            let tokens = self.tokens.as_ref()?;
            tokens.source(&self.name, place, &endpoint.base)
        })
    }

    fn prefix_status(&self, endpoint: &Endpoint) -> Option<PrefixStatus> {
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

impl From<Capabilities> for Needs {
    fn from(c: Capabilities) -> Self {
        Self {
            streaming: c.streaming,
            tools: c.tools,
            json_schema: c.json_schema,
            vision: c.vision,
            audio: c.audio,
            logprobs: c.logprobs,
            multiple_choices: c.multiple_choices,
            token_ids: c.token_ids,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Retries;
    use crate::route::endpoint::{Blame, Evidence, Lease};

    fn upstream(urls: &[&str]) -> Upstream {
        let config: UpstreamConfig =
            serde_json::from_value(serde_json::json!({"name": "a", "urls": urls})).unwrap();
        let configured = ConfiguredUpstream::plain(config, Some("sk-secret".into()));
        Upstream::new(configured, Duration::from_secs(1), None, 7).unwrap()
    }

    fn pick(upstream: &Upstream, random: u64) -> Option<Arc<Endpoint>> {
        let now = Instant::now();
        let picked = upstream.pick(&need(&Prefix::default(), random, now), false);
        picked.map(|picked| picked.endpoint)
    }

    fn need(prefix: &Prefix, random: u64, now: Instant) -> Need<'_> {
        Need {
            model: "m",
            tried: &[],
            prefix,
            advised: None,
            random,
            now,
        }
    }

    #[test]
    fn the_selectors_choice_is_taken_unless_it_may_not_be_asked() {
        let upstream = upstream(&["http://a", "http://b"]);
        let (prefix, now) = (Prefix::default(), Instant::now());
        let _busy = Lease::new(&upstream.endpoints[0], 1, now);
        let advised = |tried| Need {
            advised: Some(&upstream.endpoints[0]),
            tried,
            ..need(&prefix, 0, now)
        };
        let pick = |need: &Need<'_>| upstream.pick(need, false).unwrap().endpoint;
        assert_eq!(&*pick(&advised(&[])).base, "http://a");
        let tried = [upstream.endpoints[0].clone()];
        assert_eq!(&*pick(&advised(&tried)).base, "http://b");
        upstream.endpoints[0].set_up(false);
        assert_eq!(&*pick(&advised(&[])).base, "http://b");
    }

    #[test]
    fn the_less_loaded_of_two_replicas_is_picked() {
        let upstream = upstream(&["http://a", "http://b"]);
        let _busy = Lease::new(&upstream.endpoints[0], 1, Instant::now());
        for random in 0..64 {
            let picked = pick(&upstream, random << 31 | random).unwrap();
            assert_eq!(&*picked.base, "http://b");
        }
    }

    #[test]
    fn an_ejected_replica_is_the_last_resort() {
        let upstream = upstream(&["http://a/v1/"]);
        let (retries, now) = (Retries::default(), Instant::now());
        let endpoint = pick(&upstream, 0).unwrap();
        let seen = Evidence { key: 1, prompt: 1 };
        for _ in 0..retries.eject_after {
            endpoint.failed(Blame::Transport, seen, &retries, now);
        }
        assert!(
            upstream
                .pick(&need(&Prefix::default(), 0, now), false)
                .is_none()
        );
        assert!(
            upstream
                .pick(&need(&Prefix::default(), 0, now), true)
                .is_some()
        );
        endpoint.succeeded();
        assert_eq!(&*pick(&upstream, 0).unwrap().base, "http://a");
    }

    #[test]
    fn the_key_of_an_upstream_does_not_print() {
        assert!(!format!("{:?}", upstream(&["http://a"])).contains("sk-secret"));
    }

    #[test]
    fn a_url_that_is_none_is_named() {
        let config: UpstreamConfig =
            serde_json::from_value(serde_json::json!({"name": "a", "urls": ["ftp://x"]})).unwrap();
        let configured = ConfiguredUpstream::plain(config, None);
        let error = Upstream::new(configured, Duration::ZERO, None, 7).unwrap_err();
        assert!(error.to_string().contains("ftp://x"));
    }
}
