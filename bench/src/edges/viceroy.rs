//! Viceroy, Fastly's local server.

use std::process::Command;

use anyhow::{Context, Result};

use super::What;
use crate::peers::{Starter, on_path};

pub(super) fn command(starter: &Starter<'_>, what: What<'_>, port: u16) -> Result<Command> {
    let viceroy = on_path("viceroy").context("viceroy is not installed")?;
    let program = match what {
        What::Edge(release, _) => release.join("edge-fastly.wasm"),
        What::Hello | What::Proxy(_) => starter.rig.components.join("hello-fastly.wasm"),
    };
    let settings = what
        .upstream()
        .map_or_else(String::new, |upstream| format!("upstream = \"{upstream}\""));
    let words = [("SETTINGS", settings)];
    let config = starter
        .rig
        .fill("viceroy.toml", &format!("viceroy-{port}.toml"), &words)?;
    let mut command = Command::new(viceroy);
    command
        .arg("serve")
        .arg("--config")
        .arg(config)
        .arg("--addr")
        .arg(format!("127.0.0.1:{port}"))
        .arg(program);
    Ok(command)
}
