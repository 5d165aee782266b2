//! `wasmtime serve`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{MASTER, What};
use crate::peers::{Starter, on_path};

/// All get the same: an instance is used again until the window ends, so that a hit stays a hit.
const REUSE: [&str; 4] = [
    "--max-instance-reuse-count",
    "10000000",
    "--idle-instance-timeout",
    "60s",
];

pub(super) fn command(starter: &Starter<'_>, what: What<'_>, port: u16) -> Result<Command> {
    let mut command = Command::new(program()?);
    command
        .args(["serve", "-Scli", "-Ccache=n", "--addr"])
        .arg(format!("127.0.0.1:{port}"))
        .args(REUSE);
    if let What::Edge(release, upstream) = what {
        let file = release.join("edge-wasi.wasm");
        let compiled = file.with_extension("cwasm");
        // Compiled by `compile` below, where that was asked for.
        let file = if compiled.is_file() { compiled } else { file };
        command
            .args(["--allow-precompiled", "-Skeyvalue", "-Sconfig"])
            .arg(format!("-Sconfig-var=upstream={}", upstream.url))
            .arg(format!("-Sconfig-var={MASTER}"))
            .arg(file);
        return Ok(command);
    }
    if let Some(upstream) = what.upstream() {
        command.arg("--env").arg(format!("UPSTREAM={upstream}"));
    }
    command.arg(starter.rig.components.join("hello.wasm"));
    Ok(command)
}

/// Compiles a release's edge ahead of time: from now on the compiled file is served.
pub(crate) fn compile(release: &Path) -> Result<()> {
    let file = release.join("edge-wasi.wasm");
    let compiled = Command::new(program()?)
        .args(["compile", "-o"])
        .arg(file.with_extension("cwasm"))
        .arg(&file)
        .output()?;
    if !compiled.status.success() {
        bail!("{}", String::from_utf8_lossy(&compiled.stderr).trim());
    }
    Ok(())
}

fn program() -> Result<PathBuf> {
    on_path("wasmtime").context("wasmtime is not installed")
}
