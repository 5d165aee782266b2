//! Trying upstreams in the ranked order until one begins to answer. Only before the first byte, and bounded.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use forebay_dialect::canonical::Field;
use forebay_dialect::exchange::Fetched;
use forebay_dialect::{Request, Wire};
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode};

use super::prepare::Prepared;
use super::{Endpoint, Framing, Upstream, refusal};
use crate::authorize::Rejection;
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
    /// Only the prompt's tokens are asked for.
    pub count: bool,
    /// The answer goes to the client unread: nothing is asked for that it did not ask for.
    pub unread: bool,
    pub(super) state: State,
}

#[derive(Default)]
pub(super) struct State {
    at: usize,
    made: u32,
    tried: Vec<Arc<Endpoint>>,
    last: Option<GatewayError>,
    /// Media fetched for upstreams that take bytes only.
    pub(super) media: Vec<Fetched>,
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
    /// The format it answers in.
    pub wire: Wire,
    /// How it frames a stream.
    pub framing: Framing,
    /// Fields of the request that it was not told.
    pub lost: Vec<String>,
    lease: Lease,
}

/// One attempt failed.
struct Failed {
    error: GatewayError,
    /// No other upstream would say anything else.
    final_: bool,
}

impl From<GatewayError> for Failed {
    fn from(error: GatewayError) -> Self {
        Self {
            error,
            final_: false,
        }
    }
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
            count: false,
            unread: false,
            state: State::default(),
        }
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
            let left = self.deadline.saturating_duration_since(Instant::now());
            let limit = left.min(self.gateway.config().timeouts.first_byte.0);
            let prepared = match self.prepare(&upstream, &endpoint, limit).await {
                Ok(prepared) => prepared,
                Err(error) => {
                    // It costs no attempt: another upstream may be able to take the request.
                    self.state.at += 1;
                    self.state.last.get_or_insert(error);
                    continue;
                }
            };
            self.state.made += 1;
            self.state.tried.push(endpoint.clone());
            if limit.is_zero() {
                return Err(self
                    .state
                    .last
                    .take()
                    .unwrap_or_else(|| timed_out(&upstream.name, Duration::ZERO)));
            }
            match self.ask(upstream, endpoint, prepared, limit).await {
                Ok(answer) => return Ok(answer),
                Err(Failed {
                    error,
                    final_: true,
                }) => return Err(error),
                Err(Failed { error, .. }) => self.state.last = Some(error),
            }
        }
    }

    /// Asks one replica; twice where its credentials turn out to be stale.
    async fn ask(
        &self,
        upstream: Arc<Upstream>,
        endpoint: Arc<Endpoint>,
        prepared: Prepared,
        limit: Duration,
    ) -> Result<Answer, Failed> {
        let Prepared {
            request,
            route,
            lost,
        } = prepared;
        let platform = self.gateway.platform().clone();
        let sent = Instant::now();
        let lease = Lease::new(&endpoint);
        let mut refreshed = false;
        let mut unsent = Some(request);
        loop {
            let limit = limit.saturating_sub(sent.elapsed());
            // Only what may have to be signed anew is kept beyond its sending.
            let request = match &upstream.authorizer {
                None => unsent.take(),
                Some(_) => unsent.clone(),
            };
            let Some(request) = request else {
                let error = "a request was to be sent twice";
                return Err(GatewayError::new(ErrorKind::Internal, error).into());
            };
            let request = match &upstream.authorizer {
                None => request,
                Some(authorizer) => {
                    let authorized = authorizer.authorize(request);
                    match timeout(&*platform, limit, authorized).await {
                        Some(Ok(request)) => request,
                        Some(Err(error)) => {
                            let mut failed = GatewayError::new(
                                ErrorKind::UpstreamAuth,
                                format!("upstream \"{}\": {error}", upstream.name),
                            );
                            failed.retry_after = error.retry_after;
                            self.observe(&upstream, None, Some(failed.kind), sent, true);
                            return Err(failed.into());
                        }
                        None => return Err(timed_out(&upstream.name, limit).into()),
                    }
                }
            };
            let proof = request.extensions().clone();
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
                        wire: route.wire,
                        framing: route.framing,
                        lost,
                        lease,
                    });
                }
                Some(Ok(response)) => {
                    let (head, body) = response.into_parts();
                    let text = timeout(&*platform, limit, collect(body))
                        .await
                        .unwrap_or_default();
                    let mut error = refusal::read(
                        &upstream.name,
                        route.wire,
                        head.status,
                        &head.headers,
                        text.clone(),
                    );
                    let code = head.status.as_u16();
                    if let (400 | 401 | 403, Some(authorizer)) = (code, &upstream.authorizer) {
                        match authorizer.rejected(&proof, code, &head.headers, &text) {
                            Rejection::Refresh if !refreshed => {
                                refreshed = true;
                                continue;
                            }
                            Rejection::Refresh | Rejection::Unrelated => {}
                            Rejection::Final(why) => {
                                error.kind = ErrorKind::UpstreamAuth;
                                error.status = None;
                                error.message = format!("upstream \"{}\": {why}", upstream.name);
                            }
                        }
                    }
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
            } else if status != Some(StatusCode::TOO_MANY_REQUESTS) {
                // Too many requests is no sign of illness.
                self.count_failure(&upstream, &endpoint);
            }
            return Err(Failed {
                error,
                final_: last_word,
            });
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
