//! What the runs of a fleet found, as JSON or a table in Markdown.

use std::fmt;

use serde::Serialize;

use super::{Delay, EdgeOutcome};

/// Every combination on one trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EdgeReport {
    /// The trace's name.
    pub trace: String,
    /// Its requests.
    pub requests: usize,
    /// How long they took to arrive.
    pub seconds: f64,
    /// The engines' profile.
    pub profile: String,
    /// Share of requests that ask a popular prompt.
    pub repeats: f64,
    /// The number of popular prompts.
    pub prompts: usize,
    /// The exponent of their popularity.
    pub skew: f64,
    /// The seed of the random numbers.
    pub seed: u64,
    /// The combinations.
    pub runs: Vec<EdgeOutcome>,
}

impl fmt::Display for EdgeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} requests in {:.0} s, answered by {}",
            self.trace, self.requests, self.seconds, self.profile,
        )?;
        match self.repeats > 0.0 {
            true => writeln!(
                f,
                "; {:.0} % of requests ask one of {} popular prompts, skew {}\n",
                100.0 * self.repeats,
                self.prompts,
                self.skew,
            )?,
            false => writeln!(f, "; repeats are the trace's own\n")?,
        }
        writeln!(
            f,
            "| hosts | ttl s | store delay s | locations | edge hits % | host hits % | joined % | engine calls % | hidden by delay % | tokens saved % | store writes |"
        )?;
        writeln!(
            f,
            "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        )?;
        for run in &self.runs {
            let percent = |part: usize| 100.0 * part as f64 / run.requests.max(1) as f64;
            let delay = match run.options.store_delay {
                Delay::Seconds(seconds) => seconds.to_string(),
                Delay::Never => "never".to_owned(),
            };
            writeln!(
                f,
                "| {} | {} | {delay} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {} |",
                run.options.hosts,
                run.options.ttl,
                run.options.locations,
                percent(run.edge_hits),
                percent(run.host_hits),
                percent(run.joined),
                percent(run.engine_calls),
                percent(run.hidden),
                100.0 * run.token_offload,
                run.store_writes,
            )?;
        }
        Ok(())
    }
}
