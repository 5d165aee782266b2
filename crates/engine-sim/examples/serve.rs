//! Serves a replica from the command line until Ctrl-C, as `forebay engine-sim` does.

use clap::Parser;
use forebay_engine_sim::{EngineSimArgs, SimError};

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    engine: EngineSimArgs,
}

#[tokio::main]
async fn main() -> Result<(), SimError> {
    let interrupted = async {
        // Without a handler the process ends by the signal itself.
        let _ = tokio::signal::ctrl_c().await;
    };
    let listening = |url: &str| println!("listening on {url}");
    Options::parse().engine.run(listening, interrupted).await
}
