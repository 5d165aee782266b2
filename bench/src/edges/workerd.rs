//! Plain workerd: the gateway's Worker, and one in JavaScript that does nothing else.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{MASTER, What};
use crate::peers::Starter;

pub(super) fn command(starter: &Starter<'_>, what: What<'_>, port: u16) -> Result<Command> {
    let binary = binary(starter)?;
    if let What::Edge(release, upstream) = what {
        let mut command = Command::new("node");
        command
            .arg(starter.worker.join("serve.mjs"))
            .arg("--release")
            .arg(release)
            .arg("--listen")
            .arg(format!("127.0.0.1:{port}"))
            .arg("--var")
            .arg(format!("upstream={}", upstream.url))
            .args(["--var", MASTER]);
        return Ok(command);
    }
    let binding = what.upstream().map_or_else(String::new, |upstream| {
        format!("(name = \"UPSTREAM\", text = \"{upstream}\")")
    });
    let words = [("LISTEN_PORT", port.to_string()), ("BINDINGS", binding)];
    let config = starter.rig.fill(
        "hello-worker.capnp",
        &format!("worker-{port}.capnp"),
        &words,
    )?;
    let script = "hello-worker.js";
    fs::copy(
        starter.rig.configs.join(script),
        starter.rig.work.join(script),
    )?;
    let mut command = Command::new(binary);
    command.arg("serve").arg(config);
    Ok(command)
}

/// The program that npm installed for this machine.
fn binary(starter: &Starter<'_>) -> Result<PathBuf> {
    let found = Command::new("node")
        .args(["-p", "require('workerd').default"])
        .current_dir(starter.worker)
        .output()
        .context("node is not installed")?;
    if !found.status.success() {
        bail!("workerd is not installed: run npm ci in deploy/workers/cloudflare");
    }
    Ok(String::from_utf8_lossy(&found.stdout).trim().into())
}
