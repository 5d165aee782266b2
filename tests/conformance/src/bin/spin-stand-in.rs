//! Serves a Spin app by Spin's own rules, for tests on machines without the program.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use forebay_spin_stand_in::Options;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Parser)]
#[command(name = "spin-stand-in")]
struct Up {
    /// The manifest.
    #[arg(long = "from", default_value = "spin.toml")]
    manifest: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// A variable of the application; before SPIN_VARIABLE_NAME. May be given again.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    variable: Vec<(String, String)>,
    /// The runtime configuration: stores, outbound HTTP, trust.
    #[arg(long, value_name = "FILE")]
    runtime_config_file: Option<PathBuf>,
    /// Requests that an instance serves before it is dropped.
    #[arg(long, value_name = "N", default_value_t = 128)]
    max_instance_reuse_count: usize,
    /// Requests that an instance serves at the same time.
    #[arg(long, value_name = "N", default_value_t = 16)]
    max_instance_concurrent_reuse_count: usize,
    /// How long an instance is kept without a request.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    idle_instance_timeout: Duration,
    /// How long a component may take to the head of its answer, and from there to the end of its work.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = humantime::parse_duration)]
    request_timeout: Duration,
    /// Bytes of memory that an instance may have.
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20)]
    max_instance_memory: usize,
    /// How long an operation of a key-value store may take.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    store_timeout: Duration,
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    match Up::parse().serve().await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

impl Up {
    async fn serve(self) -> anyhow::Result<()> {
        let options = Options {
            runtime_config: self.runtime_config_file,
            listen: self.listen,
            variables: self.variable,
            requests_per_instance: self.max_instance_reuse_count,
            concurrent_per_instance: self.max_instance_concurrent_reuse_count,
            idle_instance: self.idle_instance_timeout,
            request_timeout: self.request_timeout,
            memory: self.max_instance_memory,
            store_timeout: self.store_timeout,
            ..Options::new(self.manifest)
        };
        let app = forebay_spin_stand_in::up(&options).await?;
        // Before anyone is told that it listens: who is told may stop it at once.
        let (mut term, mut int) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        println!("Serving http://{}", app.address());
        app.serve(async {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        })
        .await;
        Ok(())
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "write NAME=VALUE".to_owned())
}
