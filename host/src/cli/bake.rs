//! `forebay bake`: the configured policies as files.

use std::path::PathBuf;

use anyhow::Context as _;

use super::say;
use crate::config::{self, Overrides, Source};
use crate::operate;

/// Write the configured policies as files, for edges that compose by themselves.
#[derive(Debug, clap::Args)]
pub(super) struct BakeArgs {
    /// The configuration. Default: forebay.toml here, or built-in defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder to write to; made if missing.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

impl BakeArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let source = Source::find(self.config.as_deref())?;
        let config = config::load(&source, &Overrides::default())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let baked = runtime.block_on(operate::bake(&config.policies, &source.base))?;
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("{} can't be made", self.out.display()))?;
        for (name, bytes) in [
            ("prefix-cache", &baked.prefix_cache),
            ("guardrails", &baked.guardrails),
            ("cloud-selector", &baked.cloud_selector),
        ] {
            let file = self.out.join(format!("{name}.wasm"));
            std::fs::write(&file, bytes)
                .with_context(|| format!("{} can't be written", file.display()))?;
            say(&format!(
                "{} ({})",
                file.display(),
                config::Size(bytes.len() as u64)
            ));
        }
        for policy in &baked.unconfigured {
            say(&format!(
                "note: {policy} can't be frozen; whoever runs it has to configure it"
            ));
        }
        say(&format!("policy digest {}", hex::encode(baked.digest)));
        Ok(())
    }
}
