//! Drives the real `forebay` binary from outside: starts it with a configuration, talks to it over
//! sockets, puts well and badly behaved upstreams behind it.
//!
//! Everything here is for tests, so it panics where something is not as it should be, and says what.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod client;
pub mod config;
pub mod engine;
pub mod forebay;
pub mod metrics;
pub mod prompts;
pub mod raw;
pub mod registry;
pub mod relay;
pub mod sse;
pub mod tls;
pub mod upstream;
pub mod wait;

pub use client::{Client, Reply};
pub use config::{Config, Key};
pub use engine::Engine;
pub use forebay::{Forebay, binary};
pub use metrics::Metrics;
pub use prompts::{chat, chunk, done, finish, whole};
pub use raw::Raw;
pub use registry::Registry;
pub use relay::Relay;
pub use sse::{Event, Events};
pub use upstream::{Call, Gate, Scripted, refused};
pub use wait::{eventually, within};
