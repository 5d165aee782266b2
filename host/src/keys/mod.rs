//! API keys: made at random, shown once, kept as digests in a file that only its owner can read.

mod file;
mod stored;

pub use file::{KeyFile, KeysError, Surviving};
pub use stored::{NewKey, StoredKey, mint};
