//! `forebay serve`.

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;

use tokio::runtime::{Builder, Runtime};

use super::say;
use crate::config::{self, Config, Overrides, Source};
use crate::operate::{self, Components, Options};
use crate::telemetry;

/// Serve clients.
#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    /// The configuration file. Default: forebay.toml in the working folder, else the configuration inside the program.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The engine to stand before, instead of the configured upstreams: http://127.0.0.1:8000.
    #[arg(long, value_name = "URL")]
    engine: Option<String>,
    /// Where clients connect, instead of server.listen.
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    /// Where the admin surface is, instead of admin.listen.
    #[arg(long, value_name = "IP:PORT")]
    admin: Option<SocketAddr>,
    /// Apply no guardrail rules at all: prompts and answers pass unscreened.
    #[arg(long)]
    no_policies: bool,
}

impl ServeArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let overrides = Overrides {
            listen: self.listen,
            admin: self.admin,
            engine: self.engine,
            no_policies: self.no_policies,
        };
        // Read once for what comes before everything else: threads and logging.
        let source = Source::find(self.config.as_deref())?;
        let config = config::load(&source, &overrides)?;
        telemetry::start_logging(&config.log)?;
        runtime(config.server.workers)?.block_on(async {
            let signals = operate::Signals::listen()?;
            let running = operate::start(
                Options {
                    file: self.config,
                    overrides,
                },
                Components::default(),
            )
            .await?;
            let scheme = if running.tls { "https" } else { "http" };
            say(&format!(
                "forebay listening on {scheme}://{}",
                running.address
            ));
            say(&format!("forebay admin on http://{}", running.admin));
            if let Some(probes) = running.probes {
                say(&format!("forebay probes on http://{probes}"));
            }
            if let Some(file) = &running.token_file {
                say(&format!("forebay admin token in {}", file.display()));
            }
            say(&format!("forebay configuration: {}", origin(&source)));
            say(&format!("forebay guardrails: {}", rules(&config)));
            if self.no_policies {
                tracing::warn!(
                    "--no-policies: NO GUARDRAIL RULE APPLIES. Prompts and answers pass unscreened, \
                     secrets and personal data included"
                );
            }
            operate::run_until_told_to_stop(running, signals).await;
            Ok(())
        })
    }
}

/// On one core everything runs on one thread, which spares the handing over between threads.
fn runtime(workers: Option<usize>) -> std::io::Result<Runtime> {
    let workers =
        workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get));
    match workers {
        0 | 1 => Builder::new_current_thread().enable_all().build(),
        workers => Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build(),
    }
}

/// Which configuration applies, in words.
fn origin(source: &Source) -> String {
    match &source.path {
        Some(path) => std::path::absolute(path)
            .unwrap_or_else(|_| path.clone())
            .display()
            .to_string(),
        None => "built in, because there is no forebay.toml in the working folder".to_owned(),
    }
}

/// The guardrail rules that apply, in words: `secrets (deny), personal-data (mask)`.
fn rules(config: &Config) -> String {
    let guardrails = &config.policies.guardrails;
    if let Some(component) = &guardrails.component {
        return format!("the component {}", component.display());
    }
    let rules = guardrails
        .config
        .get("rules")
        .and_then(|rules| rules.as_array());
    let shown: Vec<String> = rules
        .into_iter()
        .flatten()
        .map(|rule| {
            let text = |name: &str| rule.get(name).and_then(serde_json::Value::as_str);
            let shadow = rule.get("shadow").and_then(serde_json::Value::as_bool);
            format!(
                "{} ({}{})",
                text("name").or_else(|| text("kind")).unwrap_or("unnamed"),
                text("action").unwrap_or("deny"),
                if shadow == Some(true) {
                    ", only counted"
                } else {
                    ""
                }
            )
        })
        .collect();
    match shown.is_empty() {
        true => "none, prompts and answers pass unscreened".to_owned(),
        false => shown.join(", "),
    }
}
