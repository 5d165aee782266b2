//! Black-box suites over the release binary. Each test starts a gateway of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod admin;
mod artefacts;
mod cache;
mod commands;
mod configuration;
mod connections;
mod flights;
mod guardrails;
mod guests;
mod lifecycle;
mod logs;
mod objects;
mod oddities;
mod prefixes;
mod prompt_cache;
mod rates;
mod requests;
mod routing;
mod through;
mod tokens;
mod transport;
mod upstreams;
