//! What an upstream wants to know of who asks, where that is more than a key that never changes.

use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, HeaderMap};

use crate::platform::{BoxFuture, MaybeSend, MaybeSync};

/// Authenticates requests to one upstream: signs them, or brings a token that it keeps fresh.
pub trait Authorizer: MaybeSend + MaybeSync {
    /// Adds to a request, otherwise ready to be sent, what proves who sends it. May ask a token
    /// endpoint first, once for all who wait.
    fn authorize(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Request<Bytes>, AuthError>>;

    /// The upstream has answered 400, 401 or 403 to a request that `authorize` gave these extensions.
    fn rejected(
        &self,
        proof: &Extensions,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Rejection;
}

/// What a refusal of credentials means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// What was cached has been forgotten: a fresh one may do, once.
    Refresh,
    /// It was not about credentials.
    Unrelated,
    /// The credentials are wrong; the sentence names which, and where they were configured.
    Final(String),
}

/// Credentials could not be had. The sentence names which and where they were configured,
/// never their values.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct AuthError {
    /// What is wrong.
    pub message: String,
    /// Another try may help.
    pub retry: bool,
    /// When.
    pub retry_after: Option<Duration>,
}
