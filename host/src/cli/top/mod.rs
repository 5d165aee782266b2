//! `forebay top`: what a running gateway does right now, until it is interrupted.

mod sample;
mod text;

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use super::remote::{Gateway, Output, Remote};
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
    /// Print one look and end.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    remote: Remote,
}

impl TopArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let interval = self.interval.max(Duration::from_millis(200));
        let gateway = self.remote.gateway()?;
        let mut before = look(&gateway)?;
        let draws = std::io::stdout().is_terminal() && !self.once;
        loop {
            std::thread::sleep(interval);
            let shown = match look(&gateway) {
                Ok(now) => {
                    let rates = now.since(&before);
                    before = now;
                    match self.remote.output {
                        Output::Json => serde_json::to_string(&rates)?,
                        Output::Table => text::screen(&gateway.address().to_string(), &rates),
                    }
                }
                // A gateway that is started anew is shown again; a script is told.
                Err(error) if draws && self.remote.output == Output::Table => format!("{error:#}"),
                Err(error) => return Err(error),
            };
            let clear = match self.remote.output {
                Output::Table if draws => CLEAR,
                Output::Table | Output::Json => "",
            };
            let mut out = std::io::stdout().lock();
            let written = writeln!(out, "{clear}{shown}").and_then(|()| out.flush());
            // Who reads has left: that is the end, not a failure.
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
