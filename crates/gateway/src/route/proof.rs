//! What proves to an upstream who asks, so that an error which quotes it goes no further with it.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use memchr::memmem;

use crate::error::GatewayError;

/// Shorter values would be found in ordinary words.
const SHORTEST: usize = 8;

const REDACTED: &str = "[redacted]";

/// The secret values of a request's headers: those that are marked as sensitive.
#[derive(Default)]
pub(crate) struct Proof(Vec<HeaderValue>);

impl Proof {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let values = headers.values().filter(|value| value.is_sensitive());
        Self(values.cloned().collect())
    }

    /// Each secret, without the scheme before it (`Bearer`).
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let values = self.0.iter().filter_map(|value| value.to_str().ok());
        let secrets = values.map(|value| value.rsplit(' ').next().unwrap_or(value));
        secrets.filter(|secret| secret.len() >= SHORTEST)
    }

    /// An upstream's words without the secrets.
    pub(super) fn cut(&self, text: Bytes) -> Bytes {
        let quoted = |secret: &&str| memmem::find(&text, secret.as_bytes()).is_some();
        if !self.secrets().any(|secret| quoted(&secret)) {
            return text;
        }
        let mut words = String::from_utf8_lossy(&text).into_owned();
        for secret in self.secrets() {
            words = words.replace(secret, REDACTED);
        }
        words.into()
    }

    /// An error of an answer without the secrets.
    pub(crate) fn hide(&self, mut error: GatewayError) -> GatewayError {
        for secret in self.secrets() {
            if error.message.contains(secret) {
                error.message = error.message.replace(secret, REDACTED);
            }
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn proof() -> Proof {
        let mut headers = HeaderMap::new();
        let mut key = HeaderValue::from_static("Bearer sk-own-0123456789");
        key.set_sensitive(true);
        headers.insert("authorization", key);
        headers.insert("x-team", HeaderValue::from_static("search-and-find"));
        Proof::of(&headers)
    }

    #[test]
    fn a_quoted_key_is_cut_out_wherever_it_stands() {
        let told = Bytes::from_static(
            b"{\"got\":\"Bearer sk-own-0123456789\",\"key\":\"sk-own-0123456789\"}",
        );
        assert_eq!(
            proof().cut(told),
            "{\"got\":\"Bearer [redacted]\",\"key\":\"[redacted]\"}"
        );
        let error = GatewayError::new(ErrorKind::UpstreamError, "no sk-own-0123456789 here");
        assert_eq!(proof().hide(error).message, "no [redacted] here");
    }

    #[test]
    fn other_headers_and_words_stay() {
        let told = Bytes::from_static(b"search-and-find: the Bearer is unknown");
        assert_eq!(proof().cut(told.clone()), told);
    }

    #[test]
    fn a_short_value_is_no_secret() {
        let mut value = HeaderValue::from_static("none");
        value.set_sensitive(true);
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
        let told = Bytes::from_static(b"there is none");
        assert_eq!(Proof::of(&headers).cut(told.clone()), told);
    }
}
