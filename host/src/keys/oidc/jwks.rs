//! The issuer's keys: read from its JWKS, and which of them may have signed a token.

use std::collections::HashMap;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// The most keys that are read of a set: issuers have two to five.
const MAX_KEYS: usize = 64;
/// The most keys that a token without a key id is tried with.
const MAX_TRIED: usize = 4;

/// The keys of an issuer that can verify tokens.
#[derive(Debug, Default)]
pub(super) struct Jwks {
    keys: Vec<Key>,
    by_id: HashMap<String, usize>,
}

#[derive(Debug)]
struct Key {
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl Jwks {
    /// Reads a set. Keys of other uses and kinds are left out, as RFC 7517 asks for; a set without
    /// any key that can verify is an error.
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set =
            serde_json::from_slice(text).map_err(|e| format!("it is not a set of keys: {e}"))?;
        let mut jwks = Self::default();
        for jwk in set.keys.into_iter().take(MAX_KEYS) {
            let Ok(jwk) = serde_json::from_value::<Jwk>(jwk) else {
                continue;
            };
            let algorithms = algorithms(&jwk);
            let Ok(key) = DecodingKey::from_jwk(&jwk) else {
                continue;
            };
            if algorithms.is_empty() {
                continue;
            }
            if let Some(id) = jwk.common.key_id {
                jwks.by_id.insert(id, jwks.keys.len());
            }
            jwks.keys.push(Key { algorithms, key });
        }
        if jwks.keys.is_empty() {
            return Err("it has no key that can verify signatures".to_owned());
        }
        Ok(jwks)
    }

    /// Whether there is a key of this id.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    /// The keys that may have signed a token with this header.
    pub(super) fn candidates(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &DecodingKey> {
        let one = id.map(|id| self.by_id.get(id).copied());
        let keys = self.keys.iter().enumerate().filter(move |(n, key)| {
            one.is_none_or(|one| one == Some(*n)) && key.algorithms.contains(&algorithm)
        });
        keys.map(|(_, key)| &key.key).take(MAX_TRIED)
    }
}

/// The algorithms that a key verifies: those of its kind, narrowed by its own `alg`. None for a key
/// that is for encryption or a secret.
fn algorithms(jwk: &Jwk) -> Vec<Algorithm> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    if matches!(&jwk.common.public_key_use, Some(used) if *used != PublicKeyUse::Signature) {
        return Vec::new();
    }
    let mut algorithms = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => vec![RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => vec![ES256],
            EllipticCurve::P384 => vec![ES384],
            _ => Vec::new(),
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            vec![EdDSA]
        }
        _ => Vec::new(),
    };
    if let Some(own) = &jwk.common.key_algorithm {
        let own = own.to_string();
        algorithms.retain(|algorithm| format!("{algorithm:?}") == own);
    }
    algorithms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_verify_nothing_are_left_out() {
        let set = r#"{"keys": [
            {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
            {"kty": "RSA", "kid": "for encryption", "use": "enc", "n": "AQAB", "e": "AQAB"},
            {"kty": "EC", "kid": "ec", "crv": "P-256", "x": "AQAB", "y": "AQAB"},
            {"kty": "RSA", "kid": "rsa", "alg": "RS512", "n": "AQAB", "e": "AQAB"},
            {"kty": "of the future"},
            7
        ]}"#;
        let jwks = Jwks::read(set.as_bytes()).unwrap();
        assert!(jwks.knows("ec") && jwks.knows("rsa"));
        assert!(!jwks.knows("secret") && !jwks.knows("for encryption"));
        let count = |id, algorithm| jwks.candidates(id, algorithm).count();
        assert_eq!(count(Some("rsa"), Algorithm::RS512), 1);
        assert_eq!(count(Some("rsa"), Algorithm::RS256), 0, "its own alg");
        assert_eq!(count(Some("ec"), Algorithm::RS512), 0, "another kind");
        assert_eq!(count(None, Algorithm::ES256), 1, "no id, one fits");
        assert_eq!(count(Some("gone"), Algorithm::ES256), 0);
    }

    #[test]
    fn what_is_no_set_of_keys_is_an_error() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"keys": []}"#,
            r#"{"keys": [{"kty": "oct", "k": "eA"}]}"#,
        ] {
            assert!(Jwks::read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
