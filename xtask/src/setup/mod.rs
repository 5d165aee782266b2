//! `cargo xtask setup`: brings in what a fresh machine lacks, says what it does, and does nothing twice.

pub(crate) mod debian;
pub(crate) mod lock;
pub(crate) mod python;
pub(crate) mod tools;
pub(crate) mod wasi;
mod wasi_from_source;

use std::fmt;

use anyhow::{Result, bail};

use crate::places::Places;
use crate::shell::say;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only what building and serving need: the WebAssembly target.
    #[arg(long)]
    build_only: bool,
    /// The runtimes of the conformance suite too: wasmtime, Viceroy, workerd. Minutes, once.
    #[arg(long, conflicts_with = "build_only")]
    runtimes: bool,
}

/// Something that setup could not bring in by itself.
pub(crate) struct Missing {
    /// What is not there.
    pub(crate) what: String,
    /// What is skipped without it.
    pub(crate) needed_for: String,
    /// How a person gets it.
    pub(crate) remedy: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "MISSING {}: needed for {}; {}",
            self.what, self.needed_for, self.remedy
        )
    }
}

/// What the tests found or brought in, and what they have to do without.
pub(crate) struct Equipment {
    /// The interpreter of the tests' own Python environment.
    pub(crate) python: Option<std::path::PathBuf>,
    /// The interpreters of agents that need environments of their own, by the variable that tells
    /// the tests.
    pub(crate) agents: Vec<(&'static str, std::path::PathBuf)>,
    /// The folder that `cargo install` filled, which belongs on the PATH.
    pub(crate) tools: std::path::PathBuf,
    /// What could not be had.
    pub(crate) missing: Vec<Missing>,
}

pub(crate) fn run(places: &Places, args: &Args) -> Result<()> {
    wasi::ensure(places)?;
    if args.build_only {
        return Ok(());
    }
    let mut equipment = for_tests(places);
    if args.runtimes {
        equipment.missing.extend(for_platforms(places, |_| true));
    }
    report(&equipment.missing);
    if equipment.missing.is_empty() {
        say("everything is in place");
    } else if in_ci() {
        bail!("{} things are missing", equipment.missing.len());
    }
    Ok(())
}

/// Brings in what the tests need beyond Rust and the WebAssembly target. What can't be had is listed, not fatal.
pub(crate) fn for_tests(places: &Places) -> Equipment {
    let mut missing = debian::ensure(places, &debian::FOR_TESTS);
    let python = python::ensure(
        places,
        "tests",
        &places.root.join("tests/python/requirements.txt"),
    )
    .map_err(|lack| missing.push(lack))
    .ok();
    let mut agents = Vec::new();
    let mut own = vec![("FOREBAY_LLAMA_INDEX", "agents", "tests/agents")];
    if std::env::var_os("FOREBAY_FULL").is_some_and(|full| full == "1") {
        own.push(("FOREBAY_AIDER", "aider", "tests/agents/aider"));
    }
    for (variable, name, folder) in own {
        let requirements = places.root.join(folder).join("requirements.txt");
        match python::ensure(places, name, &requirements) {
            Ok(python) => agents.push((variable, python)),
            Err(lack) => missing.push(lack),
        }
    }
    missing.extend(tools::ensure(places));
    missing.extend(tools::ensure_node_clients(places));
    missing.extend(tools::ensure_worker_template(places));
    missing.extend(tools::ensure_spin_build_tools(places));
    missing.extend(tools::ensure_fastly_cli(places));
    missing.extend(tools::ensure_agents(places));
    Equipment {
        python,
        agents,
        tools: tools::folder(places),
        missing,
    }
}

/// Brings in the runtimes of the platforms that `wanted` names: each takes minutes, once.
pub(crate) fn for_platforms(places: &Places, wanted: impl Fn(&str) -> bool) -> Vec<Missing> {
    let mut missing = tools::ensure_runtimes(places, &wanted);
    if wanted("workerd") {
        missing.extend(debian::ensure(places, &debian::FOR_WORKERS));
        missing.extend(tools::ensure_worker_modules(places));
    }
    missing
}

/// Prints the list of what is missing, if anything is.
pub(crate) fn report(missing: &[Missing]) {
    for lack in missing {
        eprintln!("{lack}");
    }
}

/// Whether a build server runs this: there, anything missing is a failure.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| {
        value
            .to_str()
            .is_none_or(|text| !matches!(text, "" | "false" | "0"))
    })
}
