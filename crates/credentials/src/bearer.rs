//! Tokens that go out as `Authorization: Bearer`: whose they are, how one is obtained.

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use serde::Deserialize;

use crate::azure::{Entra, ManagedIdentity};
use crate::error::{CredentialError, Origin};
use crate::fetch::{Answer, Ask};
use crate::google::{Metadata, ServiceAccount, WorkloadIdentity};
use crate::lease::{Lease, Seconds, UNKNOWN_LIFETIME};
use crate::secret::Secret;

/// The longest token that is used, in bytes: what servers take as one header.
pub(crate) const MAX_TOKEN: usize = 16 * 1024;

/// How a bearer token is obtained.
pub(crate) enum Grant {
    Entra(Entra),
    ManagedIdentity(ManagedIdentity),
    GoogleServiceAccount(ServiceAccount),
    GoogleMetadata(Metadata),
    GoogleWorkloadIdentity(WorkloadIdentity),
}

impl Grant {
    /// A new token, as the header's value.
    pub(crate) async fn obtain(&self, ask: Ask<'_>) -> Result<Lease<HeaderValue>, CredentialError> {
        match self {
            Grant::Entra(grant) => grant.obtain(ask).await,
            Grant::ManagedIdentity(grant) => grant.obtain(ask).await,
            Grant::GoogleServiceAccount(grant) => grant.obtain(ask).await,
            Grant::GoogleMetadata(grant) => grant.obtain(ask).await,
            Grant::GoogleWorkloadIdentity(grant) => grant.obtain(ask).await,
        }
    }
}

/// The answer of an OAuth 2.0 token endpoint (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: Option<Seconds>,
}

/// The bearer token in an OAuth answer.
pub(crate) fn oauth(
    answer: &Answer,
    now: SystemTime,
    origin: &Origin,
) -> Result<Lease<HeaderValue>, CredentialError> {
    let token = oauth_token(answer, now, origin)?;
    Ok(Lease {
        value: header(&token.value, answer, origin)?,
        expires: token.expires,
    })
}

/// The token in an OAuth answer, for a further exchange.
pub(crate) fn oauth_token(
    answer: &Answer,
    now: SystemTime,
    origin: &Origin,
) -> Result<Lease<Secret>, CredentialError> {
    let body: TokenAnswer = answer.json(origin)?;
    let lifetime: Duration = match body.expires_in {
        None => UNKNOWN_LIFETIME,
        Some(seconds) => seconds
            .duration()
            .ok_or_else(|| answer.unusable(origin, "its expires_in is not a positive number"))?,
    };
    Ok(Lease {
        value: Secret::new(body.access_token),
        expires: now + lifetime,
    })
}

/// `Bearer` and the token, if it is one that a header can carry.
pub(crate) fn header(
    token: &Secret,
    answer: &Answer,
    origin: &Origin,
) -> Result<HeaderValue, CredentialError> {
    let text = token.expose();
    let printable = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    if text.len() > MAX_TOKEN || !printable {
        return Err(answer.unusable(
            origin,
            format!(
                "its token is empty, not printable, or over {} KiB",
                MAX_TOKEN / 1024
            ),
        ));
    }
    token
        .header("Bearer ")
        .ok_or_else(|| answer.unusable(origin, "its token does not fit a header"))
}
