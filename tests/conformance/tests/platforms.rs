//! The conformance suite on the platforms that need nothing but this workspace. `cargo xtask test
//! conformance` runs it on all.

#![allow(clippy::unwrap_used, reason = "a failing step fails its test")]

use forebay_conformance::run::{self, Outcome};
use forebay_conformance::{case, config, here, platforms};

async fn passes_on(name: &str) {
    let cases = case::load(&here().join("cases")).unwrap();
    let lacks = platforms::Lacks::read(&here().join("platforms.toml")).unwrap();
    let platform = platforms::all()
        .into_iter()
        .find(|platform| platform.name() == name)
        .unwrap();
    let outcomes = run::all(platform.as_ref(), &lacks.of(name), &cases, &config())
        .await
        .unwrap();
    let failed: Vec<_> = outcomes
        .into_iter()
        .filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_)))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_native_host_passes() {
    passes_on("native").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spin_app_passes() {
    passes_on("spin-up").await;
}

#[test]
fn the_table_lists_every_case() {
    let table = std::fs::read_to_string(here().join("../../docs/conformance.md")).unwrap();
    let listed: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .filter_map(|row| row.split(" | ").next())
        .filter(|name| *name != "case")
        .collect();
    let cases = case::load(&here().join("cases")).unwrap();
    let names: Vec<&str> = cases.iter().map(|case| &*case.name).collect();
    assert_eq!(
        listed, names,
        "generate it again: cargo xtask test conformance --platform all --table docs/conformance.md"
    );
}
