//! `spin up`, where somebody has put it on the PATH: no registry carries it.

use std::process::Command;

use anyhow::{Context, Result};

use super::What;
use crate::peers::{Starter, on_path};

pub(super) fn command(starter: &Starter<'_>, what: What<'_>, port: u16) -> Result<Command> {
    let spin = on_path("spin").context("spin is not on the PATH; no registry carries it")?;
    let text = |path: &std::path::Path| path.display().to_string();
    let mut words = vec![("COMPONENTS", text(&starter.rig.components))];
    let upstream = what.upstream().unwrap_or_default();
    let template = match what {
        What::Edge(release, _) => {
            words.push(("RELEASE", text(release)));
            words.push(("UPSTREAM_URL", upstream.to_owned()));
            "edge-spin.toml"
        }
        What::Hello => {
            words.push(("ENVIRONMENT", String::new()));
            "hello-spin.toml"
        }
        What::Proxy(_) => {
            words.push(("ENVIRONMENT", format!("UPSTREAM = \"{upstream}\"")));
            "hello-spin.toml"
        }
    };
    let manifest = starter
        .rig
        .fill(template, &format!("spin-{port}.toml"), &words)?;
    let store = starter
        .rig
        .fill("memory-store.toml", "memory-store.toml", &[])?;
    let mut command = Command::new(spin);
    command
        .args(["up", "--listen"])
        .arg(format!("127.0.0.1:{port}"))
        .arg("--from")
        .arg(manifest)
        .arg("--runtime-config-file")
        .arg(store)
        .arg("--state-dir")
        .arg(starter.rig.work.join(format!("spin-{port}")));
    Ok(command)
}
