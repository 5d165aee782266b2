//! Credentials that are more than a key, over this host's own connections and clock.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_credentials::{
    Authorized, BoxFuture, CredentialError, Credentials, Fetch, MAX_TOKEN_ANSWER, Rejection,
};
use forebay_gateway::authorize::{self, AuthError, Authorizer};
use forebay_gateway::platform::UpstreamTransport;
use http::{Extensions, HeaderMap};
use http_body_util::BodyExt as _;

use super::transport::Transport;
use super::{clock, failure};

/// How long a token endpoint may take: it is asked while a request waits, and answers in
/// milliseconds where it is well.
const PATIENCE: Duration = Duration::from_secs(10);

/// The credentials of one upstream.
pub struct UpstreamCredentials {
    credentials: Credentials,
    endpoints: TokenEndpoints,
    upstream: String,
}

impl UpstreamCredentials {
    /// Credentials whose token endpoints are asked over `transport`.
    pub fn new(upstream: &str, credentials: Credentials, transport: Arc<Transport>) -> Self {
        Self {
            credentials,
            endpoints: TokenEndpoints(transport),
            upstream: upstream.to_owned(),
        }
    }
}

impl Authorizer for UpstreamCredentials {
    fn authorize(
        &self,
        mut request: http::Request<Bytes>,
    ) -> forebay_gateway::platform::BoxFuture<'_, Result<http::Request<Bytes>, AuthError>> {
        Box::pin(async move {
            let now = clock::wall();
            let authorized = self
                .credentials
                .authorize(&mut request, &self.endpoints, now)
                .await
                .map_err(|error| told(&error))?;
            request.extensions_mut().insert(authorized);
            Ok(request)
        })
    }

    fn rejected(
        &self,
        proof: &Extensions,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
    ) -> authorize::Rejection {
        let Some(used) = proof.get::<Authorized>() else {
            return authorize::Rejection::Unrelated;
        };
        let now = clock::wall();
        match self.credentials.rejected(*used, status, headers, body, now) {
            Rejection::Refresh => authorize::Rejection::Refresh,
            Rejection::Final if status == 400 => authorize::Rejection::Unrelated,
            Rejection::Final => authorize::Rejection::Final(format!(
                "the credentials of kind \"{}\" (upstreams \"{}\", auth) were refused with status {status}",
                self.credentials.kind(),
                self.upstream
            )),
            Rejection::ClockSkew(skew) => authorize::Rejection::Final(format!(
                "the credentials of kind \"{}\" (upstreams \"{}\", auth) were refused with status {status}: {skew}",
                self.credentials.kind(),
                self.upstream
            )),
        }
    }
}

fn told(error: &CredentialError) -> AuthError {
    AuthError {
        message: error.to_string(),
        retry: error.is_transient(),
        retry_after: error.is_transient().then_some(Duration::from_secs(1)),
    }
}

/// Token endpoints, asked as upstreams are.
struct TokenEndpoints(Arc<Transport>);

impl Fetch for TokenEndpoints {
    fn fetch(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, String>> {
        Box::pin(async move {
            let transport = UpstreamTransport {
                connect_timeout: Duration::from_secs(3),
                connection_age: Duration::from_secs(60),
                h2c: false,
                ca_file: None,
                client_tls: None,
            };
            let client = self
                .0
                .client(&transport, super::transport::Use::Shared)
                .map_err(|e| e.to_string())?;
            let asked = async {
                let response = client
                    .request(request.map(Into::into))
                    .await
                    .map_err(|e| failure::of_request(&e).to_string())?;
                let (head, mut body) = response.into_parts();
                let mut gathered = BytesMut::new();
                while let Some(frame) = body.frame().await {
                    let frame = frame.map_err(|e| e.to_string())?;
                    if let Some(data) = frame.data_ref() {
                        gathered.extend_from_slice(data);
                    }
                    if gathered.len() > MAX_TOKEN_ANSWER {
                        return Err(format!("it answered more than {MAX_TOKEN_ANSWER} bytes"));
                    }
                }
                Ok(http::Response::from_parts(head, gathered.freeze()))
            };
            tokio::time::timeout(PATIENCE, asked)
                .await
                .map_err(|_| format!("it did not answer within {} s", PATIENCE.as_secs()))?
        })
    }
}
