//! Where things are: the checkout, cargo's target folder, and the cache that outlives both.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell;

/// The folders that every verb works in.
pub(crate) struct Places {
    /// The checkout's root.
    pub(crate) root: PathBuf,
    /// Cargo's target folder, wherever the environment or a configuration puts it.
    pub(crate) target: PathBuf,
    /// What is costly to fetch or build and belongs to no checkout: `$FOREBAY_CACHE`, by default `~/.cache/forebay`.
    pub(crate) cache: PathBuf,
}

impl Places {
    /// Asks cargo, so that `CARGO_TARGET_DIR` and cargo's own configuration count.
    pub(crate) fn find() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .parent()
            .context("xtask lies inside the workspace")?
            .to_path_buf();
        let metadata = shell::capture(
            cargo()
                .args(["metadata", "--no-deps", "--format-version", "1"])
                .current_dir(&root),
        )?;
        let metadata: serde_json::Value = serde_json::from_str(&metadata)
            .context("cargo metadata printed something other than JSON")?;
        let target = metadata["target_directory"]
            .as_str()
            .context("cargo metadata names no target_directory")?;
        Ok(Self {
            root,
            target: target.into(),
            cache: cache_folder()?,
        })
    }

    /// The release binary of the gateway.
    pub(crate) fn gateway(&self) -> PathBuf {
        self.target.join("release/forebay")
    }

    /// The folder where the gateway looks for its policy components.
    pub(crate) fn components(&self) -> PathBuf {
        self.target.join("components")
    }

    /// A path as a person at the checkout's root would write it.
    pub(crate) fn short<'p>(&self, path: &'p Path) -> std::path::Display<'p> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}

/// The cargo that runs this program, so that one toolchain is used throughout.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What `cargo run` told this program about its own package. Build scripts that look at it (ring's) would run
    // again, with all that depends on them, whenever cargo is called by this program after it was called by hand.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&*name);
        }
    }
    cargo
}

fn cache_folder() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("FOREBAY_CACHE") {
        return std::path::absolute(folder).context("FOREBAY_CACHE is not a usable path");
    }
    if let Some(folder) = env::var_os("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(folder).join("forebay"));
    }
    let home = env::var_os("HOME").context(
        "neither FOREBAY_CACHE nor HOME is set; set one, so that there is a place for caches",
    )?;
    Ok(PathBuf::from(home).join(".cache/forebay"))
}
