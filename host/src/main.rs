//! `forebay`: the command line of the native host.

mod allocator;

use std::process::ExitCode;

use clap::Parser as _;
use forebay_host::cli::{Cli, Failures};

// Small, and fast where requests are allocated on one thread and freed on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let failures = Failures::of(std::env::args_os());
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return failures.usage(&error),
    };
    if cli.serves() {
        allocator::configure();
    }
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failures.report(&error),
    }
}
