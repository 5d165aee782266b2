//! The native host as its clients and operators see it: real sockets, real signals of trouble.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests"
)]

mod admin;
mod commands;
mod config;
mod failures;
mod life;
mod limits;
mod oidc;
mod output;
mod protocols;
mod support;
mod traces;
mod upstreams;
mod why;
