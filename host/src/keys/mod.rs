//! API keys: made at random, shown once, kept as digests in a file that only its owner can read. And
//! tokens of an issuer in their place.

mod file;
mod oidc;
mod replay;
mod signed;
mod stored;

pub use file::{KeyFile, KeysError, Surviving, write_secret};
pub use oidc::Oidc;
pub use signed::SigningKeys;
pub use stored::{AccessKey, NewKey, StoredKey, mint, mint_access};
