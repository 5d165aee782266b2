//! This build of the gateway against another one, in pairs of windows: what a change costs or gains.

use std::path::Path;

use anyhow::{Context, Result};

use crate::Options;
use crate::peers::{Settings, Starter, Subject};
use crate::report::Report;
use crate::scenarios::ttft::{EVENTS, EVERY_MS, window};
use crate::windows::{in_turns, median};
use crate::wrk::{self, Load};

/// What one window of a lane measures.
#[derive(Clone, Copy)]
enum Measure {
    /// Requests a second at so many connections.
    Rate { connections: u32, distinct: bool },
    /// The median latency at one connection, in microseconds.
    Latency,
    /// The median time to the first event of a stream, in microseconds.
    FirstEvent,
}

/// Without `--baseline` there is nothing to compare with, and nothing is missing.
pub(crate) fn run(starter: &Starter<'_>, options: &Options, report: &mut Report) -> Result<()> {
    let Some(baseline) = &options.baseline else {
        return Ok(());
    };
    let whole = starter.upstream()?;
    let stream = starter.sse_upstream(EVENTS, EVERY_MS)?;
    let sixteen = |distinct| Measure::Rate {
        connections: 16,
        distinct,
    };
    let lanes = [
        ("miss, fresh", Settings::DEFAULT, &whole, sixteen(true)),
        ("miss, tenant", Settings::TENANT, &whole, sixteen(true)),
        ("hit", Settings::DEFAULT, &whole, sixteen(false)),
        (
            "latency, fresh",
            Settings::DEFAULT,
            &whole,
            Measure::Latency,
        ),
        (
            "latency, tenant",
            Settings::TENANT,
            &whole,
            Measure::Latency,
        ),
        (
            "first event",
            Settings::DEFAULT,
            &stream,
            Measure::FirstEvent,
        ),
    ];
    for (what, settings, upstream, measure) in lanes {
        let start = |program: &Path, name| starter.gateway(program, name, settings, upstream);
        let both = [
            start(baseline, "baseline")?,
            start(&starter.rig.gateway, "this build")?,
        ];
        match ratio(starter, options, &both, measure) {
            Ok((ratio, unit)) => report.row(
                format!("{what}, this build against the baseline"),
                format!("{ratio:>9.3} {unit}"),
            ),
            Err(error) => report.missing(what, format!("{error:#}")),
        }
    }
    Ok(())
}

/// The median of the pairs' ratios, this build over the baseline.
fn ratio(
    starter: &Starter<'_>,
    options: &Options,
    both: &[Subject; 2],
    measure: Measure,
) -> Result<(f64, &'static str)> {
    let configs = &starter.rig.configs;
    let [before, after] = in_turns(
        both,
        options.windows,
        |subject| subject.name.into(),
        |subject, mark| one(configs, &subject.url, options.seconds, measure, mark),
    )
    .try_into()
    .ok()
    .context("two subjects give two results")?;
    let (before, after) = (before?, after?);
    let ratios = before
        .iter()
        .zip(&after)
        .map(|(before, after)| after / before);
    let unit = match measure {
        Measure::Rate { .. } => "of its requests/s (more is better)",
        Measure::Latency | Measure::FirstEvent => "of its time (less is better)",
    };
    Ok((median(ratios).context("no windows")?, unit))
}

fn one(configs: &Path, url: &str, seconds: u32, measure: Measure, mark: &str) -> Result<f64> {
    let load = |connections, distinct| Load {
        connections,
        distinct,
        seconds,
    };
    match measure {
        Measure::Rate {
            connections,
            distinct,
        } => Ok(wrk::window(configs, url, load(connections, distinct), mark)?.per_second),
        Measure::Latency => Ok(wrk::window(configs, url, load(1, true), mark)?.p50_us),
        Measure::FirstEvent => window(url, seconds, mark),
    }
}
