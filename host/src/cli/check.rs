//! `forebay check`: everything that `serve` would find wrong, without serving.

use std::path::PathBuf;

use super::remote::Output;
use super::say;
use crate::config::{self, Config, Overrides, Source};
use crate::operate::{Components, PolicyLoader as _, refused};

/// Check a configuration, or print its schema.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// The configuration file. Default: forebay.toml in the working folder, else the configuration inside the program.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the JSON schema of the configuration instead.
    #[arg(long)]
    schema: bool,
    /// Print lines for people or JSON for programs.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
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
        let config = config::load(&source, &Overrides::default())?;
        // Nothing is kept that depends on the master secret, so any will do.
        config::resolve(&config, &source, &[0; 32])?;
        if let Some(tls) = &config.server.tls {
            crate::listener::TlsKeys::load(tls, &source.base)?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        runtime
            .block_on(Components::default().load(&config.policies, &source.base))
            .map_err(|e| refused(&source, &config, e))?;
        let findings = config::findings(&config, &source);
        if self.output == Output::Json {
            let told =
                serde_json::json!({ "file": source.name(), "good": true, "warnings": findings });
            say(&format!("{told:#}"));
            return Ok(());
        }
        for finding in findings {
            say(&format!("warning: {finding}"));
        }
        say(&format!("{} is good", source.name()));
        Ok(())
    }
}
