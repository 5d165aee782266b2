//! Who may use the admin surface: a known `Host` (no DNS rebinding), no foreign `Origin` (no cross-site
//! requests), and for all but probes and metrics the token.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::state::Surface;
use crate::operate::PolicyLoader;

/// Checks `Host` and `Origin`.
pub(super) async fn origin<L: PolicyLoader>(
    State(surface): State<Arc<Surface<L>>>,
    request: Request,
    next: Next,
) -> Response {
    match foreign(request.headers(), &surface.hosts) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

fn foreign(headers: &HeaderMap, hosts: &HashSet<String>) -> Option<Response> {
    let known = |host: &str| hosts.contains(&host.to_ascii_lowercase());
    let Some(host) = single(headers, &header::HOST) else {
        return Some(refuse(StatusCode::BAD_REQUEST, "the request names no host"));
    };
    if !known(host) {
        return Some(refuse(
            StatusCode::FORBIDDEN,
            "this host name is not allowed; add it to admin.hosts",
        ));
    }
    if headers.contains_key(header::ORIGIN) {
        let origin = single(headers, &header::ORIGIN);
        let site = origin.and_then(|origin| {
            origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"))
        });
        if !site.is_some_and(known) {
            return Some(refuse(
                StatusCode::FORBIDDEN,
                "requests from other sites are refused",
            ));
        }
    }
    None
}

/// Checks the token, in a time that does not depend on how much of it fits.
pub(super) async fn token<L: PolicyLoader>(
    State(surface): State<Arc<Surface<L>>>,
    request: Request,
    next: Next,
) -> Response {
    let fits = single(request.headers(), &header::AUTHORIZATION)
        .and_then(|value| value.strip_prefix("Bearer "))
        // Digests have one length, so that the length of the token does not show either.
        .is_some_and(|token| {
            Sha256::digest(token.as_bytes())
                .ct_eq(&Sha256::digest(surface.token.as_bytes()))
                .into()
        });
    if !fits {
        let mut response = refuse(
            StatusCode::UNAUTHORIZED,
            "send the admin token as `Authorization: Bearer <token>`",
        );
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            header::HeaderValue::from_static("Bearer"),
        );
        return response;
    }
    next.run(request).await
}

fn single<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

fn refuse(status: StatusCode, why: &'static str) -> Response {
    (status, format!("{why}\n")).into_response()
}
