//! The whole gateway as one component: the pipeline of `forebay-gateway` over whatever a platform
//! offers, with the policies imported by WIT and configured already.
//!
//! - [`Edge`] makes the gateway of a release; [`policies`] asks the imported policies.
//! - A platform brings variables, a key-value store, and HTTP both ways. Which one is a feature:
//!   `spin` and `wasi` share WASI 0.3 (`wasi_http`); `worker` and `fastly` share [`turns`], where
//!   the host performs effects.

#![deny(unsafe_op_in_unsafe_fn)]

mod bindings;
pub mod body;
pub mod edge;
pub mod entropy;
pub mod log;
mod memo;
pub mod policies;
pub mod turns;

#[cfg(all(target_family = "wasm", any(feature = "spin", feature = "wasi")))]
mod wasi_http;

#[cfg(all(target_family = "wasm", feature = "spin"))]
mod spin;

#[cfg(all(target_family = "wasm", feature = "wasi", not(feature = "spin")))]
mod wasi;

#[cfg(all(target_family = "wasm", any(feature = "worker", feature = "fastly")))]
mod stepped;

#[cfg(all(target_family = "wasm", feature = "worker"))]
mod worker;

#[cfg(all(target_family = "wasm", feature = "fastly", not(feature = "worker")))]
mod fastly;

pub use edge::{Edge, Ready, unusable};
pub use entropy::Entropy;
pub use log::Log;
pub use memo::Memo;
