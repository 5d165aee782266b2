//! RSA private keys: read from PEM, decrypted where they are, and used to sign with SHA-256.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pkcs8::EncryptedPrivateKeyInfoRef;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// A key of 2048 to 4096 bits.
pub(crate) struct RsaKey(RsaKeyPair);

impl RsaKey {
    /// From PEM: PKCS#8, encrypted PKCS#8 or PKCS#1. The error says what is wrong, without the key.
    pub(crate) fn from_pem(pem: &Secret, passphrase: Option<&Secret>) -> Result<Self, String> {
        let text = section(pem.expose()).ok_or(
            "it holds no private key in PEM (\"-----BEGIN PRIVATE KEY-----\"); a public key or a certificate can't be used",
        )?;
        if text.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(
                "it is encrypted in OpenSSL's old form; convert it: openssl pkcs8 -topk8 -in OLD.pem -out NEW.pem"
                    .to_owned(),
            );
        }
        let (label, der) = pkcs8::der::pem::decode_vec(text.as_bytes())
            .map_err(|_| "its PEM is damaged".to_owned())?;
        let der = Zeroizing::new(der);
        match label {
            "PRIVATE KEY" => Self::from_pkcs8(&der),
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der)
                .map(Self)
                .map_err(|e| rejected(&e)),
            "ENCRYPTED PRIVATE KEY" => {
                let passphrase =
                    passphrase.ok_or("it is encrypted, and no passphrase is configured")?;
                let info = EncryptedPrivateKeyInfoRef::try_from(der.as_slice())
                    .map_err(|_| "its PKCS#8 is damaged".to_owned())?;
                let document = info
                    .decrypt(passphrase.expose())
                    .map_err(|_| "the passphrase does not decrypt it".to_owned())?;
                Self::from_pkcs8(document.as_bytes())
            }
            other => Err(format!("it is a {other}, not an RSA private key")),
        }
    }

    /// From the DER of PKCS#8.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, String> {
        RsaKeyPair::from_pkcs8(der)
            .map(Self)
            .map_err(|e| rejected(&e))
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256: JWT's RS256, Oracle's rsa-sha256.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .map_err(|_| "the system's randomness failed".to_owned())?;
        Ok(signature)
    }

    /// [`RsaKey::sign`] in base64.
    pub(crate) fn sign_base64(&self, message: &[u8]) -> Result<String, String> {
        self.sign(message).map(|bytes| STANDARD.encode(bytes))
    }
}

impl std::fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RsaKey")
    }
}

fn rejected(why: &ring::error::KeyRejected) -> String {
    format!("it is not an RSA private key of 2048 to 4096 bits ({why})")
}

/// The PEM section of the private key: Oracle's console writes a line of its own below it.
fn section(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        let start = rest.find("-----BEGIN ")?;
        let label_end = start + rest[start..].find('\n')?;
        let end = start + rest[start..].find("-----END ")?;
        let stop = end + rest[end..].find('\n').unwrap_or(rest.len() - end);
        if rest[start..label_end].contains("PRIVATE KEY") {
            return Some(rest[start..stop].trim_end());
        }
        rest = &rest[stop..];
    }
}
