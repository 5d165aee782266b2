//! `forebay simulate` by itself: builds without the gateway.

use clap::Parser;
use forebay_simulate::SimulateArgs;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: SimulateArgs,
}

fn main() -> std::process::ExitCode {
    match Cli::parse().args.run() {
        Ok(text) => {
            println!("{text}");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("simulate: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
