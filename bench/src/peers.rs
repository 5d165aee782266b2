//! What is measured: the gateway in its settings, and the peers that are installed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::runtime::Runtime;

use crate::http;
use crate::rig::{Core, Rig, Server, free_port};

/// Loading three components for the first time takes seconds; the peers need less.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Something that answers chat completions at a URL.
pub(crate) struct Subject {
    /// As the report names it.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) url: String,
    /// Where its health page is.
    pub(crate) admin: Option<String>,
    /// The process, where this value owns it.
    pub(crate) server: Option<Server>,
}

/// How the gateway is set for a scenario.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) isolation: &'static str,
    /// Guardrails judge answers as well as prompts.
    pub(crate) guard_output: bool,
}

impl Settings {
    /// The gateway's own defaults, with a rule for prompts.
    pub(crate) const DEFAULT: Self = Self {
        isolation: "request",
        guard_output: false,
    };
    /// Sandboxes are used again within a tenant.
    pub(crate) const TENANT: Self = Self {
        isolation: "tenant",
        ..Self::DEFAULT
    };
}

/// Starts things on the rig and waits until they answer.
pub(crate) struct Starter<'r> {
    pub(crate) rig: &'r Rig,
    pub(crate) runtime: &'r Runtime,
    /// The interpreter beside which the peers are installed.
    pub(crate) python: Option<&'r Path>,
    /// The folder with the gateway's Worker and workerd.
    pub(crate) worker: &'r Path,
}

impl Starter<'_> {
    /// The fixed completion, on the load's core: what nothing in between can beat.
    pub(crate) fn upstream(&self) -> Result<Subject> {
        let port = free_port()?;
        let words = [("UPSTREAM_PORT", port.to_string())];
        let file = self.rig.fill("upstream.conf", "upstream.conf", &words)?;
        let server = self
            .rig
            .start("upstream", Core::Load, nginx()?.arg("-c").arg(file))?;
        self.ready(Subject {
            name: "floor (no gateway)",
            url: local(port),
            admin: None,
            server: Some(server),
        })
    }

    /// An upstream that paces its streams, on the load's core.
    pub(crate) fn sse_upstream(&self, events: u64, every_ms: u64) -> Result<Subject> {
        let port = free_port()?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("sse-upstream")
            .args(["--listen", &format!("127.0.0.1:{port}")]);
        command.args([
            "--events",
            &events.to_string(),
            "--every-ms",
            &every_ms.to_string(),
        ]);
        let server = self.rig.start("sse-upstream", Core::Load, &mut command)?;
        self.ready(Subject {
            name: "floor (no gateway)",
            url: local(port),
            admin: None,
            server: Some(server),
        })
    }

    /// The gateway before an upstream.
    pub(crate) fn forebay(
        &self,
        name: &'static str,
        settings: Settings,
        upstream: &Subject,
    ) -> Result<Subject> {
        self.gateway(&self.rig.gateway, name, settings, upstream)
    }

    /// Any build of the gateway before an upstream.
    pub(crate) fn gateway(
        &self,
        program: &Path,
        name: &'static str,
        settings: Settings,
        upstream: &Subject,
    ) -> Result<Subject> {
        let (port, admin) = (free_port()?, free_port()?);
        let directions = if settings.guard_output {
            "\"input\", \"output\""
        } else {
            "\"input\""
        };
        let words = [
            ("LISTEN_PORT", port.to_string()),
            ("ADMIN_PORT", admin.to_string()),
            ("UPSTREAM_PORT", port_of(&upstream.url)?),
            ("ISOLATION", settings.isolation.into()),
            ("DIRECTIONS", directions.into()),
        ];
        let file = self
            .rig
            .fill("forebay.toml", &format!("forebay-{port}.toml"), &words)?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--config").arg(file);
        // The admin token's file stays in the working folder.
        command.env("XDG_RUNTIME_DIR", &self.rig.work);
        let server = self
            .rig
            .start(&format!("forebay-{port}"), Core::Gateway, &mut command)?;
        self.ready(Subject {
            name,
            url: local(port),
            admin: Some(local(admin)),
            server: Some(server),
        })
    }

    /// nginx as a plain proxy, as a caching proxy, and answering from memory: one worker, three ports.
    pub(crate) fn nginx(&self, upstream: &Subject) -> Result<[Subject; 3]> {
        let ports = [free_port()?, free_port()?, free_port()?];
        let words = [
            ("UPSTREAM_PORT", port_of(&upstream.url)?),
            ("PROXY_PORT", ports[0].to_string()),
            ("CACHE_PORT", ports[1].to_string()),
            ("MEMORY_PORT", ports[2].to_string()),
        ];
        let file = self
            .rig
            .fill("nginx-peers.conf", "nginx-peers.conf", &words)?;
        let server = self
            .rig
            .start("nginx-peers", Core::Gateway, nginx()?.arg("-c").arg(file))?;
        let proxy = self.ready(Subject {
            name: "nginx proxy_pass",
            url: local(ports[0]),
            admin: None,
            server: Some(server),
        })?;
        let cache = Subject {
            name: "nginx proxy_cache",
            url: local(ports[1]),
            admin: None,
            server: None,
        };
        let memory = Subject {
            name: "nginx from memory",
            url: local(ports[2]),
            admin: None,
            server: None,
        };
        Ok([proxy, self.ready(cache)?, self.ready(memory)?])
    }

    /// Plain Envoy with one worker.
    pub(crate) fn envoy(&self, upstream: &Subject) -> Result<Subject> {
        let port = free_port()?;
        let words = [
            ("LISTEN_PORT", port.to_string()),
            ("UPSTREAM_PORT", port_of(&upstream.url)?),
        ];
        let file = self
            .rig
            .fill("envoy.yaml", &format!("envoy-{port}.yaml"), &words)?;
        let mut command = Command::new(self.envoy_binary()?);
        // Several may run at once: without a base id of its own each would take the first's shared memory.
        command.arg("-c").arg(file).args([
            "--concurrency",
            "1",
            "--use-dynamic-base-id",
            "-l",
            "warn",
        ]);
        let server = self
            .rig
            .start(&format!("envoy-{port}"), Core::Gateway, &mut command)?;
        self.ready(Subject {
            name: "Envoy",
            url: local(port),
            admin: None,
            server: Some(server),
        })
    }

    fn envoy_binary(&self) -> Result<PathBuf> {
        if let Some(system) = on_path("envoy") {
            return Ok(system);
        }
        let script =
            "import envoy, pathlib; print(pathlib.Path(envoy.__file__).parent / '_bin' / 'envoy')";
        let python = self.python.context("it is not installed")?;
        let output = Command::new(python).args(["-c", script]).output()?;
        let binary = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        if !binary.is_file() {
            bail!("it is not installed");
        }
        Ok(binary)
    }

    /// SMG with one worker thread and no cache awareness, which a fixed upstream could not reward.
    pub(crate) fn smg(&self, upstream: &Subject) -> Result<Subject> {
        let beside = self
            .python
            .and_then(|python| Some(python.parent()?.join("smg")))
            .filter(|smg| smg.is_file());
        let binary = beside
            .or_else(|| on_path("smg"))
            .context("it is not installed")?;
        let (port, metrics) = (free_port()?, free_port()?);
        let mut command = Command::new(binary);
        command
            .args(["launch", "--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--worker-urls", &upstream.url, "--policy", "round_robin"])
            .args([
                "--prometheus-host",
                "127.0.0.1",
                "--prometheus-port",
                &metrics.to_string(),
                "--log-level",
                "warn",
            ])
            .env("TOKIO_WORKER_THREADS", "1");
        let server = self.rig.start("smg", Core::Gateway, &mut command)?;
        self.ready(Subject {
            name: "SMG",
            url: local(port),
            admin: None,
            server: Some(server),
        })
    }

    pub(crate) fn ready(&self, subject: Subject) -> Result<Subject> {
        match self
            .runtime
            .block_on(http::ready(&subject.url, READY_LIMIT))
        {
            Ok(()) => Ok(subject),
            Err(error) => {
                let words = subject
                    .server
                    .as_ref()
                    .map(Server::last_words)
                    .unwrap_or_default();
                bail!("{error:#}; its log ends with: {words}")
            }
        }
    }
}

/// Peers that are named but not brought in, with what would run them.
pub(crate) const NOT_BROUGHT_IN: [&str; 2] = ["Portkey", "LiteLLM"];

fn nginx() -> Result<Command> {
    Ok(Command::new(
        on_path("nginx").context("nginx is not installed")?,
    ))
}

pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers in sbin, which a user's PATH may lack.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|folder: PathBuf| folder.join(program))
        .find(|file| file.is_file())
}

pub(crate) fn local(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

pub(crate) fn port_of(url: &str) -> Result<String> {
    Ok(url.rsplit(':').next().context("a URL has a port")?.into())
}
