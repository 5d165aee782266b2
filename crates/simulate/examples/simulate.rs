//! `forebay simulate` by itself: builds without the gateway.

use clap::Parser;
use forebay_simulate::SimulateCommand;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    command: SimulateCommand,
}

fn main() -> std::process::ExitCode {
    match Cli::parse().command.run() {
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
