//! API keys: made at random, shown once, kept as digests in a file that only its owner can read. And
//! tokens of an issuer in their place.

mod file;
mod oidc;
mod stored;

pub use file::{KeyFile, KeysError, Surviving};
pub use oidc::Oidc;
pub use stored::{NewKey, StoredKey, mint};
