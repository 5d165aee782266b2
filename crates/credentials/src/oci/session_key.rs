//! The key pair that a security token is bound to: made at start, never leaves this process.

use std::sync::Arc;

use getrandom::SysRng;
use rsa::PrivateKey;
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};

use super::certificate::bare;
use crate::rsa_key::RsaKey;

/// Bits, as Oracle's SDKs choose.
const BITS: usize = 2048;

/// A fresh key pair, and its public half as Oracle's federation endpoint wants it: PEM without
/// frame and line ends.
pub(super) struct SessionKey {
    pub(super) key: Arc<RsaKey>,
    pub(super) public: String,
}

impl SessionKey {
    /// Makes one; takes up to a second. Made by `rsa`, since `ring` makes no RSA keys; used by `ring`.
    pub(super) fn generate() -> Result<Self, String> {
        let key = PrivateKey::new(&mut SysRng, BITS)
            .map_err(|_| "no session key could be made".to_owned())?;
        let encoded = |_| "the session key could not be encoded".to_owned();
        let der = key.to_pkcs8_der().map_err(encoded)?;
        let pem = key
            .to_public_key()
            .to_public_key_pem(LineEnding::LF)
            .map_err(|_| "the session key could not be encoded".to_owned())?;
        Ok(Self {
            key: Arc::new(RsaKey::from_pkcs8(der.as_bytes())?),
            public: bare(&pem),
        })
    }
}
