//! Cargo's companions: the licence and ban checker, and the test runner.

use std::path::PathBuf;

use crate::places::{Places, cargo};
use crate::setup::Missing;
use crate::shell;

/// A program that `cargo install` brings, at the version that the checks were written for.
struct Tool {
    name: &'static str,
    version: &'static str,
    needed_for: &'static str,
}

const TOOLS: [Tool; 2] = [
    Tool {
        name: "cargo-deny",
        version: "0.20.2",
        needed_for: "the check of licences, bans and sources",
    },
    Tool {
        name: "cargo-nextest",
        version: "0.9.143",
        needed_for: "running tests side by side (cargo test stands in)",
    },
];

/// The folder with the installed programs, for the PATH.
pub(crate) fn folder(places: &Places) -> PathBuf {
    places.cache.join("tools/bin")
}

/// Installs those that are neither on the PATH nor in the cache; each takes minutes, once.
pub(crate) fn ensure(places: &Places) -> Vec<Missing> {
    let absent = |tool: &&Tool| {
        shell::on_path(tool.name).is_none() && !folder(places).join(tool.name).is_file()
    };
    TOOLS
        .iter()
        .filter(absent)
        .filter_map(|tool| install(places, tool))
        .collect()
}

fn install(places: &Places, tool: &Tool) -> Option<Missing> {
    let mut install = cargo();
    install
        .args([
            "install",
            "--locked",
            "--quiet",
            tool.name,
            "--version",
            tool.version,
            "--root",
        ])
        .arg(places.cache.join("tools"))
        // A target folder of its own: the checkout's may be locked, and its build flags are not the tool's.
        .env("CARGO_TARGET_DIR", places.cache.join("tools/target"))
        .current_dir(std::env::temp_dir());
    shell::run(&mut install).err().map(|error| Missing {
        what: tool.name.into(),
        needed_for: tool.needed_for.into(),
        remedy: format!(
            "install it (cargo install --locked {} --version {}): {error:#}",
            tool.name, tool.version
        ),
    })
}
