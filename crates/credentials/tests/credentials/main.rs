//! Credentials as the gateway uses them: built from TOML, against endpoints that a test scripts,
//! at a time that a test chooses.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod aws;
mod azure;
mod config;
mod flights;
mod golden;
mod google;
mod keys;
mod oracle;
mod refusals;
mod support;
