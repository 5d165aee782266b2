//! `forebay`: the command line of the native host.

mod allocator;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

// Small, and fast where requests are allocated on one thread and freed on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = forebay_host::cli::Cli::parse();
    if cli.serves() {
        allocator::configure();
    }
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A reader that has gone must not turn an error into a panic.
            let _ = writeln!(std::io::stderr(), "forebay: {error:#}");
            ExitCode::FAILURE
        }
    }
}
