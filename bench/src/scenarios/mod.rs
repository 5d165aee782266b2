//! The scenarios, in the order of the report.

mod edge;
mod latency;
mod memory;
mod neighbours;
mod pairs;
mod policy;
mod throughput;
mod ttft;

use anyhow::Result;
use tokio::runtime::Runtime;

use crate::Options;
use crate::peers::{NOT_BROUGHT_IN, Starter, Subject};
use crate::report::Report;
use crate::rig::Rig;

/// A scenario measures its part and puts it into the report.
type Scenario = fn(&Starter<'_>, &Options, &mut Report) -> Result<()>;

const SCENARIOS: [(&str, Scenario); 8] = [
    ("throughput", throughput::run),
    ("latency", latency::run),
    ("ttft", ttft::run),
    ("memory", memory::run),
    ("neighbours", neighbours::run),
    ("policy", policy::run),
    ("edge", edge::run),
    ("pairs", pairs::run),
];

/// Runs those that `--only` leaves, prints the report and writes the JSON. A scenario that fails is named as missing.
pub(crate) fn run(options: &Options, runtime: &Runtime) -> Result<()> {
    let rig = Rig::lay_out(&options.target, &options.configs)?;
    let starter = Starter {
        rig: &rig,
        runtime,
        python: options.peers.as_deref(),
        worker: &options.worker,
    };
    let mut report = Report::default();
    for (name, scenario) in SCENARIOS {
        if options
            .only
            .as_ref()
            .is_none_or(|only| name.contains(only.as_str()))
        {
            eprintln!("bench: {name}");
            if let Err(error) = scenario(&starter, options, &mut report) {
                report.missing(name, format!("{error:#}"));
            }
        }
    }
    for peer in NOT_BROUGHT_IN {
        report.missing(peer, "it is no part of this rig's environment");
    }
    println!("{report}");
    if let Some(file) = &options.json {
        report.write(file)?;
    }
    Ok(())
}

/// Keeps a subject that started; one that did not is named as missing.
fn keep(report: &mut Report, name: &str, started: Result<Subject>) -> Option<Subject> {
    started
        .map_err(|error| report.missing(name, format!("{error:#}")))
        .ok()
}
