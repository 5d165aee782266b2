//! The command line: serving, checking, asking a running gateway, and what else an operator does with it.

mod bake;
mod catalogue;
mod check;
mod day_two;
mod doctor;
mod failure;
mod generate;
mod init;
mod keys;
mod output;
mod policies;
mod prefix;
mod prefix_explain;
mod progress;
mod remote;
mod serve;
mod top;
mod why;

use clap::{Parser, Subcommand};
use forebay_simulate::SimulateError;

pub use failure::Failures;

/// A gateway and token cache for inference, with policies in sandboxes.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the gateway.
    Serve(serve::ServeArgs),
    /// Write a first configuration, from a few flags or from LiteLLM's.
    Init(init::InitArgs),
    /// Check a configuration, or print its JSON schema.
    Check(check::CheckArgs),
    /// Try every upstream, key, certificate and policy, and report what is wrong.
    Doctor(doctor::DoctorArgs),
    /// Show the upstreams of a running gateway: health, load, measured speed.
    Upstreams(day_two::UpstreamsArgs),
    /// List what a running gateway has cached.
    Cache(day_two::CacheArgs),
    /// Remove entries from the cache of a running gateway.
    Purge(day_two::PurgeArgs),
    /// Show what a running gateway is doing, live.
    Top(top::TopArgs),
    /// Explain how a request was answered, or why it failed.
    Why(why::WhyArgs),
    /// Make a running gateway reload its configuration.
    Reload(day_two::ReloadArgs),
    /// Create, list, rotate and expire API keys.
    Keys(keys::KeysArgs),
    /// Sign and verify policy components, and store them in an OCI registry.
    Policies(policies::PoliciesArgs),
    /// Check or list the catalogue of models and prices.
    Catalogue(catalogue::CatalogueArgs),
    /// Check block hashes against an engine's, or show which replica has a prompt cached.
    Prefix(prefix::PrefixArgs),
    /// Replay a recorded trace against simulated engines and compare routing rules.
    Simulate {
        #[command(flatten)]
        simulate: forebay_simulate::SimulateCommand,
        #[command(flatten)]
        output: output::OutputArgs,
    },
    /// Write a release for edges: the configured policies and settings as components.
    Bake(bake::BakeArgs),
    /// Removed: run Spin apps with the spin CLI.
    #[command(hide = true)]
    Spin {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        _rest: Vec<String>,
    },
    /// Serve a simulated vLLM replica.
    EngineSim {
        #[command(flatten)]
        engine: forebay_engine_sim::EngineSimArgs,
        #[command(flatten)]
        output: output::OutputArgs,
    },
    /// Print a completion script for a shell.
    Completions(generate::CompletionsArgs),
    /// Write the manual pages.
    #[command(hide = true)]
    Man(generate::ManArgs),
}

impl Cli {
    /// Whether it is the gateway that is started, and not a command that soon ends.
    pub fn serves(&self) -> bool {
        matches!(self.command, Command::Serve(_))
    }

    /// Does what the command line says.
    ///
    /// # Errors
    /// Whatever a person at a terminal has to read.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Serve(args) => args.run(),
            Command::Init(args) => args.run(),
            Command::Check(args) => args.run(),
            Command::Doctor(args) => args.run(),
            Command::Upstreams(args) => args.run(),
            Command::Cache(args) => args.run(),
            Command::Purge(args) => args.run(),
            Command::Top(args) => args.run(),
            Command::Why(args) => args.run(),
            Command::Reload(args) => args.run(),
            Command::Completions(args) => args.run(),
            Command::Man(args) => args.run(),
            Command::Keys(args) => args.run(),
            Command::Policies(args) => args.run(),
            Command::Catalogue(args) => args.run(),
            Command::Prefix(args) => args.run(),
            Command::Simulate { simulate, output } => {
                let simulate = match output.is_json() {
                    true => simulate.as_json(),
                    false => simulate,
                };
                match simulate.run() {
                    Ok(report) => say(report.trim_end()),
                    Err(error @ SimulateError::NoTrace) => {
                        let kind = clap::error::ErrorKind::MissingRequiredArgument;
                        return Err(clap::Error::raw(kind, format!("{error}\n")).into());
                    }
                    Err(error) => return Err(error.into()),
                }
                Ok(())
            }
            Command::Bake(args) => args.run(),
            Command::Spin { .. } => Err(clap::Error::raw(
                clap::error::ErrorKind::InvalidSubcommand,
                "forebay does not serve Spin apps; run `spin up` (Spin 4.1 or newer, \
                 https://spinframework.dev). docs/edges.md has the steps\n",
            )
            .into()),
            Command::EngineSim { engine, output } => engine_sim(&engine, output),
        }
    }
}

fn engine_sim(
    args: &forebay_engine_sim::EngineSimArgs,
    output: output::OutputArgs,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let stop = async {
        // No handler: then nothing but a kill ends it, and that needs none.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    runtime.block_on(args.run(
        |url| {
            output.print(&serde_json::json!({ "engine": url }), || {
                format!("forebay engine-sim listening on {url}")
            });
        },
        stop,
    ))?;
    Ok(())
}

/// A line on stdout, at once: scripts wait for it. A closed stdout is no reason to stop.
fn say(line: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
