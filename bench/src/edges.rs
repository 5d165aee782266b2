//! Components under `wasmtime serve`: the edge with a release, and the handler that a runtime is measured by.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::peers::{Starter, Subject, local};
use crate::rig::{Core, free_port};

/// Both get the same: an instance is used again until the window ends, so that a hit stays a hit.
const REUSE: [&str; 4] = [
    "--max-instance-reuse-count",
    "10000000",
    "--idle-instance-timeout",
    "60s",
];

/// Compiling the edge takes seconds, once.
const COMPILE_LIMIT: Duration = Duration::from_secs(120);

/// A component that is being served, and how long compiling it took.
pub(crate) struct Served {
    pub(crate) subject: Subject,
    pub(crate) compiled: Duration,
}

impl Starter<'_> {
    /// Bakes the edge with the rules of `edge.toml` and this many words to look for.
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
        let baked = Command::new(&self.rig.gateway)
            .args(["bake", "--open", "--config"])
            .arg(config)
            .arg("--out")
            .arg(&out)
            .arg("--compose")
            .arg(self.rig.components.join("edge-wasi.wasm"))
            .env("FOREBAY_COMPONENTS", &self.rig.components)
            .output()?;
        if !baked.status.success() {
            bail!("{}", String::from_utf8_lossy(&baked.stderr).trim());
        }
        Ok(out.join("edge-wasi.wasm"))
    }

    /// The edge before an upstream.
    pub(crate) fn edge(&self, component: &Path, upstream: &Subject) -> Result<Served> {
        let variable = format!("-Sconfig-var=upstream={}", upstream.url);
        self.serve("edge", component, &["-Skeyvalue", "-Sconfig", &variable])
    }

    /// The handler that says hello, or passes on to an upstream.
    pub(crate) fn hello(&self, upstream: Option<&Subject>) -> Result<Served> {
        let component = self.rig.components.join("hello.wasm");
        let variable = upstream.map(|u| format!("UPSTREAM={}", u.url));
        let mut flags = Vec::new();
        if let Some(variable) = &variable {
            flags.extend(["--env", variable]);
        }
        self.serve("hello", &component, &flags)
    }

    fn serve(&self, name: &'static str, component: &Path, flags: &[&str]) -> Result<Served> {
        let wasmtime = self.wasmtime.context("wasmtime is not installed")?;
        let port = free_port()?;
        let mut command = Command::new(wasmtime);
        command
            .args(["serve", "-Scli", "-Ccache=n", "--addr"])
            .arg(format!("127.0.0.1:{port}"))
            .args(REUSE)
            .args(flags)
            .arg(component);
        let began = Instant::now();
        let server = self
            .rig
            .start(&format!("{name}-{port}"), Core::Gateway, &mut command)?;
        while !server.log().contains("Serving HTTP") {
            if began.elapsed() > COMPILE_LIMIT {
                bail!("it did not serve: {}", server.last_words());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Served {
            subject: Subject {
                name,
                url: local(port),
                admin: None,
                server: Some(server),
            },
            compiled: began.elapsed(),
        })
    }
}
