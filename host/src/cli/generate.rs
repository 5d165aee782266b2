//! `forebay completions` and `forebay man`: what packages install beside the program.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::CommandFactory as _;
use serde_json::json;

use super::output::OutputArgs;
use super::{Cli, say};

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: clap_complete::Shell,
}

impl CompletionsArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "forebay", &mut script);
        say(String::from_utf8_lossy(&script).trim_end());
        Ok(())
    }
}

/// Write manual pages, one for each command.
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// The folder to write to; created if missing.
    #[arg(value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

impl ManArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("{} can't be created", self.out.display()))?;
        clap_mangen::generate_to(Cli::command(), &self.out)
            .with_context(|| format!("{} can't be written", self.out.display()))?;
        let folder = self.out.display().to_string();
        self.output.print(&json!({ "folder": folder }), || {
            format!("manual pages are in {folder}")
        });
        Ok(())
    }
}
