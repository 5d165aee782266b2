//! The runtimes that serve the edge, each also with a handler of its own kind that says hello or
//! passes on: what the runtime costs by itself.

mod spin;
mod viceroy;
mod wasmtime;
mod workerd;

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

pub(crate) use self::wasmtime::compile as compile_ahead;
use crate::peers::{Starter, Subject, local};
use crate::rig::{Core, free_port};

/// Compiling the edge takes seconds, once.
const COMPILE_LIMIT: Duration = Duration::from_secs(120);

/// The edge's master secret: without one nothing outlives an instance.
const MASTER: &str = "master=sixteen bytes or more";

/// What serves components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    Wasmtime,
    Spin,
    Workerd,
    Viceroy,
}

/// A component that is being served, and how long it took until it listened.
pub(crate) struct Served {
    pub(crate) subject: Subject,
    pub(crate) started: Duration,
}

/// What a runtime is to serve.
#[derive(Clone, Copy)]
pub(crate) enum What<'a> {
    Hello,
    /// The handler that passes on to an upstream.
    Proxy(&'a Subject),
    /// The edge of a release, before an upstream.
    Edge(&'a Path, &'a Subject),
}

impl What<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Proxy(_) => "proxy",
            Self::Edge(..) => "edge",
        }
    }

    fn upstream(&self) -> Option<&str> {
        match self {
            Self::Hello => None,
            Self::Proxy(upstream) | Self::Edge(_, upstream) => Some(&upstream.url),
        }
    }
}

impl Runtime {
    pub(crate) const ALL: [Self; 4] = [Self::Wasmtime, Self::Spin, Self::Workerd, Self::Viceroy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wasmtime => "wasmtime",
            Self::Spin => "Spin",
            Self::Workerd => "workerd",
            Self::Viceroy => "Viceroy",
        }
    }

    /// Starts it.
    pub(crate) fn serve(self, starter: &Starter<'_>, what: What<'_>) -> Result<Served> {
        let port = free_port()?;
        let mut command = match self {
            Self::Wasmtime => wasmtime::command(starter, what, port)?,
            Self::Spin => spin::command(starter, what, port)?,
            Self::Workerd => workerd::command(starter, what, port)?,
            Self::Viceroy => viceroy::command(starter, what, port)?,
        };
        starter.listening(what.name(), port, &mut command)
    }
}

impl Starter<'_> {
    /// Bakes the edges with the rules of `edge.toml` and this many words to look for; gives the release.
    pub(crate) fn bake(&self, terms: usize) -> Result<PathBuf> {
        let words: Vec<String> = (0..terms).map(|n| format!("\"term{n:05}\"")).collect();
        let rule = match terms {
            0 => String::new(),
            _ => format!(
                "[[policies.guardrails.config.rules]]\nname = \"terms\"\nkind = \"dictionary\"\naction = \"deny\"\nterms = [{}]\n",
                words.join(", ")
            ),
        };
        let config = self.rig.fill(
            "edge.toml",
            &format!("edge-{terms}.toml"),
            &[("TERMS", rule)],
        )?;
        let out = self.rig.work.join(format!("edge-{terms}"));
        let mut bake = Command::new(&self.rig.gateway);
        bake.args(["bake", "--open", "--config"])
            .arg(config)
            .arg("--out")
            .arg(&out)
            .env("FOREBAY_COMPONENTS", &self.rig.components);
        for edge in ["wasi", "worker", "fastly"] {
            bake.arg("--compose")
                .arg(self.rig.components.join(format!("edge-{edge}.wasm")));
        }
        let baked = bake.output()?;
        if !baked.status.success() {
            bail!("{}", String::from_utf8_lossy(&baked.stderr).trim());
        }
        Ok(out)
    }

    /// Starts a server on the gateway's core and waits until it listens.
    fn listening(&self, name: &'static str, port: u16, command: &mut Command) -> Result<Served> {
        let began = Instant::now();
        let server = self
            .rig
            .start(&format!("{name}-{port}"), Core::Gateway, command)?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        while TcpStream::connect(address).is_err() {
            if began.elapsed() > COMPILE_LIMIT {
                bail!("it did not listen: {}", server.last_words());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(Served {
            started: began.elapsed(),
            subject: Subject {
                name,
                url: local(port),
                admin: None,
                server: Some(server),
            },
        })
    }
}
