//! Attacks on the running gateway, a file for each class. Each test is an attack; it passes when the
//! gateway keeps the promise of SECURITY.md that the attack is on.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod beside;
mod doors;
mod evasions;
mod floods;
mod growth;
mod inputs;
mod outputs;
mod placeholders;
mod places;
mod promises;
mod reloads;
mod resources;
mod secrets;
mod sharing;
mod through;
mod upstreams;
