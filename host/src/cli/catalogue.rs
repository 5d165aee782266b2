//! `forebay catalogue`: who sells which model where, at what price; and whether files about it are good.

use std::path::PathBuf;

use anyhow::Context as _;
use forebay_catalogue::{Catalogue, Date, File};

use super::remote::Output;
use super::say;
use crate::platform::clock;

/// Check the catalogue of models and prices, or list it.
#[derive(Debug, clap::Args)]
pub(super) struct CatalogueArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Check the built-in catalogue with files of yours over it.
    Check {
        /// Files that override, add or remove rows; each lies over those before it.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Show who sells which model, and what it costs.
    List {
        /// A model or an alias. Default: all.
        #[arg(long, value_name = "NAME")]
        model: Option<String>,
        /// A file that lies over the built-in catalogue. May be given again.
        #[arg(long = "file", value_name = "FILE")]
        files: Vec<PathBuf>,
        /// As JSON, prices in micro-US-dollars a million tokens.
        #[arg(long)]
        json: bool,
        /// Print a table for people or JSON for programs, as `--json` does.
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
}

impl CatalogueArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let today = Date::of(clock::wall());
        match self.what {
            What::Check { files } => {
                let texts = read(&files)?;
                let report = forebay_catalogue::check(&named(&texts), today);
                anyhow::ensure!(report.is_good(), "{report}");
                say(&report.to_string());
            }
            What::List {
                model,
                files,
                json,
                output,
            } => {
                let texts = read(&files)?;
                let catalogue = Catalogue::builtin()?.overlay(&named(&texts), today)?;
                let rows = catalogue.rows(model.as_deref())?;
                say(&match json || output == Output::Json {
                    true => serde_json::to_string_pretty(&rows)?,
                    false => forebay_catalogue::table(&rows),
                });
            }
        }
        Ok(())
    }
}

/// Names and texts of files.
fn read(files: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    let read = files.iter().map(|file| {
        let name = file.display().to_string();
        let text =
            std::fs::read_to_string(file).with_context(|| format!("{name} can't be read"))?;
        Ok((name, text))
    });
    read.collect()
}

fn named(texts: &[(String, String)]) -> Vec<File<'_>> {
    let files = texts.iter().map(|(name, text)| File { name, text });
    files.collect()
}
