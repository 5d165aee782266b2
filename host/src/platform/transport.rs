//! Pools of connections to upstreams, one for each way of connecting.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use forebay_gateway::platform::{TransportError, TransportFailure, UpstreamTransport};
use http::Response;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{HttpConnector, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::connect::Within;
use super::failure;
use super::line::Place;

/// One pool.
pub(super) type Pool = Client<Within<HttpsConnector<HttpConnector>>, Full<Bytes>>;

/// The most ways of connecting that are kept: one for each pair of certificates and protocol that
/// a configuration names, over a few reloads. Beyond it the oldest pool goes.
const MAX_POOLS: usize = 64;

/// How a pool connects, and what its connections are for.
type Way = (UpstreamTransport, Use);

/// What a pool's connections are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Any request; they are kept.
    Shared,
    /// One request each.
    Fresh,
    /// One WebSocket each, which only HTTP/1.1 opens.
    Socket,
}

/// All pools. Reading is one atomic load and a short scan.
#[derive(Default)]
pub struct Transport {
    pools: ArcSwap<Vec<(Way, Pool)>>,
    making: Mutex<()>,
}

impl Transport {
    /// The pool for this way of connecting, made when first asked for.
    pub(super) fn client(
        &self,
        upstream: &UpstreamTransport,
        what_for: Use,
    ) -> Result<Pool, TransportError> {
        let find = |pools: &[(Way, Pool)]| {
            pools
                .iter()
                .find(|((t, f), _)| t == upstream && *f == what_for)
                .map(|(_, pool)| pool.clone())
        };
        if let Some(pool) = find(&self.pools.load()) {
            return Ok(pool);
        }
        let _one_at_a_time = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let pools = self.pools.load();
        if let Some(pool) = find(&pools) {
            return Ok(pool);
        }
        let pool = make(upstream, what_for)?;
        let mut grown = (**pools).clone();
        if grown.len() >= MAX_POOLS {
            grown.remove(0);
        }
        grown.push(((upstream.clone(), what_for), pool.clone()));
        self.pools.store(Arc::new(grown));
        Ok(pool)
    }
}

/// Sends a request over a connection that is kept. The place is the request's until its body has come.
///
/// # Errors
///
/// [`TransportFailure::Stale`] where a kept connection turns out to be closed or full; else why there is no
/// answer.
pub(super) async fn send(
    pool: &Pool,
    mut request: http::Request<Full<Bytes>>,
    h2c: bool,
) -> Result<(Response<Incoming>, Option<Place>), TransportError> {
    let captured = capture_connection(&mut request);
    let mut answering = pool.request(request);
    let mut place = None;
    let mut crowded = None;
    let answered = poll_fn(|cx| {
        let polled = Pin::new(&mut answering).poll(cx);
        if place.is_none()
            && let Some(connected) = &*captured.connection_metadata()
        {
            place = Place::take(connected, h2c);
        }
        let (Poll::Pending, Some(taken)) = (&polled, &place) else {
            return polled.map(Some);
        };
        let crowded = crowded.get_or_insert_with(|| taken.crowded());
        crowded.as_mut().poll(cx).map(|()| None)
    })
    .await;
    match answered {
        Some(Ok(response)) => Ok((response, place)),
        Some(Err(error)) => {
            let why = failure::of_request(&error);
            let kept = place.is_some_and(|place| place.kept);
            let stale = kept || failure::is_unprocessed(&error);
            Err(if stale { failure::stale(why) } else { why })
        }
        None => Err(TransportError {
            failure: TransportFailure::Stale,
            detail: "before the response's head: its connection was full".to_owned(),
        }),
    }
}

impl Transport {
    /// The answer to one `GET`, of at most so many bytes.
    pub(crate) async fn get(
        &self,
        url: &str,
        way: &UpstreamTransport,
        max: usize,
    ) -> Result<(http::StatusCode, Bytes), String> {
        let client = self.client(way, Use::Shared).map_err(|e| e.to_string())?;
        let request = http::Request::get(url)
            .header(http::header::ACCEPT, "application/json")
            .body(Full::default())
            .map_err(|e| e.to_string())?;
        let response = client
            .request(request)
            .await
            .map_err(|e| failure::of_request(&e).to_string())?;
        let (head, body) = response.into_parts();
        let body = http_body_util::Limited::new(body, max)
            .collect()
            .await
            .map_err(|e| format!("its answer can't be read, or has more than {max} bytes: {e}"))?;
        Ok((head.status, body.to_bytes()))
    }
}

fn make(upstream: &UpstreamTransport, what_for: Use) -> Result<Pool, TransportError> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(upstream.connect_timeout));
    tcp.set_keepalive(Some(Duration::from_secs(60)));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(upstream)?)
        .https_or_http();
    let connector = match what_for {
        Use::Socket => connector.enable_http1().wrap_connector(tcp),
        Use::Shared | Use::Fresh => connector.enable_all_versions().wrap_connector(tcp),
    };
    let kept = what_for == Use::Shared;
    Ok(Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        // 4 s: engines behind uvicorn close idle connections after 5 s, and a request that meets
        // the closing would fail.
        .pool_idle_timeout(Duration::from_secs(4))
        // 1024: half of the default for requests in flight, so that a burst's connections are used again.
        .pool_max_idle_per_host(if kept { 1024 } else { 0 })
        .http2_only(upstream.h2c && what_for != Use::Socket)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_timeout(Duration::from_secs(10))
        // Windows of 1 MiB a stream and 8 MiB a connection keep a stream that nobody reads from stopping the others.
        .http2_initial_stream_window_size(1 << 20)
        .http2_initial_connection_window_size(8 << 20)
        .build(Within {
            connector,
            limit: upstream.connect_timeout,
            age: upstream.connection_age,
        }))
}

fn failed(detail: String) -> TransportError {
    TransportError {
        failure: TransportFailure::Setup,
        detail,
    }
}

/// Trust in a file's certificates, or in Mozilla's list; and our own certificate, where one is asked for.
fn tls(upstream: &UpstreamTransport) -> Result<rustls::ClientConfig, TransportError> {
    let ca_file = upstream.ca_file.as_deref();
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .map_err(|e| failed(e.to_string()))?;
    let Some(file) = ca_file else {
        return identified(builder.with_webpki_roots(), upstream);
    };
    let mut roots = rustls::RootCertStore::empty();
    let unreadable = |why: String| {
        failed(format!(
            "the certificates in {file} (ca_file) can't be used: {why}"
        ))
    };
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| unreadable(e.to_string()))? {
        let certificate = certificate.map_err(|e| unreadable(e.to_string()))?;
        roots
            .add(certificate)
            .map_err(|e| unreadable(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unreadable("it holds none".to_owned()));
    }
    identified(builder.with_root_certificates(roots), upstream)
}

type Trusting = rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert>;

/// With the certificate of `upstreams.tls`, where there is one.
fn identified(
    builder: Trusting,
    upstream: &UpstreamTransport,
) -> Result<rustls::ClientConfig, TransportError> {
    let Some(own) = &upstream.client_tls else {
        return Ok(builder.with_no_client_auth());
    };
    let unusable = |file: &str, why: String| {
        failed(format!(
            "the gateway's certificate for this upstream (upstreams.tls, {file}) can't be used: {why}"
        ))
    };
    let chain = CertificateDer::pem_file_iter(&own.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| unusable(&own.cert, e.to_string()))?;
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(&own.key)
        .map_err(|e| unusable(&own.key, e.to_string()))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|e| unusable(&own.cert, e.to_string()))
}
