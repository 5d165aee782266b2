//! `forebay serve`.

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;

use tokio::runtime::{Builder, Runtime};

use super::output::OutputArgs;
use crate::config::{self, Config, Overrides, Source};
use crate::operate::{self, Components, Options};
use crate::telemetry;

/// Start the gateway.
#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    /// The configuration file. Default: forebay.toml in the working folder, else the built-in configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Send requests to this engine instead of the configured upstreams: http://127.0.0.1:8000.
    #[arg(long, value_name = "URL")]
    engine: Option<String>,
    /// The address for clients, instead of server.listen.
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    /// The address of the admin API, instead of admin.listen.
    #[arg(long, value_name = "IP:PORT")]
    admin: Option<SocketAddr>,
    /// Apply no guardrail rules: prompts and answers are not checked.
    #[arg(long)]
    no_policies: bool,
    #[command(flatten)]
    output: OutputArgs,
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
            let started = Started {
                clients: format!("{scheme}://{}", running.address),
                admin: format!("http://{}", running.admin),
                probes: running.probes.map(|probes| format!("http://{probes}")),
                admin_token_file: running.token_file.as_ref().map(|it| it.display().to_string()),
                configuration: origin(&source),
                guardrails: rules(&config),
            };
            self.output
                .print(&serde_json::to_value(&started)?, || started.to_string());
            if self.no_policies {
                tracing::warn!(
                    "--no-policies: NO GUARDRAIL RULE APPLIES. Prompts and answers are not checked, \
                     including secrets and personal data"
                );
            }
            operate::run_until_told_to_stop(running, signals).await;
            Ok(())
        })
    }
}

/// Where a gateway that has started can be reached, and what it runs.
#[derive(serde::Serialize)]
struct Started {
    clients: String,
    admin: String,
    probes: Option<String>,
    admin_token_file: Option<String>,
    configuration: String,
    guardrails: String,
}

impl std::fmt::Display for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "forebay listening on {}", self.clients)?;
        writeln!(f, "forebay admin on {}", self.admin)?;
        if let Some(probes) = &self.probes {
            writeln!(f, "forebay probes on {probes}")?;
        }
        if let Some(file) = &self.admin_token_file {
            writeln!(f, "forebay admin token in {file}")?;
        }
        writeln!(f, "forebay configuration: {}", self.configuration)?;
        write!(f, "forebay guardrails: {}", self.guardrails)
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
        None => "built in (there is no forebay.toml in the working folder)".to_owned(),
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
        true => "none, prompts and answers are not checked".to_owned(),
        false => shown.join(", "),
    }
}
