//! `forebay spin up`: a Spin application from its manifest, where no `spin` program is at hand.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use forebay_spin_host::Options;

use super::say;
use crate::config::{LogConfig, Size};
use crate::operate::Signals;

/// Serve a Spin application.
#[derive(Debug, clap::Args)]
pub(super) struct SpinArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Serve the application of a manifest.
    Up(UpArgs),
}

#[derive(Debug, clap::Args)]
struct UpArgs {
    /// The manifest.
    #[arg(default_value = "spin.toml")]
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
    /// Memory that an instance may have, such as "64 MiB".
    #[arg(long, value_name = "SIZE", default_value = "256 MiB", value_parser = size)]
    max_instance_memory: Size,
    /// How long an operation of a key-value store may take.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    store_timeout: Duration,
}

impl SpinArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let What::Up(up) = self.what;
        crate::telemetry::start_logging(&LogConfig::default())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(up.serve())
    }
}

impl UpArgs {
    async fn serve(self) -> anyhow::Result<()> {
        let options = Options {
            runtime_config: self.runtime_config_file,
            listen: self.listen,
            variables: self.variable,
            requests_per_instance: self.max_instance_reuse_count,
            concurrent_per_instance: self.max_instance_concurrent_reuse_count,
            idle_instance: self.idle_instance_timeout,
            request_timeout: self.request_timeout,
            memory: self.max_instance_memory.bytes(),
            store_timeout: self.store_timeout,
            ..Options::new(self.manifest)
        };
        let app = forebay_spin_host::up(&options).await?;
        // Before anyone is told that it listens: who is told may stop it at once.
        let mut signals = Signals::listen()?;
        say(&format!(
            "forebay spin listening on http://{}",
            app.address()
        ));
        app.serve(signals.stop()).await;
        Ok(())
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "write NAME=VALUE".to_owned())
}

fn size(text: &str) -> Result<Size, String> {
    text.parse()
}
