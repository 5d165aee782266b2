//! Upstreams as they are now: replicas, health, load, measured speed, and what they probably have warm.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use forebay_dialect::Wire;
use forebay_dialect::canonical::Needs;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::Route;
use super::warmth::Warmth;
use crate::authorize::Authorizer;
use crate::config::{Capabilities, ConfiguredUpstream, OfferFacts, Retries, UpstreamConfig};
use crate::platform::UpstreamTransport;
use crate::policy::{Block, Candidate};

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
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// Measured; shared with the upstream of the same name after a reload.
    measured: Arc<Measured>,
    /// Its place in the configuration.
    order: u32,
}

/// One replica.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Its base URL, without a trailing slash.
    pub base: Arc<str>,
    pub(super) in_flight: AtomicU32,
    failures: AtomicU32,
    /// Set by the active checks.
    pub(super) healthy: AtomicBool,
    /// Milliseconds since `epoch` until which it gets no requests.
    ejected_until: AtomicU64,
    epoch: Instant,
}

/// Moving averages over answers; each new one counts for a tenth.
#[derive(Debug)]
struct Measured {
    ttft_ms: Mutex<Option<f64>>,
    tokens_per_second: Mutex<Option<f64>>,
    warmth: Warmth,
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
}

/// A configured upstream that can't be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UpstreamConfigError {
    /// A format that is none.
    #[error(
        "upstream \"{name}\": \"{wire}\" is no format; there are chat, completions, responses, messages, embeddings, gemini, converse, cohere and oci (upstreams.speaks)"
    )]
    Wire {
        /// The upstream.
        name: String,
        /// What is configured.
        wire: String,
    },
    /// No URL or one that is none.
    #[error("upstream \"{name}\": \"{url}\" is no http or https URL (upstreams.urls)")]
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
    /// Makes the runtime form of a configured upstream.
    pub(crate) fn new(
        configured: ConfiguredUpstream,
        order: u32,
        connect_timeout: Duration,
        carry: Option<&Upstream>,
    ) -> Result<Self, UpstreamConfigError> {
        let ConfiguredUpstream {
            config,
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
            headers.insert(
                parsed,
                HeaderValue::from_str(value).map_err(|_| bad_header(header))?,
            );
        }
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
        let measured = carry.map_or_else(
            || {
                Arc::new(Measured {
                    ttft_ms: Mutex::default(),
                    tokens_per_second: Mutex::default(),
                    warmth: Warmth::default(),
                })
            },
            |old| old.measured.clone(),
        );
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
            measured,
            order,
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

    /// What the selector sees of it now.
    pub(crate) fn candidate(&self, model: &str, chain: &[Block], tenant: u64) -> Candidate {
        let config = &self.config;
        let offer = self.offers.get(model);
        let now = Instant::now();
        Candidate {
            name: config.name.clone(),
            region: config.region.clone(),
            jurisdiction: config.jurisdiction.clone(),
            healthy: self.endpoints.iter().any(|e| e.is_usable(now)),
            capabilities: match offer {
                Some(offer) => config.capabilities.and(offer.capabilities).into(),
                None => config.capabilities.into(),
            },
            context_tokens: match (config.context_tokens, offer) {
                (0, Some(offer)) => offer.context_tokens,
                (tokens, _) => tokens,
            },
            price: config
                .price
                .map(Into::into)
                .or_else(|| offer.and_then(|offer| offer.price)),
            ttft_ms: read(&self.measured.ttft_ms)
                .or_else(|| config.expected_ttft.map(|t| t.0.as_secs_f64() * 1e3))
                .or_else(|| offer.and_then(|offer| offer.ttft_ms))
                // 500 ms: a prompt of some thousand tokens on one H100, unloaded.
                .unwrap_or(500.0),
            tokens_per_second: read(&self.measured.tokens_per_second)
                .or(config.expected_tokens_per_second)
                .or_else(|| offer.and_then(|offer| offer.tokens_per_second))
                .unwrap_or(50.0),
            in_flight: self.in_flight(),
            capacity: config.capacity,
            warm_tokens: self.measured.warmth.tokens(chain, tenant),
            order: self.order,
        }
    }

    /// Takes note that it now has these blocks of a tenant warm.
    pub(crate) fn warmed(&self, chain: &[Block], tenant: u64) {
        self.measured.warmth.note(chain, tenant);
    }

    /// Takes note of how fast it answered.
    pub(crate) fn measured(&self, ttft: Duration, tokens: u64, decode: Duration) {
        average(&self.measured.ttft_ms, ttft.as_secs_f64() * 1e3);
        // Under 8 tokens or 5 ms the rate says more about the network than about the engine.
        if tokens >= 8 && decode >= Duration::from_millis(5) {
            average(
                &self.measured.tokens_per_second,
                tokens as f64 / decode.as_secs_f64(),
            );
        }
    }

    /// Requests in flight to all its replicas.
    pub(crate) fn in_flight(&self) -> u32 {
        self.endpoints
            .iter()
            .map(|e| e.in_flight.load(Relaxed))
            .sum()
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

    /// Picks a replica that was not tried yet: the less loaded of two picked at random.
    pub(crate) fn pick(&self, tried: &[Arc<Endpoint>], random: u64) -> Option<Arc<Endpoint>> {
        let now = Instant::now();
        let free: Vec<&Arc<Endpoint>> = self
            .endpoints
            .iter()
            .filter(|e| e.is_usable(now) && !tried.iter().any(|t| Arc::ptr_eq(t, e)))
            .collect();
        match free.len() {
            0 => None,
            1 => Some(free[0].clone()),
            n => {
                let first = (random as u32) as usize % n;
                let second = (first + 1 + (random >> 32) as usize % (n - 1)) % n;
                let load = |i: usize| free[i].in_flight.load(Relaxed);
                Some(
                    free[if load(second) < load(first) {
                        second
                    } else {
                        first
                    }]
                    .clone(),
                )
            }
        }
    }

    /// As probes and the admin page show it.
    pub(crate) fn status(&self) -> UpstreamStatus {
        let now = Instant::now();
        UpstreamStatus {
            name: self.config.name.clone(),
            endpoints: self
                .endpoints
                .iter()
                .map(|e| EndpointStatus {
                    url: e.base.to_string(),
                    healthy: e.is_usable(now),
                    in_flight: e.in_flight.load(Relaxed),
                })
                .collect(),
            ttft_ms: read(&self.measured.ttft_ms),
            tokens_per_second: read(&self.measured.tokens_per_second),
        }
    }
}

impl Endpoint {
    fn new(base: &str) -> Self {
        Self {
            base: base.into(),
            in_flight: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            healthy: AtomicBool::new(true),
            ejected_until: AtomicU64::new(0),
            epoch: Instant::now(),
        }
    }

    fn is_usable(&self, now: Instant) -> bool {
        self.healthy.load(Relaxed) && self.ejected_until.load(Relaxed) <= self.millis(now)
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns whether this success brought it back.
    pub(super) fn succeeded(&self) {
        self.failures.store(0, Relaxed);
        self.ejected_until.store(0, Relaxed);
    }

    /// Returns whether this failure ejected it.
    pub(super) fn failed(&self, retries: &Retries) -> bool {
        let failures = self.failures.fetch_add(1, Relaxed) + 1;
        if failures < retries.eject_after {
            return false;
        }
        let now = self.millis(Instant::now());
        let until =
            now.saturating_add(u64::try_from(retries.eject_for.0.as_millis()).unwrap_or(u64::MAX));
        self.ejected_until.swap(until, Relaxed) <= now
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

fn read(value: &Mutex<Option<f64>>) -> Option<f64> {
    *value.lock().unwrap_or_else(PoisonError::into_inner)
}

fn average(value: &Mutex<Option<f64>>, new: f64) {
    let mut value = value.lock().unwrap_or_else(PoisonError::into_inner);
    *value = Some(value.map_or(new, |old| old * 0.9 + new * 0.1));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(urls: &[&str]) -> Upstream {
        let config: UpstreamConfig =
            serde_json::from_value(serde_json::json!({"name": "a", "urls": urls})).unwrap();
        let configured = ConfiguredUpstream::plain(config, Some("sk-secret".into()));
        Upstream::new(configured, 0, Duration::from_secs(1), None).unwrap()
    }

    #[test]
    fn the_less_loaded_of_two_replicas_is_picked() {
        let upstream = upstream(&["http://a", "http://b"]);
        upstream.endpoints[0].in_flight.store(5, Relaxed);
        for random in 0..64 {
            assert_eq!(
                &*upstream.pick(&[], random << 31 | random).unwrap().base,
                "http://b"
            );
        }
    }

    #[test]
    fn failures_in_a_row_eject_a_replica_and_a_success_brings_it_back() {
        let upstream = upstream(&["http://a/v1/"]);
        let retries = Retries {
            eject_after: 2,
            ..Retries::default()
        };
        let endpoint = upstream.pick(&[], 0).unwrap();
        assert!(!endpoint.failed(&retries));
        assert!(endpoint.failed(&retries));
        assert!(upstream.pick(&[], 0).is_none());
        endpoint.succeeded();
        assert_eq!(&*upstream.pick(&[], 0).unwrap().base, "http://a");
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
        let error = Upstream::new(configured, 0, Duration::ZERO, None).unwrap_err();
        assert!(error.to_string().contains("ftp://x"));
    }
}
