//! Trying upstreams in the ranked order until one begins to answer. Only before the first byte, and bounded.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use forebay_dialect::canonical::{Field, Operation};
use forebay_dialect::{BodyChange, Request, json_string};
use futures_util::StreamExt as _;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{Endpoint, Upstream, refusal};
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::observe::{Attempt, Observation};
use crate::platform::{Platform, TransportError, TransportFailure, UpstreamBody};
use crate::time::timeout;

/// The most of a refusal's body that is read: enough for any error message, an HTML page too.
const MAX_REFUSAL: usize = 64 << 10;

/// One request's way through its ranked upstreams.
pub(crate) struct Attempts<P: Platform> {
    /// The gateway.
    pub gateway: Arc<Gateway<P>>,
    /// The request, masks in place.
    pub request: Arc<Request>,
    /// Best first.
    pub order: Vec<Arc<Upstream>>,
    /// The tenant's salt for engines that take one.
    pub cache_salt: String,
    /// Fields for the provider's own prompt cache.
    pub hints: Vec<Field>,
    /// `x-request-id`, `traceparent`.
    pub headers: HeaderMap,
    /// When the client's time is up.
    pub deadline: Instant,
    /// The answer goes to the client unread: nothing is asked for that it did not ask for.
    pub unread: bool,
    state: State,
}

#[derive(Default)]
struct State {
    at: usize,
    made: u32,
    tried: Vec<Arc<Endpoint>>,
    last: Option<GatewayError>,
}

/// An upstream that has begun to answer, with success.
pub(crate) struct Answer {
    /// Who.
    pub upstream: Arc<Upstream>,
    /// Its response's head.
    pub head: http::response::Parts,
    /// Its response's body.
    pub body: UpstreamBody,
    /// When the request was sent.
    pub sent: Instant,
    lease: Lease,
}

/// Counts a request in flight at a replica for as long as it lives.
struct Lease(Arc<Endpoint>);

impl Lease {
    fn new(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.in_flight.fetch_add(1, Relaxed);
        Self(endpoint.clone())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

impl<P: Platform> Attempts<P> {
    /// A way through `order`.
    pub(crate) fn new(
        gateway: Arc<Gateway<P>>,
        request: Arc<Request>,
        order: Vec<Arc<Upstream>>,
        headers: HeaderMap,
        deadline: Instant,
    ) -> Self {
        Self {
            gateway,
            request,
            order,
            cache_salt: String::new(),
            hints: Vec::new(),
            headers,
            deadline,
            unread: false,
            state: State::default(),
        }
    }

    fn operation(&self) -> Operation {
        self.request.prompt.operation
    }

    /// The next upstream that begins to answer with success. An error is final.
    pub(crate) async fn next(&mut self) -> Result<Answer, GatewayError> {
        loop {
            let spent = self.state.made >= self.gateway.config().retries.attempts.max(1);
            let next = if spent { None } else { self.pick() };
            let Some((upstream, endpoint)) = next else {
                return Err(self.state.last.take().unwrap_or_else(|| {
                    GatewayError::new(
                        ErrorKind::NoUpstream,
                        "every upstream that may serve this request is out of order",
                    )
                    .with_retry_after(Duration::from_secs(1))
                }));
            };
            self.state.made += 1;
            self.state.tried.push(endpoint.clone());
            let left = self.deadline.saturating_duration_since(Instant::now());
            let limit = left.min(self.gateway.config().timeouts.first_byte.0);
            if limit.is_zero() {
                return Err(self
                    .state
                    .last
                    .take()
                    .unwrap_or_else(|| timed_out(&upstream.name, Duration::ZERO)));
            }
            let sent = Instant::now();
            let lease = Lease::new(&endpoint);
            let request = self.build(&upstream, &endpoint, limit)?;
            let platform = self.gateway.platform().clone();
            let answer = timeout(
                &*platform,
                limit,
                platform.send(request, &upstream.transport),
            )
            .await;
            let (status, error, last_word) = match answer {
                Some(Ok(response)) if response.status().is_success() => {
                    let (head, body) = response.into_parts();
                    self.observe(&upstream, Some(head.status), None, sent, false);
                    return Ok(Answer {
                        upstream,
                        head,
                        body,
                        sent,
                        lease,
                    });
                }
                Some(Ok(response)) => {
                    let (head, body) = response.into_parts();
                    let text = timeout(&*platform, limit, collect(body))
                        .await
                        .unwrap_or_default();
                    let error = refusal::read(
                        &upstream.name,
                        self.operation(),
                        head.status,
                        &head.headers,
                        text,
                    );
                    (
                        Some(head.status),
                        error,
                        !refusal::is_worth_another_try(head.status),
                    )
                }
                Some(Err(error)) => (None, transport_error(&upstream.name, &error), false),
                None => (None, timed_out(&upstream.name, limit), false),
            };
            drop(lease);
            self.observe(&upstream, status, Some(error.kind), sent, !last_word);
            if last_word {
                // The upstream works; it is the request that it refused.
                endpoint.succeeded();
                return Err(error);
            }
            // Too many requests is no sign of illness.
            if status != Some(StatusCode::TOO_MANY_REQUESTS) {
                self.count_failure(&upstream, &endpoint);
            }
            self.state.last = Some(error);
        }
    }

    /// An answer broke before its first event: the next one may be tried.
    pub(crate) fn broke_early(&mut self, answer: &Answer, error: GatewayError) {
        self.broke(answer, &error, true);
        self.state.last = Some(error);
    }

    /// An answer broke, and the upstream is to blame. `retried`: the next one is tried.
    pub(crate) fn broke(&self, answer: &Answer, error: &GatewayError, retried: bool) {
        self.count_failure(&answer.upstream, &answer.lease.0);
        self.observe(
            &answer.upstream,
            None,
            Some(error.kind),
            answer.sent,
            retried,
        );
    }

    fn pick(&mut self) -> Option<(Arc<Upstream>, Arc<Endpoint>)> {
        while let Some(upstream) = self.order.get(self.state.at) {
            let random = u64::from_le_bytes(first_eight(self.gateway.platform().random()));
            if let Some(endpoint) = upstream.pick(&self.state.tried, random) {
                return Some((upstream.clone(), endpoint));
            }
            self.state.at += 1;
        }
        None
    }

    fn build(
        &self,
        upstream: &Upstream,
        endpoint: &Endpoint,
        limit: Duration,
    ) -> Result<http::Request<Bytes>, GatewayError> {
        let request = &self.request;
        let model = upstream
            .model_name(&request.prompt.model)
            .filter(|name| **name != *request.prompt.model);
        let salt = json_string(&self.cache_salt);
        let has = |name: &str| request.prompt.extra.iter().any(|field| field.name == name);
        let mut set: Vec<(&str, &str)> = self
            .hints
            .iter()
            .filter(|hint| !has(&hint.name))
            .map(|hint| (hint.name.as_str(), hint.value.as_str()))
            .collect();
        if upstream.config.cache_salt {
            set.push(("cache_salt", &salt));
        }
        let body = request.upstream_body(&BodyChange {
            model,
            stream: None,
            include_usage: request.stream && upstream.config.include_usage && !self.unread,
            set: &set,
            remove: &[],
        });
        let path = match self.operation() {
            Operation::Chat => "/v1/chat/completions",
            Operation::Completion => "/v1/completions",
            Operation::Embedding => "/v1/embeddings",
        };
        let mut out = http::Request::post(format!("{}{path}", endpoint.base))
            .body(body)
            .map_err(|_| {
                GatewayError::new(ErrorKind::Internal, "the upstream's URL can't be asked")
            })?;
        let headers = out.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accept = if request.stream {
            "text/event-stream"
        } else {
            "application/json"
        };
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("forebay/", env!("CARGO_PKG_VERSION"))),
        );
        // The deadline in milliseconds, under the name that Envoy gave it.
        if let Ok(value) = HeaderValue::from_str(&limit.as_millis().to_string()) {
            headers.insert("x-envoy-expected-rq-timeout-ms", value);
        }
        headers.extend(self.headers.clone());
        headers.extend(upstream.headers.clone());
        Ok(out)
    }

    fn count_failure(&self, upstream: &Upstream, endpoint: &Endpoint) {
        if endpoint.failed(&self.gateway.config().retries) {
            self.gateway.platform().observe(Observation::Health {
                upstream: upstream.name.clone(),
                endpoint: endpoint.base.clone(),
                healthy: false,
            });
        }
    }

    fn observe(
        &self,
        upstream: &Upstream,
        status: Option<StatusCode>,
        failure: Option<ErrorKind>,
        sent: Instant,
        retried: bool,
    ) {
        self.gateway
            .platform()
            .observe(Observation::Attempt(Attempt {
                upstream: upstream.name.clone(),
                status: status.map(|s| s.as_u16()),
                failure,
                head: sent.elapsed(),
                retried,
            }));
    }
}

impl Answer {
    /// The answer came whole: the replica is well.
    pub(crate) fn succeeded(&self) {
        self.lease.0.succeeded();
    }
}

fn first_eight(random: [u8; 16]) -> [u8; 8] {
    let mut eight = [0; 8];
    eight.copy_from_slice(&random[..8]);
    eight
}

async fn collect(mut body: UpstreamBody) -> Bytes {
    let mut out = BytesMut::new();
    while let Some(Ok(chunk)) = body.next().await {
        out.extend_from_slice(&chunk[..chunk.len().min(MAX_REFUSAL - out.len())]);
        if out.len() >= MAX_REFUSAL {
            break;
        }
    }
    out.freeze()
}

/// A failed exchange as a client reads it.
pub(crate) fn transport_error(upstream: &str, error: &TransportError) -> GatewayError {
    let (kind, what) = match error.failure {
        TransportFailure::Connect => (ErrorKind::UpstreamUnreachable, "could not be reached"),
        TransportFailure::Reset => (
            ErrorKind::UpstreamReset,
            "closed the connection before it answered",
        ),
        TransportFailure::Body => (ErrorKind::UpstreamReset, "broke off its answer"),
        TransportFailure::Protocol => (ErrorKind::UpstreamInvalid, "did not answer in HTTP"),
    };
    GatewayError::new(
        kind,
        format!("upstream \"{upstream}\" {what}: {}", error.detail),
    )
}

/// An upstream that took too long.
pub(crate) fn timed_out(upstream: &str, limit: Duration) -> GatewayError {
    GatewayError::new(
        ErrorKind::UpstreamTimeout,
        format!(
            "upstream \"{upstream}\" sent nothing for {:.1} s (timeouts)",
            limit.as_secs_f64()
        ),
    )
}
