//! Guard rules and masks for apps that are not Forebay: `forebay:mask/mask`.
//!
//! The guardrails policy says which stretches are private; this makes placeholders of them
//! ([`table`]) and puts the values back, also into a stream whose pieces cut a placeholder in two
//! ([`stream`]). `forebay bake --compose` joins both into one component.

pub mod stream;
pub mod table;

#[cfg(target_family = "wasm")]
mod exchange;
