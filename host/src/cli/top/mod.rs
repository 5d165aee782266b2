//! `forebay top`: what a running gateway is doing: a live screen on a terminal, text or JSON elsewhere.

mod live;
mod sample;
mod text;
mod view;

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use super::output::Output;
use super::remote::{Gateway, Remote};
use crate::platform::clock;
use sample::Sample;

/// Show requests, hit rate, tokens, spend and upstreams of a running gateway, live.
#[derive(Debug, clap::Args)]
pub(super) struct TopArgs {
    /// The interval, such as 2s. At least 200ms.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    interval: Duration,
    /// Print one interval and exit.
    #[arg(long)]
    once: bool,
    /// Print text, or one JSON object per line. Default: a live screen on a terminal, text elsewhere.
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
        let live = self.output.is_none() && !self.once && std::io::stdout().is_terminal();
        match live {
            true => live::run(gateway, first, interval),
            false => self.print(&gateway, first, interval),
        }
    }

    fn print(&self, gateway: &Gateway, first: Sample, interval: Duration) -> anyhow::Result<()> {
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
            let mut out = std::io::stdout().lock();
            let written = writeln!(out, "{shown}").and_then(|()| out.flush());
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
