//! What is told of requests: metrics, an access log, traces. All are made from the pipeline's observations.

mod access;
mod labels;
mod log;
mod metrics;
mod prompt_cache;
mod traces;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use forebay_gateway::observe::Observation;

pub use log::start_logging;
pub use metrics::Metrics;
pub use traces::{TraceError, Traces};

/// Everything that observations go to.
pub struct Observers {
    /// Counters and histograms.
    pub metrics: Metrics,
    /// Spans for a collector, where one is configured.
    pub traces: Option<Traces>,
    access: AtomicBool,
}

impl Observers {
    /// Metrics always, traces where a collector is given, no access log until it is switched on.
    pub fn new(traces: Option<Traces>) -> Self {
        Self {
            metrics: Metrics::new(),
            traces,
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
                if let Some(traces) = &self.traces {
                    traces.record(summary);
                }
            }
            Observation::Health {
                upstream,
                endpoint,
                healthy: true,
            } => {
                tracing::info!(%upstream, %endpoint, "an endpoint is healthy");
            }
            Observation::Health {
                upstream,
                endpoint,
                healthy: false,
            } => {
                tracing::warn!(%upstream, %endpoint, "an endpoint is unhealthy");
            }
            Observation::Attempt(attempt) if attempt.failure.is_some() => {
                let failure = attempt.failure.map(|kind| kind.code());
                tracing::debug!(upstream = %attempt.upstream, status = attempt.status, failure, retried = attempt.retried, "an attempt failed");
            }
            Observation::Warning(warning) => tracing::warn!("{warning}"),
            Observation::UnknownFinish { upstream, word } => {
                tracing::warn!(%upstream, word, "an answer ended for a reason that is not known; clients got the nearest one");
            }
            Observation::Attempt(_)
            | Observation::Lost { .. }
            | Observation::PromptCache { .. }
            | Observation::TokenCheck { .. }
            | Observation::FlightEnded { .. }
            | Observation::GuardHits { .. } => {}
        }
    }
}
