//! `forebay simulate` and its second question, `forebay simulate edges`.

use crate::args::{SimulateArgs, SimulateError};
use crate::edges::EdgesArgs;

/// Route a recorded trace through simulated engines, and compare rules.
#[derive(Debug, Clone, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct SimulateCommand {
    #[command(flatten)]
    routing: Option<SimulateArgs>,
    #[command(subcommand)]
    other: Option<Other>,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Other {
    /// Send a recorded trace to edge locations, and report what reaches the engines.
    Edges(EdgesArgs),
}

impl SimulateCommand {
    /// Has JSON printed, as `--json` does.
    #[must_use]
    pub fn as_json(mut self) -> Self {
        if let Some(routing) = &mut self.routing {
            routing.json = true;
        }
        if let Some(Other::Edges(edges)) = &mut self.other {
            edges.json = true;
        }
        self
    }

    /// Simulates, and gives what is to be printed.
    ///
    /// # Errors
    /// [`SimulateError`], in words for a person at a terminal.
    pub fn run(&self) -> Result<String, SimulateError> {
        match (&self.other, &self.routing) {
            (Some(Other::Edges(args)), _) => args.run(),
            (None, Some(args)) => args.run(),
            (None, None) => Err(SimulateError::NoTrace),
        }
    }
}
