//! `cargo xtask bench`: builds the gateway and the rig, brings in the peers, and runs them side by side.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::places::{Places, cargo};
use crate::setup::{self, debian, python, tools};
use crate::{build, components, shell};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Writes the figures to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measures only what has this in its name.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Another build of the gateway, to measure this one against in pairs of windows.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Valid windows for each figure; the median of them counts.
    #[arg(long, default_value_t = 5)]
    windows: u32,
    /// Seconds that a window lasts.
    #[arg(long, default_value_t = 3)]
    seconds: u32,
}

/// The criterion benchmark of the policy path, built with the features that the gateway is built with.
const POLICY_BENCH: [&str; 6] = [
    "bench",
    "--workspace",
    "--bench",
    "policy",
    "--",
    "--noplot",
];

pub(crate) fn run(places: &Places, args: &Args) -> Result<()> {
    let mut missing = debian::ensure(places, &debian::FOR_BENCH);
    missing.extend(setup::for_platforms(places, |_| true));
    let peers = python::ensure(places, "peers", &places.root.join("bench/peers.txt"))
        .map_err(|lack| missing.push(lack))
        .ok();
    build::run(places)?;
    components::edges(places)?;
    components::hello(places)?;
    let mut rig = cargo();
    rig.args(["build", "--release", "--package", "forebay-bench"])
        .current_dir(&places.root);
    shell::run(&mut rig)?;
    if args
        .only
        .as_deref()
        .is_none_or(|only| "policy".contains(only))
    {
        policy_path(places);
    }

    let mut bench = Command::new(places.target.join("release/forebay-bench"));
    bench.arg("run").current_dir(&places.root);
    bench.arg("--target").arg(&places.target);
    bench
        .arg("--configs")
        .arg(places.root.join("bench/configs"));
    bench
        .arg("--worker")
        .arg(places.root.join("deploy/workers/cloudflare"));
    if let Some(python) = peers {
        bench.arg("--peers").arg(python);
    }
    if let Some(only) = &args.only {
        bench.args(["--only", only]);
    }
    if let Some(baseline) = &args.baseline {
        bench.arg("--baseline").arg(std::path::absolute(baseline)?);
    }
    if let Some(json) = &args.json {
        bench.arg("--json").arg(std::path::absolute(json)?);
    }
    bench.args([
        "--windows",
        &args.windows.to_string(),
        "--seconds",
        &args.seconds.to_string(),
    ]);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([tools::folder(places)]);
    bench.env("PATH", std::env::join_paths(folders)?);
    let measured = shell::run(&mut bench);
    setup::report(&missing);
    measured
}

/// Measures the policy path with criterion. An older run's estimates go first: they must not pass for this one's.
fn policy_path(places: &Places) {
    for group in ["policy", "guard"] {
        fs::remove_dir_all(places.target.join("criterion").join(group)).ok();
    }
    let mut policy = cargo();
    policy
        .args(POLICY_BENCH)
        .current_dir(&places.root)
        .env("FOREBAY_COMPONENTS", places.components());
    if let Err(error) = shell::run(&mut policy) {
        shell::say(format!("the policy path is not measured: {error:#}"));
    }
}
