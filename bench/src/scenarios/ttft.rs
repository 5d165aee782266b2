//! What a gateway adds to the time to the first token of a stream.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::Options;
use crate::peers::{Settings, Starter};
use crate::report::Report;
use crate::rig::{Core, pinned};
use crate::scenarios::{keep, latency};
use crate::windows::{in_turns, median};

/// Eight events a millisecond apart: a stream, yet hundreds of them in a window.
pub(super) const EVENTS: u64 = 8;
pub(super) const EVERY_MS: u64 = 1;

pub(crate) fn run(starter: &Starter<'_>, options: &Options, report: &mut Report) -> Result<()> {
    let upstream = starter.sse_upstream(EVENTS, EVERY_MS)?;
    let envoy = keep(report, "Envoy (TTFT)", starter.envoy(&upstream));
    let forebay = keep(
        report,
        "Forebay (TTFT)",
        starter.forebay("Forebay", Settings::DEFAULT, &upstream),
    );
    let subjects: Vec<_> = [Some(&upstream), envoy.as_ref(), forebay.as_ref()]
        .into_iter()
        .flatten()
        .collect();

    let measured = in_turns(
        &subjects,
        options.windows,
        |subject| subject.name.into(),
        |subject, mark| window(&subject.url, options.seconds, mark),
    );
    let mut medians = Vec::new();
    for (subject, windows) in subjects.iter().zip(measured) {
        match windows {
            Ok(windows) => {
                let ttft = median(windows).context("no windows")?;
                report.row(
                    format!("{}, stream", subject.name),
                    format!("{ttft:>9.0} µs TTFT p50"),
                );
                medians.push((subject.name, ttft));
            }
            Err(error) => report.missing(subject.name, format!("{error:#}")),
        }
    }
    report.result(
        "added_ttft_vs_envoy",
        latency::added(&medians, upstream.name),
    );
    Ok(())
}

/// The median TTFT of a window, in microseconds.
pub(super) fn window(url: &str, seconds: u32, mark: &str) -> Result<f64> {
    let mut client = Command::new(std::env::current_exe()?);
    client.arg("ttft").args([
        "--url",
        url,
        "--mark",
        mark,
        "--seconds",
        &seconds.to_string(),
    ]);
    let output = pinned(Core::Load, &client).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim().strip_prefix("RESULT ") {
        Some(figure) if output.status.success() => {
            figure.parse().context("the TTFT client printed no number")
        }
        _ => bail!("{}", String::from_utf8_lossy(&output.stderr).trim()),
    }
}
