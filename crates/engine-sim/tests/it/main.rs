//! The simulated engine over its API. One program: what they share is compiled once.

mod answers;
mod bad_requests;
mod cancellation;
mod common;
mod faults;
mod kv_events;
mod wire_format;
