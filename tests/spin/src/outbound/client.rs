//! The HTTP client that all instances share: pooled, with TLS, and a limit on each wait.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{HttpConnector, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::allowed::Destination;
use super::body::TimedBody;
use super::errors;
use crate::error::StartError;
use crate::runtime_config::{ClientTls, OutboundHttp};

/// From the request until there is a connection for it, free or new.
const CONNECT: Duration = Duration::from_secs(10);

/// From there to the response's head: a model's first token may take that long.
const FIRST_BYTE: Duration = Duration::from_secs(60);

/// Between two pieces of a response's body.
const BETWEEN_BYTES: Duration = Duration::from_secs(60);

/// How long a connection is kept without use: less than what servers usually grant (60 s and more).
const IDLE: Duration = Duration::from_secs(30);

/// Unused connections kept for each host.
const IDLE_PER_HOST: usize = 64;

type Https = Client<HttpsConnector<HttpConnector>, WasiBody>;

/// The clients, cheap to clone.
#[derive(Clone)]
pub(crate) struct Clients(Arc<Inner>);

struct Inner {
    usual: Https,
    /// Clients that trust other authorities, for some hosts of some components.
    special: Vec<Special>,
    limit: Option<Arc<Semaphore>>,
}

struct Special {
    components: Vec<String>,
    hosts: Vec<String>,
    client: Https,
}

impl Clients {
    /// Clients as the runtime configuration wants them.
    pub(crate) fn new(http: &OutboundHttp, tls: Vec<ClientTls>) -> Result<Self, StartError> {
        let special = tls
            .into_iter()
            .map(|tls| {
                Ok(Special {
                    client: client(http, &roots(&tls)?)?,
                    components: tls.component_ids,
                    hosts: tls.hosts,
                })
            })
            .collect::<Result<_, StartError>>()?;
        let mozilla = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        Ok(Self(Arc::new(Inner {
            usual: client(http, &Arc::new(mozilla))?,
            special,
            limit: http
                .limit
                .map(|limit| Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)))),
        })))
    }

    /// Sends a request and waits for the head of its response. Redirects are the component's business.
    pub(super) async fn send(
        &self,
        component: &str,
        to: &Destination,
        mut request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        abandoned: CancellationToken,
    ) -> Result<http::Response<WasiBody>, Error> {
        let options = options.unwrap_or_default();
        let connect = options.connect_timeout.unwrap_or(CONNECT);
        let permit = self.permit(connect).await?;
        let client = self.client(component, &to.host.to_string());
        let mut connection = capture_connection(&mut request);
        let mut sending = pin!(client.request(request));
        let connected = async {
            connection.wait_for_connection_metadata().await;
        };
        let early = tokio::select! {
            biased;
            response = &mut sending => Some(response),
            done = tokio::time::timeout(connect, connected) => match done {
                Ok(()) => None,
                Err(_) => return Err(Error::ConnectionTimeout),
            },
        };
        let response = match early {
            Some(response) => response,
            None => within(options.first_byte_timeout.unwrap_or(FIRST_BYTE), sending).await?,
        };
        let between = options.between_bytes_timeout.unwrap_or(BETWEEN_BYTES);
        let wrap = |body: Incoming| TimedBody::new(body, between, abandoned, permit).boxed_unsync();
        response
            .map(|response| response.map(wrap))
            .map_err(|error| errors::of_request(&error))
    }

    async fn permit(&self, patience: Duration) -> Result<Option<OwnedSemaphorePermit>, Error> {
        let Some(limit) = &self.0.limit else {
            return Ok(None);
        };
        match tokio::time::timeout(patience, limit.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Some(permit)),
            _ => Err(Error::ConnectionLimitReached),
        }
    }

    fn client(&self, component: &str, host: &str) -> &Https {
        self.0
            .special
            .iter()
            .find(|special| {
                special.components.iter().any(|id| id == component)
                    && special.hosts.iter().any(|name| name == host)
            })
            .map_or(&self.0.usual, |special| &special.client)
    }
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Result<T, Error> {
    tokio::time::timeout(limit, future)
        .await
        .map_err(|_| Error::ConnectionReadTimeout)
}

fn client(config: &OutboundHttp, roots: &Arc<RootCertStore>) -> Result<Https, StartError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError::Runtime(error.to_string()))?
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    // An event of a stream must not wait for the next one.
    http.set_nodelay(true);
    // A connection that nobody waits for any more is still being opened: not for ever.
    http.set_connect_timeout(Some(FIRST_BYTE));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .wrap_connector(http);
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(if config.pooling { IDLE_PER_HOST } else { 0 });
    Ok(builder.build(connector))
}

fn roots(tls: &ClientTls) -> Result<Arc<RootCertStore>, StartError> {
    let mut roots = RootCertStore::empty();
    if tls.ca_webpki_roots.unwrap_or(tls.ca_roots_file.is_none()) {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(file) = &tls.ca_roots_file {
        let invalid = |why: String| {
            StartError::invalid(
                "client_tls.ca_roots_file",
                format!("{}: {why}", file.display()),
            )
        };
        let certificates =
            CertificateDer::pem_file_iter(file).map_err(|error| invalid(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| invalid(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(invalid("holds no certificate".into()));
        }
    }
    Ok(Arc::new(roots))
}
