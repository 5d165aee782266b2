//! The native host of Forebay: everything around the pipeline that a server needs.
//!
//! ```text
//! listener ▸ (pipeline: crates/gateway) ▸ platform ▸ upstreams
//!     │                │
//!   config          store (memory tier)        admin: probes, metrics, cache, configuration
//! ```
//!
//! [`listener`] takes connections and holds the limits before the pipeline; [`platform`] is what the
//! pipeline runs on; [`store`] keeps recordings; [`config`] and [`keys`] are what an operator writes;
//! [`operate`] starts, reloads and drains; [`admin`] and [`telemetry`] tell what happens.

#![forbid(unsafe_code)]
#![warn(clippy::too_many_lines)]
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::too_many_lines,
        reason = "a test may"
    )
)]

pub mod admin;
pub mod cli;
mod coding;
pub mod config;
pub mod keys;
pub mod listener;
pub mod operate;
pub mod platform;
mod shipped;
pub mod store;
pub mod telemetry;
