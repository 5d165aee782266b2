//! What is told of requests: metrics, an access log, traces. All are made from the pipeline's observations.

mod access;
mod histograms;
mod labels;
mod log;
mod metrics;
mod notices;
mod prompt_cache;
mod recent;
mod spenders;
mod traces;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use forebay_gateway::observe::{Attempt, HealthChange, Observation, Summary};

pub(crate) use labels::cache as cache_word;
pub(crate) use log::check_level;
pub use log::start_logging;
pub use metrics::Metrics;
use notices::Notices;

use crate::platform::clock;
pub use recent::Recent;
pub use traces::{TraceError, Traces};

/// Everything that observations go to.
pub struct Observers {
    /// Counters and histograms.
    pub metrics: Metrics,
    /// Spans for a collector, where one is configured.
    pub traces: Option<Traces>,
    /// The last requests that ended.
    pub recent: Recent,
    notices: Notices,
    access: AtomicBool,
}

impl Observers {
    /// Metrics always, traces where a collector is given, no access log until it is switched on.
    pub fn new(traces: Option<Traces>) -> Self {
        Self {
            metrics: Metrics::new(),
            traces,
            recent: Recent::new(0),
            notices: Notices::default(),
            access: AtomicBool::new(false),
        }
    }

    /// Switches the access log.
    pub fn set_access_log(&self, on: bool) {
        self.access.store(on, Relaxed);
    }

    /// Takes note. Never blocks: counters are atomic, lines and spans are queued within bounds.
    pub fn observe(&self, observation: &Observation) {
        self.metrics.observe(observation);
        match observation {
            Observation::Finished(summary) => {
                if self.access.load(Relaxed) {
                    access::line(summary);
                }
                if summary.denied {
                    self.denied(summary);
                }
                if let Some(traces) = &self.traces {
                    traces.record(summary);
                }
            }
            Observation::Health {
                upstream,
                endpoint,
                healthy,
                change,
            } => health(upstream, endpoint, *healthy, change),
            Observation::Attempt(attempt) if attempt.failure.is_some() => {
                let failure = attempt.failure.map(|kind| kind.code());
                tracing::debug!(request_id = %attempt.request_id, upstream = %attempt.upstream, replica = %attempt.endpoint, status = attempt.status, failure, retried = attempt.retried, "an attempt failed");
                if attempt.retried {
                    self.failed_over(attempt);
                }
            }
            Observation::Warning(warning) => tracing::warn!("{warning}"),
            Observation::UnknownFinish { upstream, word } => {
                tracing::warn!(%upstream, word, "unknown finish reason from the upstream; clients got the nearest known one");
            }
            Observation::Attempt(_)
            | Observation::Lost { .. }
            | Observation::PromptCache { .. }
            | Observation::TokenCheck { .. }
            | Observation::FlightEnded { .. }
            | Observation::GuardHits { .. } => {}
        }
    }

    /// An upstream failed a request and another one is asked: once for each way of failing.
    fn failed_over(&self, attempt: &Attempt) {
        let failure = attempt.failure.map_or("none", |kind| kind.code());
        let upstream = &attempt.upstream;
        let what = format!("failover {upstream} {failure} {:?}", attempt.status);
        if let Some(due) = self.notices.due(&what, clock::now()) {
            tracing::warn!(
                %upstream,
                replica = %attempt.endpoint,
                request_id = %attempt.request_id,
                status = attempt.status,
                failure,
                times = due.times,
                per_minute = due.per_minute,
                "failover: the upstream failed, trying the next one"
            );
        }
    }

    /// A rule turned a prompt or an answer away: once for each rule and tenant.
    fn denied(&self, summary: &Summary) {
        let mut hits = summary.guard_hits.iter().chain(&summary.way.output_hits);
        let denying = hits.rfind(|hit| hit.action == "deny" && !hit.shadow);
        let rule = match denying {
            Some(hit) => hit.rule.as_str(),
            // A component may deny without naming a rule.
            None => summary.code.as_deref().unwrap_or("unnamed"),
        };
        let tenant = summary.caller.as_ref().map_or("", |caller| &*caller.tenant);
        let what = format!("denied {rule} {tenant}");
        if let Some(due) = self.notices.due(&what, clock::now()) {
            tracing::info!(
                rule,
                tenant,
                key = summary.caller.as_ref().map(|caller| &*caller.key),
                request_id = summary.request_id,
                times = due.times,
                per_minute = due.per_minute,
                "a guardrail rule denied a request"
            );
        }
    }
}

/// Requests no longer go to a replica, or go there again: each time, with what led to it.
fn health(upstream: &str, endpoint: &str, healthy: bool, change: &HealthChange) {
    match change {
        HealthChange::Check { .. } if healthy => {
            tracing::info!(
                upstream,
                replica = endpoint,
                "health check passed: the replica is used again"
            );
        }
        HealthChange::Check { failures } => {
            tracing::warn!(
                upstream,
                replica = endpoint,
                failures,
                "health check failed: the replica is not used until a check passes"
            );
        }
        HealthChange::Ejected {
            request_id,
            broken,
            errors,
            pause,
        } => {
            tracing::warn!(
                upstream,
                replica = endpoint,
                %request_id,
                connections_failed = broken,
                error_responses = errors,
                seconds = pause.as_secs_f64(),
                "replica ejected: too many failures since its last success"
            );
        }
        HealthChange::Recovered { request_id } => {
            tracing::info!(
                upstream,
                replica = endpoint,
                %request_id,
                "replica recovered: a request succeeded after the ejection"
            );
        }
    }
}
