//! A handler that only says hello, or passes its request on: what a runtime costs by itself.
#![cfg(target_family = "wasm")]

#[cfg(feature = "fastly")]
mod fastly;
#[cfg(feature = "wasi")]
mod wasi;
