//! The credential of one upstream: built once, adds what authenticates to each request.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use crate::aws::{Sigv4, rejected_for_clock, rejected_for_token};
use crate::bearer::Grant;
use crate::build::build;
use crate::cached::{Cached, Generation};
use crate::clock::Skew;
use crate::config::AuthConfig;
use crate::error::CredentialError;
use crate::fetch::{Ask, Fetch};
use crate::oci::Oci;
use crate::resolve::Resolve;

/// From how many seconds on a wrong clock is why Oracle refused. It takes five minutes, and does not
/// say why it refuses; one minute less, since the answer took its time.
const ORACLE_SKEW: u64 = 240;

/// What an upstream's section says beside `auth`.
#[derive(Debug, Clone, Copy)]
pub struct Defaults<'a> {
    /// Its name, for messages.
    pub upstream: &'a str,
    /// Its region, for signatures that need one and configure none. Empty: unknown.
    pub region: &'a str,
}

/// The credential of one upstream. Share it: its tokens are obtained once for all requests.
pub struct Credentials {
    kind: &'static str,
    method: Method,
}

/// How requests are authenticated.
pub(crate) enum Method {
    /// Headers that stay as they are. None: no credential.
    Headers(Vec<(HeaderName, HeaderValue)>),
    /// A bearer token that ends.
    Token(Box<BearerToken>),
    Sigv4(Box<Sigv4>),
    Oci(Box<Oci>),
}

/// A bearer token, and how the next one is obtained.
pub(crate) struct BearerToken {
    pub(crate) grant: Grant,
    pub(crate) cached: Cached<HeaderValue>,
}

impl BearerToken {
    async fn get(&self, ask: Ask<'_>) -> Result<(HeaderValue, Generation), CredentialError> {
        self.cached.get(ask.now, self.grant.obtain(ask)).await
    }
}

/// Which token a request was given. Give it back to [`Credentials::rejected`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authorized(Generation);

/// What to do after an upstream refused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The token may have been too old: authorize again, and retry once.
    Refresh,
    /// Another attempt would be refused as well.
    Final,
    /// This machine's clock is off by more than the provider takes. A retry won't help; the clock
    /// must be set.
    ClockSkew(Skew),
}

impl Credentials {
    /// Reads what `config` refers to. Sends nothing: tokens are obtained when first needed.
    ///
    /// # Errors
    ///
    /// A variable, file, key or address that is missing or can't be used.
    pub fn new(
        config: &AuthConfig,
        defaults: &Defaults<'_>,
        resolve: &Arc<dyn Resolve>,
    ) -> Result<Self, CredentialError> {
        let (kind, method) = build(config, defaults, resolve)?;
        Ok(Self { kind, method })
    }

    /// Adds the credential to a request that is otherwise ready: its URL, headers and body are
    /// what is signed, and must be sent as they are. An older credential in the same headers is
    /// replaced.
    ///
    /// May wait for a token. Safe to drop at any time: whoever else waits goes on.
    ///
    /// # Errors
    ///
    /// The token endpoint refused, could not be reached or answered nonsense; or the request
    /// can't be signed. The request is then not fit to be sent.
    pub async fn authorize(
        &self,
        request: &mut Request<Bytes>,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> Result<Authorized, CredentialError> {
        let ask = Ask { fetch, now };
        let generation = match &self.method {
            Method::Headers(headers) => {
                for (name, value) in headers {
                    request.headers_mut().insert(name, value.clone());
                }
                0
            }
            Method::Token(token) => {
                let (value, generation) = token.get(ask).await?;
                request.headers_mut().insert(AUTHORIZATION, value);
                generation
            }
            Method::Sigv4(signer) => signer.authorize(request, ask).await?,
            Method::Oci(signer) => signer.authorize(request, ask).await?,
        };
        Ok(Authorized(generation))
    }

    /// Obtains or renews the token if that is due, without a request. Called at start it shows
    /// what is wrong early; called every few seconds it spares requests the wait.
    ///
    /// # Errors
    ///
    /// As [`Credentials::authorize`]. With a token that is still good, renewal may fail silently.
    pub async fn warm(&self, fetch: &dyn Fetch, now: SystemTime) -> Result<(), CredentialError> {
        let ask = Ask { fetch, now };
        match &self.method {
            Method::Headers(_) => Ok(()),
            Method::Token(token) => token.get(ask).await.map(drop),
            Method::Sigv4(signer) => signer.keys(ask).await.map(drop),
            Method::Oci(signer) => signer.signer(ask).await.map(drop),
        }
    }

    /// The upstream answered `status` to a request that was `used` with. Forgets the token if it
    /// may be the reason. Other statuses than 401 and 403 (and AWS's 400) are [`Rejection::Final`].
    pub fn rejected(
        &self,
        used: Authorized,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
    ) -> Rejection {
        let refresh = |may_help: bool| {
            if may_help {
                Rejection::Refresh
            } else {
                Rejection::Final
            }
        };
        match (&self.method, status) {
            (Method::Token(token), 401) => refresh(token.cached.refused(used.0, now)),
            (Method::Oci(signer), 401) => {
                let skewed =
                    Skew::of(headers, now).filter(|s| s.seconds.unsigned_abs() >= ORACLE_SKEW);
                match skewed {
                    Some(skew) => Rejection::ClockSkew(skew),
                    None => refresh(signer.refused(used.0, now)),
                }
            }
            (Method::Sigv4(_), 400 | 401 | 403) if rejected_for_clock(headers, body) => {
                Skew::of(headers, now).map_or(Rejection::Final, Rejection::ClockSkew)
            }
            (Method::Sigv4(signer), 400 | 401 | 403) if rejected_for_token(headers, body) => {
                refresh(signer.refused(used.0, now))
            }
            _ => Rejection::Final,
        }
    }

    /// The `kind` it was configured with, such as `sigv4`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
