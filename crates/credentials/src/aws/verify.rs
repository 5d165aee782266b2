//! The other side of Signature Version 4: whether a request that came was signed with a secret. It is
//! signed once more by the signer that [`super::sigv4`] uses, and the two signatures are compared.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningParams,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::keys;
use crate::lease::moment;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const CONTENT: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
/// The most headers that one signature names: SDKs sign about ten.
const MAX_SIGNED: usize = 64;

/// Why a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureProblem {
    /// It lacks a part, or is written wrongly.
    #[error("the signature is incomplete: {0}")]
    Incomplete(String),
    /// It is in the URL.
    #[error("presigned URLs are not accepted; sign the request's headers")]
    Presigned,
    /// It was made with temporary credentials.
    #[error(
        "session tokens (x-amz-security-token) are not accepted; sign with an access key of this gateway"
    )]
    SessionToken,
    /// It does not cover the body.
    #[error("unsigned and streamed payloads are not accepted; sign the body's SHA-256")]
    UnsignedPayload,
    /// It was made for another region.
    #[error("the credential should be scoped to the region {expected}, not {found:?}")]
    Region {
        /// As configured.
        expected: String,
        /// As signed.
        found: String,
    },
    /// It was made for another service.
    #[error("the credential should be scoped to the service {expected:?}, not {found:?}")]
    Service {
        /// What this is.
        expected: &'static str,
        /// As signed.
        found: String,
    },
    /// It is older than it may be.
    #[error(
        "signature expired: x-amz-date is {0:?} before this gateway's clock, more than 5 minutes"
    )]
    Expired(Duration),
    /// It is of a time to come.
    #[error(
        "signature not yet current: x-amz-date is {0:?} after this gateway's clock, more than 5 minutes"
    )]
    Early(Duration),
    /// The body is not the one whose hash was signed.
    #[error("the body does not have the SHA-256 that x-amz-content-sha256 names")]
    Body,
    /// The secret is another one, or something that was signed has changed on the way.
    #[error(
        "the signature does not match; check the secret access key, and that no proxy changes a signed header such as host"
    )]
    Mismatch,
}

/// What a request's head says of its signature.
#[derive(Debug, Clone)]
pub struct Signed {
    access_key_id: String,
    date: SystemTime,
    region: String,
    service: String,
    headers: Vec<HeaderName>,
    signature: String,
    /// The body's SHA-256 as a signed header names it.
    content: Option<String>,
}

/// Whether a request comes with a signature of AWS's, in its headers or in its URL.
pub fn is_signed(head: &Parts) -> bool {
    let mut headers = head.headers.get_all(AUTHORIZATION).iter();
    headers.any(|value| value.as_bytes().starts_with(b"AWS4-")) || is_presigned(head)
}

fn is_presigned(head: &Parts) -> bool {
    let mut pairs = head.uri.query().unwrap_or_default().split('&');
    pairs.any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        name.eq_ignore_ascii_case("x-amz-signature") || name.eq_ignore_ascii_case("x-amz-algorithm")
    })
}

impl Signed {
    /// Reads the head of a request that [`is_signed`].
    ///
    /// # Errors
    ///
    /// What is missing from the signature, written wrongly, or not accepted whoever signed.
    pub fn read(head: &Parts) -> Result<Self, SignatureProblem> {
        if is_presigned(head) {
            return Err(SignatureProblem::Presigned);
        }
        if head.headers.contains_key(TOKEN) {
            return Err(SignatureProblem::SessionToken);
        }
        let authorization = single(&head.headers, &AUTHORIZATION)?;
        let (algorithm, fields) = authorization.split_once(' ').unwrap_or((authorization, ""));
        if algorithm != ALGORITHM {
            return Err(incomplete(format!("only {ALGORITHM} is accepted")));
        }
        let [credential, names, signature] = fields_of(fields)?;
        let mut scope = credential.split('/');
        let mut part = || scope.next().filter(|part| !part.is_empty());
        let (Some(id), Some(day), Some(region), Some(service), Some("aws4_request"), None) =
            (part(), part(), part(), part(), part(), part())
        else {
            return Err(incomplete(
                "Credential must be ACCESS_KEY_ID/DATE/REGION/SERVICE/aws4_request",
            ));
        };
        let date = single(&head.headers, &DATE)?;
        let time =
            read_date(date).ok_or_else(|| incomplete("x-amz-date must be YYYYMMDDTHHMMSSZ"))?;
        if date.get(..8) != Some(day) {
            return Err(incomplete(
                "the date of Credential is not that of x-amz-date",
            ));
        }
        let headers = signed_names(names, &head.headers)?;
        let content = match head.headers.contains_key(&CONTENT) {
            true => Some(content_hash(single(&head.headers, &CONTENT)?)?),
            false => None,
        };
        Ok(Self {
            access_key_id: id.to_owned(),
            date: time,
            region: region.to_owned(),
            service: service.to_owned(),
            headers,
            signature: signature.to_owned(),
            content,
        })
    }

    /// Who says to have signed.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The signature itself, in hexadecimal digits.
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// The body's SHA-256 in hexadecimal digits, where the head names it: then the signature can be
    /// checked before the body has come.
    pub fn content(&self) -> Option<&str> {
        self.content.as_deref()
    }

    /// Whether the signature is for this region and service, and not older or newer than `skew`.
    ///
    /// # Errors
    ///
    /// Which of them it is not for.
    pub fn check_scope(
        &self,
        region: &str,
        service: &'static str,
        now: SystemTime,
        skew: Duration,
    ) -> Result<(), SignatureProblem> {
        if self.region != region {
            return Err(SignatureProblem::Region {
                expected: region.to_owned(),
                found: self.region.clone(),
            });
        }
        if self.service != service {
            return Err(SignatureProblem::Service {
                expected: service,
                found: self.service.clone(),
            });
        }
        let off = |after: Duration| Duration::from_secs(after.as_secs());
        match (now.duration_since(self.date), self.date.duration_since(now)) {
            (Ok(late), _) if late > skew => Err(SignatureProblem::Expired(off(late))),
            (_, Ok(early)) if early > skew => Err(SignatureProblem::Early(off(early))),
            _ => Ok(()),
        }
    }

    /// Whether this secret signed the request with a body of this SHA-256 (in hexadecimal digits).
    ///
    /// # Errors
    ///
    /// It did not, or the body is another one.
    pub fn verify(&self, head: &Parts, secret: &str, body: &str) -> Result<(), SignatureProblem> {
        if self.content.as_deref().is_some_and(|named| named != body) {
            return Err(SignatureProblem::Body);
        }
        let expected = self
            .sign_again(head, secret, body)
            .ok_or(SignatureProblem::Mismatch)?;
        // Compared as digests under a key of the moment: how long it takes tells nothing of where
        // they differ.
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        let tag = ring::hmac::sign(&key, expected.as_bytes());
        ring::hmac::verify(&key, self.signature.as_bytes(), tag.as_ref())
            .map_err(|_| SignatureProblem::Mismatch)
    }

    fn sign_again(&self, head: &Parts, secret: &str, body: &str) -> Option<String> {
        let identity = keys(&self.access_key_id, secret, None).into();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Double;
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        // Only what the client signed is given, so nothing is left out. A path that a normalisation
        // would change is not what was signed.
        settings.excluded_headers = None;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let params: SigningParams<'_> = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(self.date)
            .settings(settings)
            .build()
            .ok()?
            .into();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = Vec::with_capacity(self.headers.len());
        for name in &self.headers {
            headers.push((name.as_str(), value_of(head, name)?));
        }
        let signable = SignableRequest::new(
            head.method.as_str(),
            format!("http://signed{path}"),
            headers.into_iter(),
            SignableBody::Precomputed(body.to_owned()),
        )
        .ok()?;
        let (_, signature) = sign(signable, &params).ok()?.into_parts();
        Some(signature)
    }
}

/// The value of a header that was signed. HTTP/2 has the host in its URL.
fn value_of<'a>(head: &'a Parts, name: &HeaderName) -> Option<&'a str> {
    match head.headers.get(name) {
        Some(value) => value.to_str().ok(),
        None if name == http::header::HOST => head.uri.authority().map(|host| host.as_str()),
        None => None,
    }
}

fn incomplete(why: impl Into<String>) -> SignatureProblem {
    SignatureProblem::Incomplete(why.into())
}

/// The one value of a header.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, SignatureProblem> {
    let mut values = headers.get_all(name).iter();
    let value = values
        .next()
        .ok_or_else(|| incomplete(format!("the header {name} is missing")))?;
    if values.next().is_some() {
        return Err(incomplete(format!(
            "the header {name} comes more than once"
        )));
    }
    value
        .to_str()
        .map_err(|_| incomplete(format!("the header {name} is not text")))
}

/// `Credential`, `SignedHeaders` and `Signature`, each once.
fn fields_of(text: &str) -> Result<[&str; 3], SignatureProblem> {
    const NAMES: [&str; 3] = ["Credential", "SignedHeaders", "Signature"];
    let mut found = [None; 3];
    for field in text.split(',') {
        let (name, value) = field.trim().split_once('=').unwrap_or((field, ""));
        let place = NAMES.iter().position(|known| *known == name);
        let place =
            place.ok_or_else(|| incomplete("Authorization has a field that is not known"))?;
        if found[place].replace(value).is_some() {
            return Err(incomplete(format!("{name} comes more than once")));
        }
    }
    let [Some(credential), Some(headers), Some(signature)] = found else {
        return Err(incomplete(
            "Authorization must have Credential, SignedHeaders and Signature",
        ));
    };
    Ok([credential, headers, signature])
}

/// The headers that were signed: each comes once, and all that decide are among them.
fn signed_names(text: &str, headers: &HeaderMap) -> Result<Vec<HeaderName>, SignatureProblem> {
    let mut names = Vec::new();
    for name in text.split(';') {
        let plain = !name.is_empty() && !name.bytes().any(|b| b.is_ascii_uppercase());
        let name = HeaderName::from_bytes(name.as_bytes())
            .ok()
            .filter(|_| plain)
            .ok_or_else(|| incomplete("SignedHeaders has a name that is not a header's"))?;
        if names.contains(&name) || names.len() == MAX_SIGNED {
            return Err(incomplete(
                "SignedHeaders names a header twice, or more than 64 headers",
            ));
        }
        if name != http::header::HOST || headers.contains_key(&name) {
            single(headers, &name)?;
        }
        names.push(name);
    }
    let amazon = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-amz-"));
    for needed in amazon.chain([&http::header::HOST, &DATE]) {
        if !names.contains(needed) {
            return Err(incomplete(format!("the header {needed} must be signed")));
        }
    }
    Ok(names)
}

/// `20261126T214500Z`.
fn read_date(text: &str) -> Option<SystemTime> {
    let shaped = text.len() == 16
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 => b == b'T',
            15 => b == b'Z',
            _ => b.is_ascii_digit(),
        });
    let part = |from: usize, to: usize| text.get(from..to).filter(|_| shaped);
    let [year, month, day] = [part(0, 4)?, part(4, 6)?, part(6, 8)?];
    let [hour, minute, second] = [part(9, 11)?, part(11, 13)?, part(13, 15)?];
    moment(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

fn content_hash(text: &str) -> Result<String, SignatureProblem> {
    if text == "UNSIGNED-PAYLOAD" || text.starts_with("STREAMING-") {
        return Err(SignatureProblem::UnsignedPayload);
    }
    let hash = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match hash {
        true => Ok(text.to_owned()),
        false => Err(incomplete(
            "x-amz-content-sha256 must be 64 hexadecimal digits in lower case",
        )),
    }
}

#[cfg(test)]
mod tests;
