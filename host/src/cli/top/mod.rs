//! `forebay top`: what a running gateway does right now, until it is interrupted.

mod sample;
mod text;

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use super::output::Output;
use super::remote::{Gateway, Remote};
use crate::platform::clock;
use sample::Sample;

/// Clears the screen and goes to its first place (ECMA-48: ED, CUP).
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Show requests, hit rate, tokens, spend and upstreams of a running gateway, live.
#[derive(Debug, clap::Args)]
pub(super) struct TopArgs {
    /// How often to look, such as 2s. At least 200ms.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    interval: Duration,
    /// Print one look and exit.
    #[arg(long)]
    once: bool,
    /// Print text, or one JSON object a line. Default: a live screen on a terminal, text elsewhere.
    #[arg(long, value_enum, value_name = "FORMAT")]
    output: Option<Output>,
    #[command(flatten)]
    remote: Remote,
}

impl TopArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let interval = self.interval.max(Duration::from_millis(200));
        let gateway = self.remote.gateway()?;
        let first = look(&gateway)?;
        self.print(&gateway, first, interval)
    }

    fn print(&self, gateway: &Gateway, first: Sample, interval: Duration) -> anyhow::Result<()> {
        let draws = std::io::stdout().is_terminal() && !self.once;
        let mut before = first;
        loop {
            std::thread::sleep(interval);
            let now = look(gateway)?;
            let rates = now.since(&before);
            before = now;
            let shown = match self.output {
                Some(Output::Json) => serde_json::to_string(&rates)?,
                Some(Output::Text) | None => text::screen(&gateway.address().to_string(), &rates),
            };
            let clear = match self.output {
                None if draws => CLEAR,
                _ => "",
            };
            let mut out = std::io::stdout().lock();
            let written = writeln!(out, "{clear}{shown}").and_then(|()| out.flush());
            // The reader has gone: that is the end, not a failure.
            if written.is_err() || self.once {
                return Ok(());
            }
        }
    }
}

fn look(gateway: &Gateway) -> anyhow::Result<Sample> {
    let metrics = gateway.get("/metrics")?;
    let upstreams = gateway.json("/upstreams")?;
    Ok(Sample::read(&metrics, &upstreams, clock::now()))
}
