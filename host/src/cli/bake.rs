//! `forebay bake`: a release for edges: the configured policies and the gateway's settings as files.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use super::output::OutputArgs;
use super::progress::Progress;
use crate::config::{self, Overrides, Source};
use crate::operate;

/// Write a release for edges: the configured policies and the gateway's settings as components.
#[derive(Debug, clap::Args)]
pub(super) struct BakeArgs {
    /// The configuration file. Default: forebay.toml in the working folder, else the built-in configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder to write to; created if missing.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Require no API keys: every client is the tenant `local`, whatever keys are configured.
    #[arg(long)]
    open: bool,
    /// An edge component to compose with the release, into the same folder. May be repeated.
    #[arg(long, value_name = "EDGE.wasm")]
    compose: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

impl BakeArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let source = Source::find(self.config.as_deref())?;
        let config = config::load(&source, &Overrides::default())?;
        let settings = config::edge_settings(&config, &source, self.open)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let progress = Progress::show("compiling the policies");
        let baked = runtime.block_on(operate::bake(&config.policies, &source.base))?;
        drop(progress);
        if let Some(policy) = baked.unconfigured.first() {
            anyhow::bail!(
                "the {policy} policy can't be snapshotted after `configure`, so no edge could run it; \
                 only components without nested modules can"
            );
        }
        let release = forebay_sandbox::release(&baked.digest, &serde_json::to_string(&settings)?)?;
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("{} can't be created", self.out.display()))?;
        let parts: [(&str, &[u8]); 4] = [
            ("prefix-cache", &baked.prefix_cache),
            ("guardrails", &baked.guardrails),
            ("cloud-selector", &baked.cloud_selector),
            ("release", &release),
        ];
        let mut files = serde_json::Map::new();
        for (name, bytes) in parts {
            files.insert(
                format!("{name}.wasm"),
                self.write(&format!("{name}.wasm"), bytes)?,
            );
        }
        for edge in &self.compose {
            let name = file_name(edge)?;
            let bytes =
                std::fs::read(edge).with_context(|| format!("{} can't be read", edge.display()))?;
            let _progress = Progress::show(format!("composing {name}"));
            let composed = forebay_sandbox::plug_into(&bytes, &parts)
                .with_context(|| format!("{} can't be composed", edge.display()))?;
            files.insert(name.clone(), self.write(&name, &composed)?);
        }
        let digest = hex::encode(baked.digest);
        let list = serde_json::json!({
            "forebay": env!("CARGO_PKG_VERSION"),
            "policies": digest,
            "variables": settings.variables(),
            "persistent": settings.master.is_some(),
            "files": files,
        });
        self.write("release.json", format!("{list:#}\n").as_bytes())?;
        self.output.print(&list, || self.summary(&list));
        Ok(())
    }

    /// What was written, for people.
    fn summary(&self, list: &serde_json::Value) -> String {
        let files = list["files"].as_object().into_iter().flatten();
        let mut lines: Vec<String> = files
            .map(|(name, about)| {
                let size = config::Size(about["bytes"].as_u64().unwrap_or_default());
                format!("{} ({size})", self.out.join(name).display())
            })
            .collect();
        lines.push(format!("{}", self.out.join("release.json").display()));
        let digest = list["policies"].as_str().unwrap_or_default();
        lines.push(format!("policy digest {digest}"));
        let variables = list["variables"].as_array().into_iter().flatten();
        let variables: Vec<&str> = variables.filter_map(|name| name.as_str()).collect();
        if !variables.is_empty() {
            lines.push(format!("variables to set: {}", variables.join(", ")));
        }
        if list["persistent"] == false {
            lines.push(
                "note: without [secrets] master, cached entries are lost when an edge instance ends"
                    .to_owned(),
            );
        }
        lines.join("\n")
    }

    /// Writes a file whole or not at all. Gives its size and SHA-256.
    fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<serde_json::Value> {
        let file = self.out.join(name);
        let partial = self.out.join(format!("{name}.partial"));
        std::fs::write(&partial, bytes)
            .and_then(|()| std::fs::rename(&partial, &file))
            .with_context(|| format!("{} can't be written", file.display()))?;
        Ok(serde_json::json!({
            "bytes": bytes.len(),
            "sha256": hex::encode(Sha256::digest(bytes)),
        }))
    }
}

fn file_name(path: &Path) -> anyhow::Result<String> {
    path.file_name()
        .and_then(|name| name.to_str())
        .map(str::to_owned)
        .with_context(|| format!("{} names no file", path.display()))
}
