//! `cargo xtask test`: every test there is, Rust's first and then the vendors' clients against the built gateway.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::places::{Places, cargo};
use crate::setup::{self, Equipment};
use crate::{build, components, shell};

/// pytest's exit code for a selection that holds no test.
const NOTHING_SELECTED: i32 = 5;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    suite: Option<Suite>,
    /// Runs only the engine part, against the gateway put before this engine.
    #[arg(long, value_name = "URL")]
    engine: Option<String>,
    /// Runs only tests whose name holds this.
    filter: Option<String>,
}

/// A suite that runs by itself.
#[derive(clap::Subcommand)]
enum Suite {
    /// Runs the same cases against every platform the gateway runs on.
    Conformance(Conformance),
}

#[derive(clap::Args)]
struct Conformance {
    /// native, spin-up, spin, wasmtime, workerd, viceroy or all; may be given again.
    #[arg(long, default_value = "all")]
    platform: Vec<String>,
    /// A folder of further cases in the same form.
    #[arg(long, value_name = "DIR")]
    cases: Vec<PathBuf>,
    /// Only cases with this in their name.
    #[arg(long)]
    case: Option<String>,
    /// Writes the table of cases and platforms to this file.
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
}

pub(crate) fn run(places: &Places, args: &Args) -> Result<()> {
    setup::wasi::ensure(places)?;
    if let Some(Suite::Conformance(conformance)) = &args.suite {
        return run_conformance(places, conformance);
    }
    let equipment = setup::for_tests(places);
    // The test run builds the binary itself: a build of its own before it would resolve other
    // features and compile the runtime twice.
    match args.engine {
        Some(_) => build::run(places)?,
        None => components::all(places)?,
    }

    let mut failed = Vec::new();
    if args.engine.is_none() {
        if let Err(error) = rust_tests(places, &equipment, args.filter.as_deref()) {
            failed.push(error);
        }
        if args.filter.is_none()
            && let Err(error) = property_tests(places, &equipment)
        {
            failed.push(error);
        }
        if let Err(error) = doc_tests(places) {
            failed.push(error);
        }
    }
    if let Err(error) = python_tests(places, &equipment, args) {
        failed.push(error);
    }

    if args.engine.is_none()
        && let Err(error) = deploy_tests(places, &equipment, args.filter.as_deref())
    {
        failed.push(error);
    }

    setup::report(&equipment.missing);
    if !failed.is_empty() {
        let reasons: Vec<String> = failed.iter().map(|error| format!("{error:#}")).collect();
        bail!("{}", reasons.join("\n"));
    }
    if setup::in_ci() && !equipment.missing.is_empty() {
        bail!(
            "{} things are missing, so not every test ran",
            equipment.missing.len()
        );
    }
    Ok(())
}

/// Brings in the runtimes of the platforms that are asked for, and runs the suite on them.
fn run_conformance(places: &Places, args: &Conformance) -> Result<()> {
    let wanted = |name: &str| args.platform.iter().any(|p| p == "all" || p == name);
    let missing = setup::for_platforms(places, wanted);
    setup::report(&missing);
    components::all(places)?;
    let mut build = build::release(places);
    // With a test beside them, features are those of the tests' build, and nothing is compiled twice.
    build
        .args(["--bin", "forebay", "--bin", "forebay-conformance"])
        .args(["--test", "platforms"]);
    shell::run(&mut build)?;
    let mut suite = Command::new(places.target.join("release/forebay-conformance"));
    for platform in &args.platform {
        suite.arg("--platform").arg(platform);
    }
    for folder in &args.cases {
        suite.arg("--cases").arg(folder);
    }
    if let Some(case) = &args.case {
        suite.arg("--case").arg(case);
    }
    if let Some(table) = &args.table {
        suite.arg("--table").arg(table);
    }
    if setup::in_ci() {
        suite.arg("--require");
    }
    shell::run(with_artefacts(&mut suite, places))
}

/// nextest runs no documentation tests, so cargo does. All packages at once: a selection would
/// resolve other features and compile the runtime once more.
fn doc_tests(places: &Places) -> Result<()> {
    let mut test = cargo();
    test.args(["test", "--doc", "--release", "--workspace", "--quiet"])
        .current_dir(&places.root);
    shell::run(with_artefacts(&mut test, places))
}

fn rust_tests(places: &Places, equipment: &Equipment, filter: Option<&str>) -> Result<()> {
    let mut test = cargo();
    test.current_dir(&places.root)
        .env("PATH", path_with(&equipment.tools))
        .env(SEED, FIXED_SEED);
    if has_nextest(equipment) {
        test.args([
            "nextest",
            "run",
            "--release",
            "--workspace",
            "--no-fail-fast",
        ]);
        if filter.is_some() {
            test.arg("--no-tests=pass");
        }
    } else {
        test.args([
            "test",
            "--release",
            "--workspace",
            "--lib",
            "--bins",
            "--tests",
            "--no-fail-fast",
        ]);
    }
    test.args(filter);
    shell::run(with_artefacts(&mut test, places))
}

fn has_nextest(equipment: &Equipment) -> bool {
    shell::on_path("cargo-nextest").is_some() || equipment.tools.join("cargo-nextest").is_file()
}

/// What proptest draws its cases from, as a number.
const SEED: &str = "PROPTEST_RNG_SEED";

/// The seed of every ordinary run, so that two runs of one tree agree.
const FIXED_SEED: &str = "1";

/// Seeds that once made a test fail, one a line.
const KEPT_SEEDS: &str = ".ci/proptest-seeds";

/// The packages with property tests.
const WITH_PROPERTIES: [&str; 3] = ["forebay-catalogue", "forebay-dialect", "forebay-guardrails"];

/// Runs the property tests again from the seeds that failed once, and from a new one.
fn property_tests(places: &Places, equipment: &Equipment) -> Result<()> {
    if !has_nextest(equipment) {
        shell::say("property tests run from one seed only: cargo-nextest is missing");
        return Ok(());
    }
    let kept = std::fs::read_to_string(places.root.join(KEPT_SEEDS)).unwrap_or_default();
    let kept = kept
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim().to_owned())
        .filter(|line| !line.is_empty());
    let packages = WITH_PROPERTIES
        .map(|package| format!("package({package})"))
        .join(" + ");
    for seed in kept.chain([new_seed().to_string()]) {
        let mut test = cargo();
        test.current_dir(&places.root)
            .env("PATH", path_with(&equipment.tools))
            .env(SEED, &seed)
            .args([
                "nextest",
                "run",
                "--release",
                "--workspace",
                "--no-fail-fast",
            ])
            .args(["--status-level", "fail", "--filterset", &packages]);
        shell::say(format!("property tests from the seed {seed}"));
        if let Err(error) = shell::run(with_artefacts(&mut test, places)) {
            bail!(
                "{error:#}\nto repeat it: {SEED}={seed} cargo test --release --workspace NAME-OF-THE-TEST\n\
                 once it is mended, add the seed to {KEPT_SEEDS}"
            );
        }
    }
    Ok(())
}

/// From the hasher's random keys, which the system's randomness makes.
fn new_seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0)
}

fn python_tests(places: &Places, equipment: &Equipment, args: &Args) -> Result<()> {
    let Some(python) = &equipment.python else {
        return Ok(());
    };
    let mut pytest = Command::new(python);
    pytest
        .args(["-m", "pytest", "-p", "no:cacheprovider"])
        // Most of them wait for answers, so more run at once than there are cores. A file's tests share a gateway.
        // The slowest files come first (conftest.py), not those with the most tests.
        .args(["-n", "4", "--dist", "loadfile", "--no-loadscope-reorder"])
        .arg(places.root.join("tests/python"));
    pytest
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PATH", path_with(&equipment.tools))
        .envs(equipment.agents.iter().cloned())
        .current_dir(&places.root);
    match &args.engine {
        Some(engine) => pytest.args(["-m", "engine", "--engine", engine]),
        None => pytest.args(["-m", "not engine"]),
    };
    if let Some(filter) = &args.filter {
        pytest.args(["-k", filter]);
    }
    let status = with_artefacts(&mut pytest, places).status()?;
    let nothing = status.code() == Some(NOTHING_SELECTED) && args.filter.is_some();
    if !status.success() && !nothing {
        bail!("the Python tests failed ({status})");
    }
    Ok(())
}

/// What deploy/ and `cargo xtask dist` ship, in a Python environment of its own.
fn deploy_tests(places: &Places, equipment: &Equipment, filter: Option<&str>) -> Result<()> {
    let folder = places.root.join("tests/deploy");
    let python = setup::python::ensure(places, "deploy", &folder.join("requirements.txt"))
        .map_err(|lack| anyhow::anyhow!("{lack}"))?;
    let mut pytest = Command::new(python);
    pytest
        .args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"])
        .arg(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PATH", path_with(&equipment.tools))
        .current_dir(&places.root);
    if let Some(filter) = filter {
        pytest.args(["-k", filter]);
    }
    let status = with_artefacts(&mut pytest, places).status()?;
    let nothing = status.code() == Some(NOTHING_SELECTED) && filter.is_some();
    if !status.success() && !nothing {
        bail!("the tests of deploy/ failed ({status})");
    }
    Ok(())
}

/// Tells tests where the built gateway and its components are, wherever cargo put them.
fn with_artefacts<'c>(command: &'c mut Command, places: &Places) -> &'c mut Command {
    command
        .env("FOREBAY_BIN", places.gateway())
        .env("FOREBAY_COMPONENTS", places.components())
}

fn path_with(folder: &Path) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(env::split_paths(&path).chain([folder.to_path_buf()])).unwrap_or(path)
}
