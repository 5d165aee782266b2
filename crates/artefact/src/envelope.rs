//! DSSE: a payload with its type, and signatures over both.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};

use crate::keys::{KeyError, PrivateKey, PublicKey};

/// The most signatures of an envelope that are tried.
const MAX_SIGNATURES: usize = 16;

/// Why an envelope's payload can't be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not an envelope.
    #[error("it is not a DSSE envelope: {0}")]
    Malformed(String),
    /// Its payload is something else.
    #[error("its payload has the type \"{0}\"")]
    PayloadType(String),
    /// None of the keys signed it.
    #[error("none of the configured keys signed it, or it was altered")]
    Unsigned,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
struct Signature {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    keyid: String,
    sig: String,
}

/// Puts a payload into an envelope.
pub(crate) fn seal(kind: &str, payload: &[u8], key: &PrivateKey) -> Result<String, KeyError> {
    let envelope = Envelope {
        payload_type: kind.to_owned(),
        payload: STANDARD.encode(payload),
        signatures: vec![Signature {
            keyid: String::new(),
            sig: STANDARD.encode(key.sign(&signed_bytes(kind, payload))?),
        }],
    };
    // Strings alone: there is nothing that JSON could not hold.
    Ok(serde_json::to_string(&envelope).unwrap_or_default())
}

/// The payload of an envelope of this type that one of the keys signed.
pub(crate) fn open(text: &[u8], kind: &str, keys: &[PublicKey]) -> Result<Vec<u8>, EnvelopeError> {
    let malformed = |what: &str| EnvelopeError::Malformed(what.to_owned());
    let envelope: Envelope =
        serde_json::from_slice(text).map_err(|e| EnvelopeError::Malformed(e.to_string()))?;
    let payload = decode(&envelope.payload).ok_or_else(|| malformed("payload is not base64"))?;
    if envelope.signatures.len() > MAX_SIGNATURES {
        return Err(malformed("more than 16 signatures"));
    }
    if envelope.payload_type != kind {
        return Err(EnvelopeError::PayloadType(envelope.payload_type));
    }
    let message = signed_bytes(kind, &payload);
    let signed = envelope.signatures.iter().any(|signature| {
        decode(&signature.sig)
            .is_some_and(|signature| keys.iter().any(|key| key.verifies(&message, &signature)))
    });
    match signed {
        true => Ok(payload),
        false => Err(EnvelopeError::Unsigned),
    }
}

/// Either alphabet is allowed.
fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .ok()
}

/// DSSE's pre-authentication encoding.
fn signed_bytes(kind: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_the_encoding_of_the_specification() {
        assert_eq!(
            signed_bytes("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    /// The example of DSSE's protocol.md: ECDSA on P-256.
    #[test]
    fn the_specifications_own_envelope_opens_and_no_other_payload_does() {
        const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZ805D3eqNZywjCI19lInBJOp7YMr\n\
CrzAH3CVTAOQ0jgMeCvVTiaRJaRPRDOv8UMs6U4SvKc6pnrIDOoSYI3fdA==\n\
-----END PUBLIC KEY-----";
        const KIND: &str = "http://example.com/HelloWorld";
        let envelope = r#"{"payload": "aGVsbG8gd29ybGQ=",
            "payloadType": "http://example.com/HelloWorld",
            "signatures": [{"sig": "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}]}"#;
        let keys = [PublicKey::from_pem(KEY).unwrap()];
        let payload = open(envelope.as_bytes(), KIND, &keys);
        assert_eq!(payload.unwrap(), b"hello world");
        let other = envelope.replace("aGVsbG8", "aGVsbG9");
        assert_eq!(
            open(other.as_bytes(), KIND, &keys),
            Err(EnvelopeError::Unsigned)
        );
        assert!(matches!(
            open(envelope.as_bytes(), "text/plain", &keys),
            Err(EnvelopeError::PayloadType(_))
        ));
        assert!(matches!(
            open(b"{}", KIND, &keys),
            Err(EnvelopeError::Malformed(_))
        ));
    }
}
