//! The way of a request through Forebay, written once over a [`platform::Platform`].
//!
//! ```text
//! listener ▸ enter ▸ decide ▸ answer ─────▸ route ▸ upstream
//!                               │                      │
//! client ◂ reply ◂──────────────┴── receive ◂──────────┘
//! ```
//!
//! It runs one way; nothing downstream reaches back up. No sockets and no runtime live here:
//! the native host gives it tokio and wasmtime, an edge gives it WASI and imported components.
//!
//! Each folder is a phase: `enter` knows who asks and what they may spend, `decide` asks the
//! policies, `answer` looks in the store and shares flights, `route` asks upstreams, `receive`
//! reads what they answer, `reply` writes it to the client.
//!
//! - [`Gateway`] holds all of it.
//! - [`platform`], [`policy`] and [`store`] are what a host brings, and [`state`] what it may bring.

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

mod answer;
pub mod authorize;
pub mod config;
mod decide;
mod enter;
pub mod error;
mod gateway;
mod memory;
pub mod observe;
pub mod platform;
pub mod policy;
mod receive;
pub mod recording;
mod reply;
mod route;
pub mod settings;
pub mod state;
pub mod store;
mod through;
mod time;
mod trail;

pub use answer::explain::Explanation;
pub use decide::memo;
pub use enter::{headers, identity, signed};

pub use answer::trial::Trial;
pub use enter::ticket::{Arrival, Permit};
pub use gateway::Gateway;
pub use reply::{Cut, ReplyBody, unready};
pub use route::{
    EndpointStatus, ExplainedSeconds, ExplainedUpstream, ExplainedWorker, KvSource, PrefixStatus,
    SharedIndex, UpstreamConfigError, UpstreamStatus,
};
pub use through::realtime;
