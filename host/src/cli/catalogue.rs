//! `forebay catalogue`: who sells which model where, at what price; and whether files about it are good.

use std::path::PathBuf;

use anyhow::Context as _;
use forebay_catalogue::{Catalogue, Date, File};
use serde_json::json;

use super::output::OutputArgs;
use crate::platform::clock;

/// Check the catalogue of models and prices, or list it.
#[derive(Debug, clap::Args)]
pub(super) struct CatalogueArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Check the built-in catalogue together with your own files.
    Check {
        /// Files that override, add or remove rows; later files win.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Show who sells which model, and what it costs.
    List {
        /// A model or an alias. Default: all.
        #[arg(long, value_name = "NAME")]
        model: Option<String>,
        /// A file that overrides the built-in catalogue. May be repeated.
        #[arg(long = "file", value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The same as `--output json`: prices are micro-US-dollars per million tokens.
        #[arg(long)]
        json: bool,
    },
}

impl CatalogueArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let today = Date::of(clock::wall());
        match self.what {
            What::Check { files } => {
                let texts = read(&files)?;
                let report = forebay_catalogue::check(&named(&texts), today);
                if report.is_good() || self.output.is_json() {
                    let problems: Vec<String> =
                        report.problems.iter().map(ToString::to_string).collect();
                    let value = json!({
                        "good": report.is_good(),
                        "problems": problems,
                        "sellers": report.sellers,
                        "models": report.models,
                        "offers": report.offers,
                    });
                    self.output.print(&value, || report.to_string());
                }
                anyhow::ensure!(report.is_good(), "{report}");
            }
            What::List { model, files, json } => {
                let texts = read(&files)?;
                let catalogue = Catalogue::builtin()?.overlay(&named(&texts), today)?;
                let rows = catalogue.rows(model.as_deref())?;
                let output = match json {
                    true => OutputArgs::JSON,
                    false => self.output,
                };
                output.print(&serde_json::to_value(&rows)?, || {
                    forebay_catalogue::table(&rows)
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
