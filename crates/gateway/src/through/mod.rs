//! Endpoints that pass through: a request goes to an upstream as it is, and its answer comes back
//! as it is, under the same key, limits, residency and guardrails as a request for tokens.
//!
//! `table` says what there is, `sent` is a request on its way, `judge` asks the guardrails about
//! its text, `serve` brings it to an upstream, `answer` reads what comes back.

mod answer;
mod form;
mod judge;
pub(crate) mod objects;
pub(crate) mod raw;
pub mod realtime;
mod rest;
mod sent;
mod serve;
mod table;

pub(crate) use sent::{At, Sent};
pub(crate) use serve::serve;
pub(crate) use table::*;
