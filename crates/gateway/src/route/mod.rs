//! Who computes: upstreams and their state, the order in which they are tried, and the request
//! that each of them gets.

mod attempt;
mod health;
#[cfg(test)]
mod matrix;
mod prepare;
mod provider;
mod refusal;
mod upstream;
mod warmth;

pub(crate) use attempt::{Answer, Attempts, timed_out, transport_error};
pub(crate) use health::run_health_checks;
pub(crate) use prepare::dialect_headers;
pub(crate) use provider::{Framing, Route};
pub(crate) use upstream::{Endpoint, Upstream};
pub use upstream::{EndpointStatus, UpstreamConfigError, UpstreamStatus};
