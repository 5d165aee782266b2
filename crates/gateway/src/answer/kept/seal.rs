//! What is kept of a conversation lies in the store encrypted: values that were masked for
//! upstreams are in it as the client wrote them.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};

use crate::enter::identity::keyed;

/// The nonce's length in AES-256-GCM (NIST SP 800-38D).
const NONCE: usize = 12;

/// The text under a key of the tenant's and of this token. `random` is new for each call.
pub(super) fn seal(
    secret: &[u8; 32],
    token: &str,
    random: &[u8; 16],
    text: &[u8],
) -> Option<Vec<u8>> {
    let nonce: [u8; NONCE] = *random.first_chunk()?;
    let payload = Payload {
        msg: text,
        aad: token.as_bytes(),
    };
    let sealed = cipher(secret, token).encrypt(&Nonce::from(nonce), payload);
    let mut out = nonce.to_vec();
    out.append(&mut sealed.ok()?);
    Some(out)
}

/// What [`seal`] sealed. None where it is anything else, or another tenant's or token's.
pub(super) fn open(secret: &[u8; 32], token: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, text) = sealed.split_first_chunk::<NONCE>()?;
    let payload = Payload {
        msg: text,
        aad: token.as_bytes(),
    };
    let opened = cipher(secret, token).decrypt(&Nonce::from(*nonce), payload);
    opened.ok()
}

fn cipher(secret: &[u8; 32], token: &str) -> Aes256Gcm {
    let key = keyed(secret, &[b"forebay response seal v1", token.as_bytes()]);
    Aes256Gcm::new(&key.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_tenant_and_token_open_what_was_sealed() {
        let sealed = seal(&[1; 32], "a", &[9; 16], b"private words").unwrap();
        assert!(!sealed.windows(7).any(|window| window == b"private"));
        assert_eq!(open(&[1; 32], "a", &sealed).unwrap(), b"private words");
        assert_eq!(open(&[2; 32], "a", &sealed), None);
        assert_eq!(open(&[1; 32], "b", &sealed), None);
        for cut in 0..sealed.len() {
            assert_eq!(open(&[1; 32], "a", &sealed[..cut]), None);
            let mut damaged = sealed.clone();
            damaged[cut] ^= 1;
            assert_eq!(open(&[1; 32], "a", &damaged), None);
        }
    }
}
