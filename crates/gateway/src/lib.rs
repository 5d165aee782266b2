//! The way of a request through Forebay, written once over a [`platform::Platform`].
//!
//! ```text
//! host listener ▸ identity ▸ dialect ▸ memo ▸ guardrails ▸ plan ▸ store ▸ flight ▸ selector ▸ upstream
//!                                                                   │                          │
//! client ◂ masks put back ◂ reply ◂─────────────────────────────────┴── recording ◂ guard ◂ meter
//! ```
//!
//! It runs one way; nothing downstream reaches back up. No sockets and no runtime live here:
//! the native host gives it tokio and wasmtime, an edge gives it WASI and imported components.
//!
//! - [`Gateway`] is the door; `pipeline` tells the story, `decide` asks the policies,
//!   `leader` asks the upstreams, `reply` is what flows back.
//! - [`platform`], [`policy`] and [`store`] are what a host brings.

#![forbid(unsafe_code)]

pub mod authorize;
mod board;
pub mod config;
mod count;
mod decide;
mod directives;
pub mod error;
mod flight;
mod frame;
mod gateway;
mod guard;
pub mod headers;
pub mod identity;
mod ingress;
mod leader;
mod limits;
mod lookup;
mod masks;
pub mod memo;
mod meter;
mod models;
pub mod observe;
mod pipeline;
pub mod platform;
pub mod policy;
mod receive;
pub mod recording;
mod reply;
mod resume;
pub mod settings;
pub mod store;
mod ticket;
mod time;
mod upstream;

pub use gateway::Gateway;
pub use reply::{Cut, ReplyBody};
pub use ticket::{Arrival, Permit};
pub use upstream::{EndpointStatus, UpstreamConfigError, UpstreamStatus};
