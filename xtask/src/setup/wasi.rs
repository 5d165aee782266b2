//! The one piece that a fresh toolchain lacks: the standard library for wasm32-wasip2.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::places::Places;
use crate::setup::wasi_from_source;
use crate::shell::{self, say};

/// What the policies are compiled for.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// A download of 30 MB; a network that swallows packets is given up after this.
const RUSTUP_LIMIT: Duration = Duration::from_secs(180);

/// Adds the target to the running toolchain: by rustup, and where rustup can't, from source.
pub(crate) fn ensure(places: &Places) -> Result<()> {
    let toolchain = Toolchain::running()?;
    if toolchain.has_target() {
        return Ok(());
    }
    say(format!("rustc {} has no {TARGET}", toolchain.release));
    let by_rustup = if env::var_os("FOREBAY_WASI_FROM_SOURCE").is_some_and(|value| value == "1") {
        Err(anyhow!(
            "FOREBAY_WASI_FROM_SOURCE=1 asks for a build from source"
        ))
    } else {
        add_by_rustup(&toolchain)
    };
    let Err(no_rustup) = by_rustup else {
        return Ok(());
    };
    say(format!("not by rustup: {no_rustup:#}"));
    wasi_from_source::install(places, &toolchain)
        .map_err(|no_source| neither_way(&toolchain, &no_rustup, &no_source))
}

fn add_by_rustup(toolchain: &Toolchain) -> Result<()> {
    shell::on_path("rustup").context("rustup is not installed")?;
    let mut add = Command::new("rustup");
    add.args(["target", "add", TARGET]);
    // cargo names the toolchain it runs under; rustup obeys the same variable, here made visible.
    if let Some(name) = env::var_os("RUSTUP_TOOLCHAIN") {
        add.arg("--toolchain").arg(name);
    }
    shell::run_within(&mut add, RUSTUP_LIMIT)?;
    if toolchain.has_target() {
        return Ok(());
    }
    Err(anyhow!(
        "rustup added the target to another toolchain than the running {}",
        toolchain.sysroot.display()
    ))
}

fn neither_way(
    toolchain: &Toolchain,
    no_rustup: &anyhow::Error,
    no_source: &anyhow::Error,
) -> anyhow::Error {
    anyhow!(
        "the target {TARGET} could not be had.\n  \
         by rustup: {no_rustup:#}\n  \
         from source: {no_source:#}\n\
         One of these helps:\n  \
         - rustup with a network: rustup target add {TARGET}\n  \
         - a Debian with apt-get, dpkg-deb and its mirror in reach, for rust-src {} and wasi-libc of 2026 (both are in trixie-backports), and a writable {}\n  \
         - that standard library from your distribution, in {}",
        toolchain.release,
        toolchain.sysroot.display(),
        toolchain.target_folder().display(),
    )
}

/// The toolchain that compiles this workspace.
pub(crate) struct Toolchain {
    /// Its root, the folder that holds `lib/rustlib`.
    pub(crate) sysroot: PathBuf,
    /// Its version, such as `1.95.0`.
    pub(crate) release: String,
}

impl Toolchain {
    fn running() -> Result<Self> {
        let sysroot = shell::capture(rustc().args(["--print", "sysroot"]))?;
        let version = shell::capture(rustc().arg("--version").arg("--verbose"))?;
        let release = version
            .lines()
            .find_map(|line| line.strip_prefix("release: "))
            .context("rustc --version --verbose prints no release")?;
        Ok(Self {
            sysroot: sysroot.trim().into(),
            release: release.into(),
        })
    }

    /// Where the target's files belong.
    pub(crate) fn target_folder(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib").join(TARGET)
    }

    /// Both halves count: the Rust libraries and the C objects they are linked with.
    pub(crate) fn has_target(&self) -> bool {
        let libraries = self.target_folder().join("lib");
        has_std(&libraries) && libraries.join("self-contained/libc.a").is_file()
    }
}

/// The compiler that cargo uses.
fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// rustup's library carries a hash in its name, cargo's own does not.
fn has_std(libraries: &Path) -> bool {
    fs::read_dir(libraries).is_ok_and(|files| {
        files.flatten().any(|file| {
            let name = file.file_name();
            let name = name.to_string_lossy();
            (name == "libstd.rlib" || name.starts_with("libstd-")) && name.ends_with(".rlib")
        })
    })
}
