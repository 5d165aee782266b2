//! The command line: `forebay serve`, `check`, `keys`, `catalogue`, `bake`, `spin`, `engine-sim`.

mod bake;
mod catalogue;
mod check;
mod keys;
mod serve;
mod spin;

use clap::{Parser, Subcommand};

/// An inference proxy and token cache with sandboxed policies.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, about, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve clients.
    Serve(serve::ServeArgs),
    /// Check a configuration, or print its schema.
    Check(check::CheckArgs),
    /// Make, list and end API keys.
    Keys(keys::KeysArgs),
    /// Check the catalogue of models and prices, or list it.
    Catalogue(catalogue::CatalogueArgs),
    /// Write the configured policies as files, for edges that compose by themselves.
    Bake(bake::BakeArgs),
    /// Serve a Spin application, where no `spin` program is at hand.
    Spin(spin::SpinArgs),
    /// Serve a simulated vLLM replica.
    EngineSim(forebay_engine_sim::EngineSimArgs),
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    /// Whatever a person at a terminal has to read.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Serve(args) => args.run(),
            Command::Check(args) => args.run(),
            Command::Keys(args) => args.run(),
            Command::Catalogue(args) => args.run(),
            Command::Bake(args) => args.run(),
            Command::Spin(args) => args.run(),
            Command::EngineSim(args) => engine_sim(&args),
        }
    }
}

fn engine_sim(args: &forebay_engine_sim::EngineSimArgs) -> anyhow::Result<()> {
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
        |url| say(&format!("forebay engine-sim listening on {url}")),
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
