//! Assertions: claims signed with RS256 (RFC 7515, compact form), and the end of a token that is one.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::rsa_key::RsaKey;
use crate::secret::Secret;

/// The compact form of `claims` under `header`, signed.
pub(crate) fn sign(header: &Value, claims: &Value, key: &RsaKey) -> Result<Secret, String> {
    let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(Secret::new(token))
}

/// The `exp` of a token that is a JWT. Not verified: it only decides when to ask for the next one.
pub(crate) fn expiry(token: &str) -> Option<SystemTime> {
    #[derive(Deserialize)]
    struct Claims {
        exp: u32,
    }
    let claims = token.split('.').nth(1)?;
    let json = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: Claims = serde_json::from_slice(&json).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(claims.exp.into()))
}
