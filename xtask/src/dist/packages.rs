//! Packages around the one program: those that any Linux takes, and those of Debian and Red Hat.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow};

use super::Shipment;
use crate::places::{Places, cargo};
use crate::setup::python;
use crate::shell;

/// All packages.
pub(super) fn write(places: &Places, shipment: &Shipment) -> Result<()> {
    let stage = lay_out(places, shipment)?;
    portable(places, shipment, &stage)?;
    rpm(places, shipment, &stage)
}

/// The tarball, the .deb, the image and the wheel.
fn portable(places: &Places, shipment: &Shipment, stage: &Path) -> Result<()> {
    let mut package = Command::new("python3");
    package
        .arg(places.root.join("xtask/assets/package.py"))
        .arg("--binary")
        .arg(&shipment.binary)
        .arg("--root")
        .arg(&places.root)
        .arg("--files")
        .arg(stage.join("files"))
        .arg("--out")
        .arg(&shipment.out)
        .args([
            "--version",
            &shipment.version,
            "--epoch",
            &shipment.epoch.to_string(),
        ]);
    shell::run(&mut package)
}

/// The .rpm, by cargo-generate-rpm, which reads a package that exists for it alone: so that it builds
/// nothing, and the workspace's manifests say nothing about distributions.
fn rpm(places: &Places, shipment: &Shipment, stage: &Path) -> Result<()> {
    let python = python::ensure(
        places,
        "packagers",
        &places.root.join("xtask/assets/packagers.txt"),
    )
    .map_err(|lack| anyhow!("{lack}"))?;
    let tools = python.parent().context("an interpreter lies in a folder")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tools.to_path_buf()).chain(std::env::split_paths(&path));
    let mut make = cargo();
    make.args(["generate-rpm", "--payload-compress", "gzip", "--output"])
        .arg(&shipment.out)
        .env("PATH", std::env::join_paths(folders)?)
        .env("SOURCE_DATE_EPOCH", shipment.epoch.to_string())
        .env("CARGO_TARGET_DIR", stage.join("target"))
        .current_dir(stage);
    shell::run(&mut make)
}

/// The folder of that package: its manifest, and the files that it names.
fn lay_out(places: &Places, shipment: &Shipment) -> Result<std::path::PathBuf> {
    let stage = places.target.join("dist-stage");
    fs::remove_dir_all(&stage).ok();
    for folder in ["src", "files/man", "files/completions", "target/release"] {
        fs::create_dir_all(stage.join(folder))?;
    }
    fs::write(stage.join("src/main.rs"), "fn main() {}\n")?;
    let files = stage.join("files");
    fs::copy(&shipment.binary, files.join("forebay"))
        .with_context(|| format!("{} can't be copied", shipment.binary.display()))?;
    for (from, to) in [
        ("LICENSE", "LICENSE"),
        ("README.md", "README.md"),
        ("forebay.toml", "forebay.toml"),
        ("deploy/systemd/forebay.service", "forebay.service"),
    ] {
        fs::copy(places.root.join(from), files.join(to))
            .with_context(|| format!("{from} can't be copied"))?;
    }
    shell::run(
        Command::new(&shipment.binary)
            .arg("man")
            .arg(files.join("man")),
    )?;
    for (shell_name, file) in [
        ("bash", "forebay"),
        ("zsh", "_forebay"),
        ("fish", "forebay.fish"),
    ] {
        let script =
            shell::capture(Command::new(&shipment.binary).args(["completions", shell_name]))?;
        fs::write(files.join("completions").join(file), script)?;
    }
    let manifest = fs::read_to_string(places.root.join("xtask/assets/packages.toml"))
        .context("xtask/assets/packages.toml can't be read")?
        .replace("VERSION", &shipment.version);
    fs::write(stage.join("Cargo.toml"), manifest)?;
    Ok(stage)
}
