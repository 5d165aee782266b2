//! The project's few verbs, run as `cargo xtask VERB`: each sets up what it needs, does its work and says what it did.

mod bench;
mod book;
mod build;
mod children;
mod components;
mod dist;
mod imports;
mod local_engine;
mod places;
mod serve;
mod setup;
mod shell;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::places::Places;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's verbs")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Installs what is missing: the WebAssembly target, and what the tests need beyond Rust.
    Setup(setup::Args),
    /// Asks pip which files the Python environments are made of, and writes their hashes down.
    Lock,
    /// Builds the policies and the edges into target/components; with --compose a release in target/edge.
    Components(components::Args),
    /// Builds the policies and the release binary that carries them, target/release/forebay.
    Build,
    /// Builds the pages of docs/ into a book with search, target/book.
    Book,
    /// Builds what is shipped: tarball, .deb, .rpm, OCI image, Python wheel, SBOM, checksums.
    Dist(dist::Args),
    /// Builds and starts the gateway, before the embedded engine unless told otherwise.
    Serve(serve::Args),
    /// Sets up what is missing and runs every test.
    Test(test::Args),
    /// Fails where files of a crate import each other in a large circle.
    Imports(imports::Args),
    /// Measures the gateway beside its peers.
    Bench(bench::Args),
}

fn main() -> ExitCode {
    match run(Cli::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    let places = Places::find()?;
    match verb {
        Verb::Setup(args) => setup::run(&places, &args),
        Verb::Lock => setup::lock::run(&places),
        Verb::Components(args) => components::run_verb(&places, &args),
        Verb::Build => build::run(&places),
        Verb::Book => book::run(&places),
        Verb::Dist(args) => dist::run(&places, &args),
        Verb::Serve(args) => serve::run(&places, &args),
        Verb::Test(args) => test::run(&places, &args),
        Verb::Imports(args) => imports::run(&places, &args),
        Verb::Bench(args) => bench::run(&places, &args),
    }
}
