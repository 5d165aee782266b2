//! `forebay doctor`: tries everything that a configuration refers to, and says what is wrong with it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use forebay_gateway::{Gateway, Trial, UpstreamConfigError};
use forebay_sandbox::Sandbox;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use super::output::OutputArgs;
use super::progress::Progress;
use crate::config::{self, Config, Overrides, Resolved, Source};
use crate::operate::{Components, PolicyLoader as _, refused};
use crate::platform::Native;
use crate::store::{MemoryLimits, MemoryStore};
use crate::telemetry::Observers;

/// How long an upstream may take to let us connect.
const CONNECT: Duration = Duration::from_secs(5);

/// Try every upstream, key, certificate and policy, and say what is wrong.
#[derive(Debug, clap::Args)]
pub(super) struct DoctorArgs {
    /// The configuration file. Default: forebay.toml in the working folder, else the built-in configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    Doubtful,
    Bad,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Doubtful => "warning",
            Self::Bad => "wrong",
        }
    }
}

/// What was looked at, and what was found.
struct Finding {
    state: State,
    what: String,
    said: String,
}

#[derive(Default)]
struct Report(Vec<Finding>);

impl Report {
    fn add(&mut self, what: impl Into<String>, state: State, said: impl Into<String>) {
        self.0.push(Finding {
            state,
            what: what.into(),
            said: said.into(),
        });
    }

    fn lines(&self) -> Vec<String> {
        let line = |it: &Finding| format!("{:<8} {}: {}", it.state.word(), it.what, it.said);
        self.0.iter().map(line).collect()
    }

    /// Good, or wrong with its reason.
    fn outcome(&mut self, what: impl Into<String>, outcome: Result<String, String>) {
        match outcome {
            Ok(said) => self.add(what, State::Good, said),
            Err(why) => self.add(what, State::Bad, why),
        }
    }
}

impl DoctorArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let mut report = Report::default();
        let progress = Progress::show("checking upstreams, keys, certificates and policies");
        runtime.block_on(self.examine(&mut report))?;
        drop(progress);
        let bad = report
            .0
            .iter()
            .filter(|finding| finding.state == State::Bad)
            .count();
        let findings: Vec<_> = report
            .0
            .iter()
            .map(|it| json!({ "what": it.what, "state": it.state.word(), "said": it.said }))
            .collect();
        let value = json!({ "findings": findings, "wrong": bad });
        self.output.print(&value, || report.lines().join("\n"));
        anyhow::ensure!(bad == 0, "{bad} of {} checks failed", report.0.len());
        Ok(())
    }

    async fn examine(&self, report: &mut Report) -> anyhow::Result<()> {
        let source = Source::find(self.config.as_deref())?;
        let config = match config::load(&source, &Overrides::default()) {
            Ok(config) => config,
            Err(error) => {
                report.add("configuration", State::Bad, error.to_string());
                return Ok(());
            }
        };
        report.add("configuration", State::Good, source.name());
        for finding in config::findings(&config, &source) {
            report.add("configuration", State::Doubtful, finding);
        }
        // Keys, secrets, certificates and the catalogue. Nothing is kept that depends on the master secret.
        let resolved = config::resolve(&config, &source, &[0; 32]);
        let (resolved, said) = match resolved {
            Ok(resolved) => (Some(resolved), Ok("can be read".to_owned())),
            Err(error) => (None, Err(error.to_string())),
        };
        report.outcome("keys, secrets and files", said);
        if let Some(oidc) = resolved
            .as_ref()
            .and_then(|resolved| resolved.oidc.as_ref())
        {
            let fetched = oidc.fetch().await;
            report.outcome(
                "auth.oidc",
                fetched.map(|()| "the issuer's keys can be fetched and read".to_owned()),
            );
        }
        if let Some(tls) = &config.server.tls {
            let loaded = crate::listener::TlsKeys::load(tls, &source.base);
            report.outcome(
                "server.tls",
                loaded
                    .map(|_| "the certificate matches its key".to_owned())
                    .map_err(|e| e.to_string()),
            );
        }
        let policies = Components::default()
            .load(&config.policies, &source.base)
            .await;
        let (policies, said) = match policies {
            Ok(policies) => (
                Some(policies),
                Ok("load and accept their configuration".to_owned()),
            ),
            Err(error) => (None, Err(refused(&source, &config, error).to_string())),
        };
        report.outcome("policies", said);
        addresses(&config, report).await;
        upstreams(&config, report).await.context("upstreams")?;
        match (resolved, policies) {
            (Some(resolved), Some(policies)) => credentials(resolved, policies, report).await,
            _ if config.upstreams.is_empty() => {}
            _ => report.add(
                "credentials of upstreams",
                State::Doubtful,
                "not tried, because of the errors above",
            ),
        }
        Ok(())
    }
}

/// Whether the gateway could listen where it should. A running gateway holds its addresses, which is fine.
async fn addresses(config: &Config, report: &mut Report) {
    let addresses = [
        ("server.listen", Some(config.server.listen)),
        ("admin.listen", Some(config.admin.listen)),
        ("admin.probes", config.admin.probes),
    ];
    for (name, address) in addresses {
        let Some(address) = address else {
            continue;
        };
        match TcpListener::bind(address).await {
            Ok(_) => report.add(name, State::Good, format!("{address} is free")),
            Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => {
                report.add(
                    name,
                    State::Doubtful,
                    format!("{address} is in use, by a running gateway or by another program"),
                );
            }
            Err(e) => report.add(name, State::Bad, format!("can't listen on {address}: {e}")),
        }
    }
}

async fn upstreams(config: &Config, report: &mut Report) -> anyhow::Result<()> {
    if config.upstreams.is_empty() {
        report.add(
            "upstreams",
            State::Doubtful,
            "none are configured, so the embedded engine answers; it only simulates a model",
        );
    }
    for upstream in &config.upstreams {
        for url in upstream.base_urls().unwrap_or_default() {
            let what = format!("upstream {}", upstream.name);
            let url = match url.strip_prefix("env:") {
                Some(variable) => match std::env::var(variable) {
                    Ok(url) => url,
                    Err(_) => {
                        report.add(
                            what,
                            State::Bad,
                            format!("the environment variable {variable} is not set"),
                        );
                        continue;
                    }
                },
                None => url.clone(),
            };
            report.outcome(what, reach(&url).await);
        }
    }
    Ok(())
}

/// A gateway that serves nobody, to see whether one can be made and to ask its upstreams.
pub(super) fn offline(
    resolved: Resolved,
    policies: Sandbox,
) -> Result<Arc<Gateway<Native<Sandbox>>>, UpstreamConfigError> {
    let platform = Arc::new(Native::<Sandbox>::new(0, Arc::new(Observers::new(None))));
    let store = Arc::new(MemoryStore::new(MemoryLimits {
        bytes: 1 << 20,
        max_entry: 1 << 20,
    }));
    Gateway::new(
        platform,
        Arc::new(policies),
        store,
        resolved.gateway,
        resolved.keys,
        None,
    )
}

/// Asks each upstream for its models, with the credentials that it gets from the gateway.
async fn credentials(resolved: Resolved, policies: Sandbox, report: &mut Report) {
    let gateway = offline(resolved, policies);
    let gateway = match gateway {
        Ok(gateway) => gateway,
        Err(error) => return report.add("upstreams", State::Bad, error.to_string()),
    };
    for (name, url, trial) in gateway.try_credentials().await {
        let (state, said) = match trial {
            Trial::Accepted => (State::Good, format!("{url} lists its models")),
            Trial::Refused(status) => (
                State::Bad,
                format!("{url} refuses the credentials with status {status}"),
            ),
            Trial::Unknown(status) => (
                State::Good,
                format!(
                    "{url} has no list of models ({status}), so its credentials were not tried"
                ),
            ),
            Trial::Failed(why) => (State::Bad, format!("{url}: {why}")),
        };
        report.add(format!("credentials of upstream {name}"), state, said);
    }
}

/// Resolves the name and connects. Whether it answers is for the gateway's own health checks to say.
async fn reach(url: &str) -> Result<String, String> {
    let uri: http::Uri = url.parse().map_err(|e| format!("{url}: {e}"))?;
    let host = uri
        .host()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_owned();
    let port = uri
        .port_u16()
        .unwrap_or(if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        });
    let addresses = tokio::time::timeout(CONNECT, tokio::net::lookup_host((host.as_str(), port)))
        .await
        .map_err(|_| {
            format!(
                "{host}: no answer from the name server within {} s",
                CONNECT.as_secs()
            )
        })?
        .map_err(|e| format!("{host} can't be resolved: {e}"))?;
    let addresses: Vec<SocketAddr> = addresses.collect();
    let mut why = format!("{host} has no address");
    // A name has few addresses; more would only take longer to fail.
    for address in addresses.iter().take(4) {
        match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok(format!("{url} accepts connections at {address}")),
            Ok(Err(e)) => why = format!("{url} ({address}): {e}"),
            Err(_) => {
                why = format!(
                    "{url} ({address}): no connection within {} s",
                    CONNECT.as_secs()
                )
            }
        }
    }
    Err(why)
}
