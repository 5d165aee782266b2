//! Who computes: upstreams and their state, the order in which they are tried, and the request
//! that each of them gets.

mod agreement;
mod attempt;
mod betas;
mod broken;
mod budget;
mod endpoint;
mod exchange;
mod explain;
mod health;
#[cfg(test)]
mod matrix;
mod others;
mod passing;
mod prefill;
mod prefix;
mod prepare;
mod progress;
mod prompt_cache;
mod proof;
mod provider;
mod public;
mod rank;
mod refusal;
mod report;
mod silence;
mod speed;
mod token_index;
mod unanswered;
mod unfit;
mod upstream;
mod verdict;
mod wait;
mod warmth;
mod workers;

pub(crate) use agreement::run_token_checks;
pub(crate) use attempt::{Attempts, Outgoing, Sender, first_eight};
pub(crate) use budget::RetryBudget;
pub(crate) use endpoint::Replica;
pub(crate) use exchange::Answer;
pub use explain::{ExplainedSeconds, ExplainedUpstream, ExplainedWorker};
pub(crate) use health::run_health_checks;
pub(crate) use prefix::{Prefix, counted, resolve};
pub(crate) use prepare::dialect_headers;
pub(crate) use prompt_cache::Places;
pub(crate) use provider::{Envelope, Route, encode, has_dot_segment};
pub(crate) use rank::{Ranked, Wish, rank};
pub use token_index::{KvSource, SharedIndex};
pub(crate) use unanswered::{timed_out, transport_error};
pub use upstream::{EndpointStatus, PrefixStatus, UpstreamConfigError, UpstreamStatus};
pub(crate) use upstream::{Listed, Need, Upstream, View};
