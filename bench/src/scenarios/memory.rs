//! Resident memory: idle with default pools, and with thousands of open streams, without and with output rules.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::Options;
use crate::peers::{Settings, Starter, Subject};
use crate::report::Report;
use crate::rig::{Core, allow_files, pinned};

const STREAMS: u32 = 5000;

/// A connection on either side of each stream, and room for everything else.
const FILES: u64 = 2 * STREAMS as u64 + 1000;

/// Open streams settle before they are weighed.
const SETTLE: Duration = Duration::from_secs(2);

/// An event each five seconds: open, and below every idle limit.
const EVERY_MS: u64 = 5000;

pub(crate) fn run(starter: &Starter<'_>, _: &Options, report: &mut Report) -> Result<()> {
    let upstream = starter.upstream()?;
    let idle = starter.forebay("Forebay", Settings::DEFAULT, &upstream)?;
    thread::sleep(SETTLE);
    let resident = server(&idle)?.resident_mib()?;
    report.row(
        "Forebay, idle, default pools",
        format!("{resident:>9.1} MiB"),
    );
    report.result("rss_idle_mb", Some(resident));
    drop(idle);

    allow_files(FILES)?;
    match with_streams(starter, Settings::DEFAULT) {
        Ok(resident) => {
            report.row(
                format!("Forebay, {STREAMS} streams, no output rules"),
                format!("{resident:>9.1} MiB"),
            );
            report.result("rss_5000_streams_mb", Some(resident));
        }
        Err(error) => report.missing("5000 streams, no output rules", format!("{error:#}")),
    }
    match with_streams(
        starter,
        Settings {
            guard_output: true,
            ..Settings::DEFAULT
        },
    ) {
        Ok(resident) => report.row(
            format!("Forebay, {STREAMS} streams, output rules (at most 1200)"),
            format!("{resident:>9.1} MiB"),
        ),
        Err(error) => report.missing("5000 streams, output rules", format!("{error:#}")),
    }
    Ok(())
}

fn with_streams(starter: &Starter<'_>, settings: Settings) -> Result<f64> {
    // An upstream of its own for each round, so that no stream of the last one is left in it.
    let upstream = starter.sse_upstream(u64::MAX, EVERY_MS)?;
    let gateway = starter.forebay("Forebay", settings, &upstream)?;
    let mut client = Command::new(std::env::current_exe()?);
    client
        .arg("hold")
        .args(["--url", &gateway.url, "--streams", &STREAMS.to_string()]);
    let mut client = pinned(Core::Load, &client)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut output = BufReader::new(client.stdout.take().context("the output was piped")?);
    let mut line = String::new();
    output.read_line(&mut line)?;
    if !line.starts_with("OPEN ") {
        client.wait()?;
        let words = gateway
            .server
            .as_ref()
            .map(crate::rig::Server::last_words)
            .unwrap_or_default();
        bail!("the streams did not all open; the gateway's log ends with: {words}");
    }
    thread::sleep(SETTLE);
    let resident = server(&gateway)?.resident_mib()?;
    // The end of its input tells the client to count and leave.
    drop(client.stdin.take());
    let mut rest = String::new();
    output.read_to_string(&mut rest)?;
    client.wait()?;
    ensure!(
        rest.trim() == "BROKEN 0",
        "streams broke while they were held: {}",
        rest.trim()
    );
    Ok(resident)
}

fn server(subject: &Subject) -> Result<&crate::rig::Server> {
    subject
        .server
        .as_ref()
        .context("the gateway is a process of this rig")
}
