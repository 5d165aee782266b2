//! `forebay check`: everything that `serve` would find wrong, without serving.

use std::path::PathBuf;

use serde_json::json;

use super::doctor::offline;
use super::output::OutputArgs;
use super::progress::Progress;
use super::say;
use crate::config::{self, Config, Overrides, Source};
use crate::operate::{Components, PolicyLoader as _, refused};

/// Check a configuration, or print its schema.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// The configuration file. Default: forebay.toml in the working folder, else the built-in configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the JSON schema of the configuration instead.
    #[arg(long)]
    schema: bool,
    #[command(flatten)]
    output: OutputArgs,
}

impl CheckArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if self.schema {
            say(&serde_json::to_string_pretty(&schemars::schema_for!(
                Config
            ))?);
            return Ok(());
        }
        let source = Source::find(self.config.as_deref())?;
        let (good, warnings, error) = match check(&source) {
            Ok(warnings) => (true, warnings, None),
            Err(error) => (false, Vec::new(), Some(error)),
        };
        let said = error.as_ref().map(|error| format!("{error:#}"));
        let value =
            json!({ "file": source.name(), "good": good, "warnings": warnings, "error": said });
        match error {
            Some(error) if self.output.is_json() => {
                self.output.print(&value, String::new);
                Err(error)
            }
            Some(error) => Err(error),
            None => {
                self.output.print(&value, || {
                    let warnings = warnings.iter().map(|it| format!("warning: {it}\n"));
                    format!("{}{} is valid", warnings.collect::<String>(), source.name())
                });
                Ok(())
            }
        }
    }
}

/// What was probably not meant; or else the first mistake.
fn check(source: &Source) -> anyhow::Result<Vec<String>> {
    let config = config::load(source, &Overrides::default())?;
    // Nothing is kept that depends on the master secret, so any will do.
    let resolved = config::resolve(&config, source, &[0; 32])?;
    if let Some(tls) = &config.server.tls {
        crate::listener::TlsKeys::load(tls, &source.base)
            .map_err(|e| config::refused_tls(source, &e))?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let progress = Progress::show("compiling the policies");
    let loaded = runtime.block_on(Components::default().load(&config.policies, &source.base));
    drop(progress);
    let policies = loaded.map_err(|e| refused(source, &config, e))?;
    let _runtime = runtime.enter();
    offline(resolved, policies).map_err(|e| config::refused_upstream(source, &config, &e))?;
    let findings = config::findings(&config, source);
    Ok(findings.iter().map(ToString::to_string).collect())
}
