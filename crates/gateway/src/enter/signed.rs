//! Requests that are signed instead of carrying a key: AWS's Signature Version 4, at Bedrock's doors.
//!
//! A signature covers the body. Before the body is read the head is checked as far as it goes; the
//! request is handled only once the whole of it is verified.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use forebay_dialect::Wire;
use http::request::Parts;
use sha2::{Digest as _, Sha256};

use super::headers::api_keys;
use super::identity::{Identity, KeyRing};
use super::ingress::wire_of;
use crate::decide::LARGE;
use crate::error::GatewayError;
use crate::platform::{MaybeSend, MaybeSync, Platform};

/// Verifies signatures, for the keys that have a secret to sign with.
pub trait Signatures: MaybeSend + MaybeSync + std::fmt::Debug {
    /// Whether a request comes with a signature, whatever it is worth.
    fn is_signed(&self, head: &Parts) -> bool;

    /// The access key that signed a request. `body` is the body's SHA-256 in hexadecimal digits;
    /// without it the signature is verified only where the head names the body's hash.
    ///
    /// # Errors
    ///
    /// What is wrong with the signature, in the words of AWS's errors.
    fn signer(
        &self,
        head: &Parts,
        body: Option<&str>,
        now: SystemTime,
    ) -> Result<Arc<str>, GatewayError>;
}

/// In a request's extensions: this access key has signed all of it.
#[derive(Debug, Clone)]
pub(crate) struct Proven(Arc<str>);

impl KeyRing {
    /// Whether a request is to be judged by its signature: it has one, came to Bedrock's doors, and
    /// no key of it is valid.
    fn needs_signature(&self, head: &Parts, now: SystemTime) -> bool {
        let signed = |signatures: &Arc<dyn Signatures>| {
            wire_of(head) == Wire::Converse && signatures.is_signed(head)
        };
        self.signatures().is_some_and(signed) && self.identify_any(api_keys(head), now).is_err()
    }

    /// Who sends a request, by its head: a key, or a signature that was verified before.
    pub(crate) fn identify_head(
        &self,
        head: &Parts,
        now: SystemTime,
    ) -> Result<Identity, GatewayError> {
        match head.extensions.get::<Proven>() {
            Some(Proven(access_key)) => self.identify_signer(access_key, now),
            None => self.identify_any(api_keys(head), now),
        }
    }

    /// Whether somebody may come in, as far as the head tells. A signature may be found wrong once
    /// the body has come.
    pub(crate) fn check_head(&self, head: &Parts, now: SystemTime) -> Result<(), GatewayError> {
        if let Some(signatures) = self.signatures()
            && self.needs_signature(head, now)
        {
            let access_key = signatures.signer(head, None, now)?;
            return self.identify_signer(&access_key, now).map(drop);
        }
        self.identify_any(api_keys(head), now).map(drop)
    }

    /// Whether a request that [`Self::check_head`] let in comes by a key. One that comes by a
    /// signature is a stranger's until the signature is verified, whatever else it carries.
    pub(crate) fn comes_by_key(&self, head: &Parts, now: SystemTime) -> bool {
        !self.needs_signature(head, now)
    }

    /// Verifies the signature of a whole request, where it comes in by one.
    pub(crate) async fn prove<P: Platform>(
        &self,
        head: &mut Parts,
        body: &Bytes,
        platform: &P,
    ) -> Result<(), GatewayError> {
        let now = platform.wall();
        let Some(signatures) = self.signatures() else {
            return Ok(());
        };
        if !self.needs_signature(head, now) {
            return Ok(());
        }
        let whole = body.clone();
        // Nobody knows yet whose it is.
        let stranger = Arc::from("");
        let hash = async move { hex::encode(Sha256::digest(&whole)) };
        let hash = match body.len() >= LARGE {
            true => platform.aside(&stranger, hash).await,
            false => hash.await,
        };
        let access_key = signatures.signer(head, Some(&hash), now)?;
        self.identify_signer(&access_key, now)?;
        head.extensions.insert(Proven(access_key));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes every signature for that of `a`.
    #[derive(Debug)]
    struct Trusting;

    impl Signatures for Trusting {
        fn is_signed(&self, head: &Parts) -> bool {
            head.headers.contains_key("x-signed")
        }

        fn signer(
            &self,
            _: &Parts,
            _: Option<&str>,
            _: SystemTime,
        ) -> Result<Arc<str>, GatewayError> {
            Ok("a".into())
        }
    }

    #[test]
    fn who_signs_is_unknown_until_the_signature_is_verified() {
        let key = "fb-1-secret";
        let record = crate::identity::KeyRecord {
            id: "1".into(),
            digest: Sha256::digest(key.as_bytes()).into(),
            tenant: "acme".into(),
            models: Vec::new(),
            requests_per_minute: None,
            tokens_per_minute: None,
            expires: None,
            access_key: Some("a".into()),
        };
        let ring = KeyRing::new(vec![record], &[], b"master").with_signatures(Arc::new(Trusting));
        let now = SystemTime::UNIX_EPOCH;
        for (sent, signed, known) in [
            (Some(key), false, true),
            (Some(key), true, true),
            (Some("fb-1-guessed"), true, false),
            (Some("junk"), true, false),
            (None, true, false),
        ] {
            let mut request = http::Request::post("/model/m/converse");
            if let Some(key) = sent {
                request = request.header("x-api-key", key);
            }
            if signed {
                request = request.header("x-signed", "1");
            }
            let head = request.body(()).unwrap().into_parts().0;
            assert!(ring.check_head(&head, now).is_ok(), "{sent:?} {signed}");
            assert_eq!(ring.comes_by_key(&head, now), known, "{sent:?} {signed}");
        }
    }
}
