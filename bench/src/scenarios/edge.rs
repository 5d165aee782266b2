//! The edge component beside its runtime's own hello and a plain proxy: hits, misses, the time to a
//! stream's first event, the first request of an instance, and its size.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::Options;
use crate::edges::Served;
use crate::http;
use crate::peers::{Starter, Subject};
use crate::report::Report;
use crate::scenarios::{throughput, ttft};
use crate::windows::{in_turns, median};
use crate::wrk::{self, Load};

/// As in the scenario of the native gateway's hits.
const CONNECTIONS: u32 = 16;

/// The dictionary that a baked edge is weighed with.
const TERMS: usize = 5000;

pub(crate) fn run(starter: &Starter<'_>, options: &Options, report: &mut Report) -> Result<()> {
    let plain = starter.bake(0)?;
    let large = starter.bake(TERMS)?;
    for (key, file) in [("edge_mib", &plain), ("edge_5000_terms_mib", &large)] {
        let bytes = std::fs::metadata(file)?.len();
        report.result(key, Some(bytes as f64 / f64::from(1 << 20)));
    }
    report.result(
        "edge_gzip_mb",
        compressed(&plain)?.map(|bytes| bytes as f64 / 1e6),
    );
    hits(starter, options, report, &plain)?;
    misses(starter, options, report, &plain)?;
    first_events(starter, options, report, &plain)
}

/// What the artefact weighs compressed, as platforms count it; nothing where gzip is missing.
fn compressed(file: &Path) -> Result<Option<usize>> {
    match Command::new("gzip").arg("-9c").arg(file).output() {
        Ok(output) if output.status.success() => Ok(Some(output.stdout.len())),
        Ok(output) => anyhow::bail!("{}", String::from_utf8_lossy(&output.stderr).trim()),
        Err(_) => Ok(None),
    }
}

fn hits(
    starter: &Starter<'_>,
    options: &Options,
    report: &mut Report,
    component: &Path,
) -> Result<()> {
    let upstream = starter.upstream()?;
    let hello = starter.hello(None)?;
    let edge = starter.edge(component, &upstream)?;
    report.row(
        "edge under wasmtime, cold compile",
        format!("{:>9.0} ms", edge.compiled.as_secs_f64() * 1000.0),
    );
    let began = Instant::now();
    starter
        .runtime
        .block_on(http::ask(&edge.subject.url, http::prompt("first", false)))?;
    let first = began.elapsed().as_secs_f64() * 1000.0;
    report.row(
        "edge under wasmtime, first request",
        format!("{first:>9.1} ms, a miss"),
    );
    report.result("edge_first_request_ms", Some(first));
    starter
        .runtime
        .block_on(throughput::caches(&edge.subject))?;

    let ratio = rates(starter, options, report, [&hello, &edge], false)?;
    report.result("edge_hit_vs_hello", Some(ratio));
    Ok(())
}

/// Every prompt another one, beside the handler that only passes on.
fn misses(
    starter: &Starter<'_>,
    options: &Options,
    report: &mut Report,
    component: &Path,
) -> Result<()> {
    let upstream = starter.upstream()?;
    let proxy = starter.hello(Some(&upstream))?;
    let edge = starter.edge(component, &upstream)?;
    let ratio = rates(starter, options, report, [&proxy, &edge], true)?;
    report.result("edge_miss_vs_proxy", Some(ratio));
    Ok(())
}

/// Requests a second of both in turns: the second's against the first's.
fn rates(
    starter: &Starter<'_>,
    options: &Options,
    report: &mut Report,
    served: [&Served; 2],
    distinct: bool,
) -> Result<f64> {
    let subjects = served.map(|served| &served.subject);
    let load = Load {
        connections: CONNECTIONS,
        distinct,
        seconds: options.seconds,
    };
    let measured = in_turns(
        &subjects,
        options.windows,
        |s| s.name.into(),
        |s, mark| wrk::window(&starter.rig.configs, &s.url, load, mark),
    );
    let prompts = if distinct { "distinct" } else { "identical" };
    let mut rates = Vec::new();
    for (subject, windows) in subjects.iter().zip(measured) {
        let windows = windows?;
        let rate = median(windows.iter().map(|w| w.per_second)).context("no windows")?;
        report.row(
            format!("{} under wasmtime, {prompts} prompts", subject.name),
            format!("{rate:>9.0} requests/s"),
        );
        rates.push(rate);
    }
    Ok(rates[1] / rates[0])
}

fn first_events(
    starter: &Starter<'_>,
    options: &Options,
    report: &mut Report,
    component: &Path,
) -> Result<()> {
    let upstream = starter.sse_upstream(ttft::EVENTS, ttft::EVERY_MS)?;
    let hello = starter.hello(Some(&upstream))?;
    let edge = starter.edge(component, &upstream)?;
    let subjects: [&Subject; 3] = [&upstream, &hello.subject, &edge.subject];
    let measured = in_turns(
        &subjects,
        options.windows,
        |s| s.name.into(),
        |s, mark| ttft::window(&s.url, options.seconds, mark),
    );
    let mut medians = Vec::new();
    for (subject, windows) in subjects.iter().zip(measured) {
        let figure = median(windows?).context("no windows")?;
        report.row(
            format!("{}, stream under wasmtime", subject.name),
            format!("{figure:>9.0} µs TTFT p50"),
        );
        medians.push(figure);
    }
    let (hello, edge) = (medians[1] - medians[0], medians[2] - medians[0]);
    // A runtime that adds nothing measurable gives no ratio.
    report.result(
        "edge_added_ttft_vs_hello",
        (hello > 0.0).then(|| edge / hello),
    );
    Ok(())
}
