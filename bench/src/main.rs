//! The rig: Forebay beside its peers on two cores, in one run.
//!
//! The gateway or peer under measurement has core 0; load and upstream share core 1. Windows of all subjects of a
//! scenario alternate, so that a busy machine hurts them alike, and only ratios within a run are reported as results.

mod edges;
mod http;
mod peers;
mod report;
mod rig;
mod scenarios;
mod sse_upstream;
mod stream_load;
mod windows;
mod wrk;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "forebay-bench",
    about = "Measures Forebay beside its peers; usually run by `cargo xtask bench`"
)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Runs the scenarios.
    Run(Options),
    /// Is an engine that paces its streams.
    SseUpstream(sse_upstream::Options),
    /// Measures the time to the first token, one stream after another.
    Ttft(stream_load::TtftOptions),
    /// Holds many streams open until its standard input ends.
    Hold(stream_load::HoldOptions),
}

/// What to measure, with what.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Cargo's target folder: the gateway is in it, and the working folder goes there.
    #[arg(long)]
    target: PathBuf,
    /// The folder of configuration templates.
    #[arg(long)]
    configs: PathBuf,
    /// The interpreter of the Python environment that holds the peers.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// The folder with the gateway's Worker and workerd, for the edge.
    #[arg(long)]
    worker: PathBuf,
    /// Another build of the gateway, to measure this one against in pairs of windows.
    #[arg(long)]
    baseline: Option<PathBuf>,
    /// Measures only scenarios with this in their name.
    #[arg(long)]
    only: Option<String>,
    /// Writes the figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Valid windows for each subject.
    #[arg(long, default_value_t = 5)]
    windows: u32,
    /// Seconds a window lasts.
    #[arg(long, default_value_t = 3)]
    seconds: u32,
}

fn main() -> ExitCode {
    match play(Cli::parse().role) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(role: Role) -> Result<()> {
    // One thread is all that any role may have: it shares its core.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match role {
        Role::Run(options) => scenarios::run(&options, &runtime),
        Role::SseUpstream(options) => runtime.block_on(sse_upstream::serve(options)),
        Role::Ttft(options) => runtime.block_on(stream_load::ttft(options)),
        Role::Hold(options) => runtime.block_on(stream_load::hold(options)),
    }
}
