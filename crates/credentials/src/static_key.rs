//! Keys that go out as they are: a bearer key, or a header of the provider's own.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};

use crate::config::SecretRef;
use crate::error::{CredentialError, Origin};
use crate::resolve::{Resolve, secret};

/// Headers that say how a message travels. A key in one of them would break it.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// `Authorization: Bearer KEY`.
pub(crate) fn bearer(
    upstream: &Arc<str>,
    resolve: &dyn Resolve,
    key: &SecretRef,
) -> Result<(HeaderName, HeaderValue), CredentialError> {
    let origin = Origin::new(upstream, "the API key", "auth.key");
    Ok((AUTHORIZATION, value(resolve, key, "Bearer ", &origin)?))
}

/// The key in a header called `name`.
pub(crate) fn header(
    upstream: &Arc<str>,
    resolve: &dyn Resolve,
    name: &str,
    key: &SecretRef,
) -> Result<(HeaderName, HeaderValue), CredentialError> {
    let place = Origin::new(upstream, "the API key's header", "auth.name");
    let name = HeaderName::try_from(name)
        .map_err(|_| place.unusable("it is not a header name; use one such as api-key"))?;
    if FRAMING.contains(&name.as_str()) {
        return Err(place.unusable(format!("the header {name} belongs to the transport")));
    }
    let origin = Origin::new(upstream, "the API key", "auth.key");
    Ok((name, value(resolve, key, "", &origin)?))
}

/// OpenAI's headers beside the key.
pub(crate) fn openai(
    upstream: &Arc<str>,
    organization: Option<&str>,
    project: Option<&str>,
) -> Result<Vec<(HeaderName, HeaderValue)>, CredentialError> {
    let table = [
        ("openai-organization", organization, "auth.organization"),
        ("openai-project", project, "auth.project"),
    ];
    table
        .into_iter()
        .filter_map(|(name, value, field)| Some((name, value?, field)))
        .map(|(name, value, field)| {
            let value = HeaderValue::from_str(value).map_err(|_| {
                Origin::new(upstream, "OpenAI's account", field)
                    .unusable("it does not fit a header")
            })?;
            Ok((HeaderName::from_static(name), value))
        })
        .collect()
}

fn value(
    resolve: &dyn Resolve,
    key: &SecretRef,
    prefix: &str,
    origin: &Origin,
) -> Result<HeaderValue, CredentialError> {
    secret(resolve, key, origin)?
        .header(prefix)
        .ok_or_else(|| origin.unusable("it holds characters that a header can't carry"))
}
