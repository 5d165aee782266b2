//! Keys that sign and verify: Ed25519, and ECDSA on P-256 with SHA-256, as PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED, ED25519,
    EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey, VerificationAlgorithm,
};

/// The most of a key file that is read, in bytes.
const MAX_PEM: usize = 16 * 1024;

/// What comes before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410).
const ED25519_SPKI: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// What comes before the 65 bytes of an uncompressed P-256 point in its SubjectPublicKeyInfo (RFC 5480).
const P256_SPKI: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Why a key can't be used. Never a part of the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not PEM with this label.
    #[error("not a PEM file with a {0}")]
    Pem(&'static str),
    /// Another algorithm, or damaged.
    #[error("the key is neither Ed25519 nor ECDSA on P-256")]
    Algorithm,
    /// The system gave no randomness.
    #[error("the system gave no random bytes")]
    Random,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Ed25519,
    P256,
}

/// A key that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

impl PublicKey {
    /// Reads `-----BEGIN PUBLIC KEY-----`, as `openssl pkey -pubout` and `cosign` write it.
    ///
    /// # Errors
    /// [`KeyError`] for anything else.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = pem(text, "PUBLIC KEY").ok_or(KeyError::Pem("PUBLIC KEY"))?;
        let of = |algorithm, prefix: &[u8], length| {
            let bytes = der.strip_prefix(prefix)?;
            (bytes.len() == length).then(|| Self {
                algorithm,
                bytes: bytes.to_vec(),
            })
        };
        of(Algorithm::Ed25519, ED25519_SPKI, 32)
            .or_else(|| of(Algorithm::P256, P256_SPKI, 65))
            .ok_or(KeyError::Algorithm)
    }

    /// The key as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let prefix = match self.algorithm {
            Algorithm::Ed25519 => ED25519_SPKI,
            Algorithm::P256 => P256_SPKI,
        };
        to_pem("PUBLIC KEY", &[prefix, &self.bytes].concat())
    }

    /// Whether this key made this signature of this message.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        // ECDSA's two forms: DER as OpenSSL and cosign write it, r and s in 32 bytes each as DSSE's
        // own examples have it.
        let forms: &[&'static dyn VerificationAlgorithm] = match self.algorithm {
            Algorithm::Ed25519 => &[&ED25519],
            Algorithm::P256 => &[&ECDSA_P256_SHA256_ASN1, &ECDSA_P256_SHA256_FIXED],
        };
        forms.iter().any(|form| {
            let key = UnparsedPublicKey::new(*form, &self.bytes);
            key.verify(message, signature).is_ok()
        })
    }
}

/// A key that signs.
pub struct PrivateKey(Pair);

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey")
    }
}

impl PrivateKey {
    /// A new Ed25519 key, and its PEM.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<(Self, String), KeyError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let document = document.map_err(|_| KeyError::Random)?;
        let pem = to_pem("PRIVATE KEY", document.as_ref());
        Ok((Self::from_pem(&pem)?, pem))
    }

    /// Reads `-----BEGIN PRIVATE KEY-----`: PKCS #8 without a passphrase, as `openssl genpkey`
    /// writes it.
    ///
    /// # Errors
    /// [`KeyError`] for anything else.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = pem(text, "PRIVATE KEY").ok_or(KeyError::Pem("PRIVATE KEY"))?;
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der) {
            return Ok(Self(Pair::Ed25519(pair)));
        }
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der, &SystemRandom::new())
            .map(|pair| Self(Pair::P256(pair)))
            .map_err(|_| KeyError::Algorithm)
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let (algorithm, bytes) = match &self.0 {
            Pair::Ed25519(pair) => (Algorithm::Ed25519, pair.public_key().as_ref()),
            Pair::P256(pair) => (Algorithm::P256, pair.public_key().as_ref()),
        };
        PublicKey {
            algorithm,
            bytes: bytes.to_vec(),
        }
    }

    /// A signature of a message.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.0 {
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::P256(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| KeyError::Random),
        }
    }
}

/// The bytes of the first block of this label.
fn pem(text: &str, label: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_PEM {
        return None;
    }
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(body).ok()
}

fn to_pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + &format!("-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_pem_and_verifies_its_own_signatures_alone() {
        let (key, pem) = PrivateKey::generate().unwrap();
        let again = PrivateKey::from_pem(&pem).unwrap();
        assert_eq!(key.public(), again.public());
        let public = PublicKey::from_pem(&key.public().to_pem()).unwrap();
        let signature = again.sign(b"message").unwrap();
        assert!(public.verifies(b"message", &signature));
        assert!(!public.verifies(b"massage", &signature));
        let (other, _) = PrivateKey::generate().unwrap();
        assert!(!other.public().verifies(b"message", &signature));
        assert!(!public.verifies(b"message", &[]));
    }

    #[test]
    fn a_key_of_another_kind_is_refused_without_being_shown() {
        assert_eq!(
            PublicKey::from_pem("ssh-ed25519 AAAA"),
            Err(KeyError::Pem("PUBLIC KEY"))
        );
        let rsa = to_pem("PUBLIC KEY", &[0x30, 0x82, 1, 2, 3]);
        assert_eq!(PublicKey::from_pem(&rsa), Err(KeyError::Algorithm));
        let short = to_pem("PUBLIC KEY", ED25519_SPKI);
        assert_eq!(PublicKey::from_pem(&short), Err(KeyError::Algorithm));
        let (key, pem) = PrivateKey::generate().unwrap();
        assert!(PublicKey::from_pem(&pem).is_err());
        assert_eq!(format!("{key:?}"), "PrivateKey");
    }
}
