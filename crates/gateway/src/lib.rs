//! The way of a request through Forebay, written once over a [`Platform`].
//!
//! ```text
//! host listener ▸ identity ▸ dialect ▸ memo ▸ guardrails ▸ plan ▸ store ▸ flight ▸ selector ▸ upstream
//!                                                                   │                          │
//! client ◂ masks put back ◂ reply ◂─────────────────────────────────┴── recording ◂ guard ◂ meter
//! ```
//!
//! It runs one way; nothing downstream reaches back up. No sockets and no runtime live here:
//! the native host gives it tokio and wasmtime, an edge gives it WASI and imported components.

#![forbid(unsafe_code)]

pub mod config;
pub mod error;
pub mod identity;
pub mod memo;
pub mod observe;
pub mod platform;
pub mod policy;
pub mod recording;
pub mod store;
