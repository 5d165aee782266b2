//! `forebay check`: everything that `serve` would find wrong, without serving.

use std::path::PathBuf;

use super::say;
use crate::config::{self, Config, Overrides, Source};
use crate::operate::{Components, PolicyLoader as _, built_in_components_are_there};

/// Check a configuration, or print its schema.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// The configuration. Default: forebay.toml here, or built-in defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the JSON schema of the configuration instead.
    #[arg(long)]
    schema: bool,
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
        let policies = &config.policies;
        let own = [
            &policies.prefix_cache,
            &policies.guardrails,
            &policies.cloud_selector,
        ]
        .iter()
        .all(|c| c.component.is_some());
        let mut unchecked = "";
        if own || built_in_components_are_there() {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()?;
            runtime.block_on(Components.load(policies, &source.base))?;
        } else {
            unchecked = ", but for the policies, whose components are not built";
        }
        say(&format!("{} is good{unchecked}", source.name()));
        Ok(())
    }
}
