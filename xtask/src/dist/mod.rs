//! `cargo xtask dist`: everything that is shipped, from one build: a tarball, a .deb, an .rpm, an OCI image layout,
//! a Python wheel, a list of what is inside (SBOM), and checksums.

mod packages;
mod sbom;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::places::{Places, cargo};
use crate::{components, setup, shell};

/// What the program may weigh.
const MOST_BYTES: u64 = 60 * 1_000_000;

/// The file of checksums, which is written last.
const SUMS: &str = "SHA256SUMS";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Package this program instead of building one, which takes about twice as long as a release build.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Where the packages go: an empty folder, or one with the packages of an earlier run, which are replaced. Default: dist-packages in cargo's target folder.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// What packages are made of.
pub(crate) struct Shipment {
    /// The program.
    binary: PathBuf,
    /// Where packages go.
    out: PathBuf,
    /// The workspace's version.
    version: String,
    /// Seconds since 1970 that files carry, so that the same commit gives the same bytes.
    epoch: u64,
}

pub(crate) fn run(places: &Places, args: &Args) -> Result<()> {
    let binary = match &args.binary {
        Some(binary) => std::path::absolute(binary)?,
        None => build(places)?,
    };
    let size = fs::metadata(&binary)
        .with_context(|| format!("{} is not there", binary.display()))?
        .len();
    if args.binary.is_none() && size > MOST_BYTES {
        bail!("the program has {size} bytes, more than {MOST_BYTES}");
    }
    let out = match &args.out {
        Some(out) => std::path::absolute(out)?,
        None => places.target.join("dist-packages"),
    };
    clear(&out, args.out.is_none())?;
    fs::create_dir_all(&out).with_context(|| format!("could not create {}", out.display()))?;
    let shipment = Shipment {
        binary,
        out,
        version: version(places)?,
        epoch: epoch(places)?,
    };
    sbom::write(places, &shipment)?;
    packages::write(places, &shipment)?;
    checksums(&shipment.out)?;
    shell::say(format!(
        "the program has {:.1} MB; packages are in {}",
        size as f64 / 1e6,
        places.short(&shipment.out)
    ));
    Ok(())
}

/// Removes the packages of an earlier run. Somebody's folder with anything else in it is left alone.
fn clear(out: &Path, ours: bool) -> Result<()> {
    let Ok(mut files) = fs::read_dir(out) else {
        return Ok(());
    };
    if files.next().is_some() && !ours && !out.join(SUMS).is_file() {
        bail!(
            "{} holds files that are not packages; choose an empty folder",
            out.display()
        );
    }
    fs::remove_dir_all(out).with_context(|| format!("could not remove {}", out.display()))
}

/// One build for all packages. Paths of this machine are replaced, so that another one makes the same bytes.
fn build(places: &Places) -> Result<PathBuf> {
    setup::wasi::ensure(places)?;
    components::policies(places)?;
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))
        .context("neither CARGO_HOME nor HOME is set")?;
    let flags = [
        format!("--remap-path-prefix={}=/forebay", places.root.display()),
        format!("--remap-path-prefix={home}=/cargo"),
    ];
    let mut build = cargo();
    build
        .args([
            "build",
            "--profile",
            "dist",
            "--workspace",
            // These two packages enable features that only tests need.
            "--exclude",
            "forebay-tests",
            "--exclude",
            "forebay-conformance",
            "--bin",
            "forebay",
            "--locked",
        ])
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .current_dir(&places.root);
    shell::say(
        "building the program to ship: an optimised build of its own, twice as long as a release build",
    );
    shell::run(&mut build)?;
    Ok(places.target.join("dist/forebay"))
}

fn version(places: &Places) -> Result<String> {
    let metadata = shell::capture(
        cargo()
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(&places.root),
    )?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let host = packages
        .into_iter()
        .find(|package| package["name"] == "forebay");
    host.and_then(|host| host["version"].as_str())
        .map(str::to_owned)
        .context("cargo metadata names no version of forebay")
}

/// `SOURCE_DATE_EPOCH`, or the time of the commit.
fn epoch(places: &Places) -> Result<u64> {
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return given
            .trim()
            .parse()
            .context("SOURCE_DATE_EPOCH is a number of seconds");
    }
    let commit = shell::capture(
        Command::new("git")
            .args(["log", "-1", "--format=%ct"])
            .current_dir(&places.root),
    );
    match commit {
        Ok(seconds) => seconds
            .trim()
            .parse()
            .context("git names the commit's time"),
        // A tree without history: 2026-01-01.
        Err(_) => Ok(1_767_225_600),
    }
}

/// Checksums, as `sha256sum --check` reads them.
fn checksums(out: &Path) -> Result<()> {
    let mut files: Vec<PathBuf> = fs::read_dir(out)?
        .flatten()
        .map(|file| file.path())
        .collect();
    files.sort();
    let mut sums = String::new();
    for file in files {
        let name = file
            .file_name()
            .context("a package has a name")?
            .to_string_lossy()
            .into_owned();
        let digest = Sha256::digest(fs::read(&file)?);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        sums.push_str(&format!("{digest}  {name}\n"));
    }
    fs::write(out.join(SUMS), sums).with_context(|| format!("could not write {SUMS}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_packages_of_an_earlier_run_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        fs::create_dir_all(&out).unwrap();
        fs::write(out.join("mine"), "").unwrap();
        let refused = clear(&out, false).unwrap_err().to_string();
        assert!(refused.contains("choose an empty folder"), "{refused}");
        assert!(out.join("mine").is_file());
        fs::write(out.join(SUMS), "").unwrap();
        clear(&out, false).unwrap();
        assert!(!out.exists());
        clear(&out, false).unwrap();
    }
}
