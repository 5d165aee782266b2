//! AWS Signature Version 4: a request signed with access keys. The signing itself is `aws-sigv4`'s.

use std::time::SystemTime;

use aws_credential_types::Credentials as Keys;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SigningError, SigningParams, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, Request};
use ring::digest::{SHA256, digest};

use super::KeySource;
use crate::cached::{Cached, Generation};
use crate::error::{CredentialError, Origin, Problem};
use crate::fetch::Ask;
use crate::refusal::aws_code;

/// Headers that are signed, beside `x-amz-*`. Few: a client library may yet touch the others, and
/// `host` is taken from the URL where the request has none.
const SIGNED: &[http::HeaderName] = &[CONTENT_TYPE, HOST];

/// Codes that say the clock is off; `InvalidSignatureException` only with such a message.
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html>.
const CLOCK: &[&str] = &[
    "RequestTimeTooSkewed",
    "RequestExpired",
    "RequestInTheFuture",
];
/// Codes that newer keys may cure.
const TOKEN: &[&str] = &[
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
];

/// Signs for one region and service.
pub(crate) struct Sigv4 {
    origin: Origin,
    region: String,
    service: String,
    source: KeySource,
    keys: Cached<Keys>,
}

impl Sigv4 {
    pub(crate) fn new(origin: Origin, region: String, service: &str, source: KeySource) -> Self {
        Self {
            origin,
            region,
            service: service.to_owned(),
            source,
            keys: Cached::new(),
        }
    }

    /// Keys that stay as they are: another attempt would use the same.
    pub(crate) fn is_fixed(&self) -> bool {
        matches!(self.source, KeySource::Fixed(_))
    }

    pub(crate) fn refused(&self, used: Generation, now: SystemTime) -> bool {
        !self.is_fixed() && self.keys.refused(used, now)
    }

    /// Obtains keys if they are due.
    pub(crate) async fn keys(&self, ask: Ask<'_>) -> Result<(Keys, Generation), CredentialError> {
        if let KeySource::Fixed(keys) = &self.source {
            return Ok((keys.clone(), 0));
        }
        self.keys.get(ask.now, self.source.obtain(ask)).await
    }

    pub(crate) async fn authorize(
        &self,
        request: &mut Request<Bytes>,
        ask: Ask<'_>,
    ) -> Result<Generation, CredentialError> {
        let (keys, generation) = self.keys(ask).await?;
        self.sign(request, keys, ask.now).map_err(|why| {
            self.origin.error(Problem::Request {
                why: why.to_string(),
            })
        })?;
        Ok(generation)
    }

    fn sign(
        &self,
        request: &mut Request<Bytes>,
        keys: Keys,
        now: SystemTime,
    ) -> Result<(), SignError> {
        if request.uri().authority().is_none() || request.uri().scheme().is_none() {
            return Err(SignError::NoAuthority);
        }
        for stale in ["x-amz-date", "x-amz-security-token", AUTHORIZATION.as_str()] {
            request.headers_mut().remove(stale);
        }
        let identity = keys.into();
        let params: SigningParams<'_> = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(now)
            // The default encodes the path once more, as every service but S3 wants it.
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| SignError::Parameters)?
            .into();
        let uri = request.uri().to_string();
        let headers = signed_headers(request.headers()).ok_or(SignError::Header)?;
        // Not the body itself: the signer traces what it is given, and prompts are not for logs.
        let hash = hex::encode(digest(&SHA256, request.body()));
        let signable = SignableRequest::new(
            request.method().as_str(),
            uri,
            headers.into_iter(),
            SignableBody::Precomputed(hash),
        )?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
    }
}

/// Why a request could not be signed.
#[derive(Debug, thiserror::Error)]
enum SignError {
    #[error("its URL has no scheme or host")]
    NoAuthority,
    #[error("a header that is signed is not text")]
    Header,
    #[error("region or service is missing")]
    Parameters,
    #[error(transparent)]
    Signer(#[from] SigningError),
}

fn signed_headers(headers: &HeaderMap) -> Option<Vec<(&str, &str)>> {
    headers
        .iter()
        .filter(|(name, _)| SIGNED.contains(name) || name.as_str().starts_with("x-amz-"))
        .map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value.as_bytes()).ok()?)))
        .collect()
}

/// AWS refused the request for its time.
pub(crate) fn rejected_for_clock(headers: &HeaderMap, body: &[u8]) -> bool {
    let code = aws_code(headers, body);
    let says = |text: &str| body.windows(text.len()).any(|w| w == text.as_bytes());
    CLOCK.contains(&code.as_str())
        || (code.starts_with("InvalidSignature")
            && (says("Signature expired") || says("Signature not yet current")))
}

/// AWS refused the keys, not what was asked with them.
pub(crate) fn rejected_for_token(headers: &HeaderMap, body: &[u8]) -> bool {
    TOKEN.contains(&aws_code(headers, body).as_str())
}
