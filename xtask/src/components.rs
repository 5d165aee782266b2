//! `cargo xtask components`: the three policies, built for wasm32-wasip2 and put where the gateway finds them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::places::{Places, cargo};
use crate::setup::wasi::TARGET;
use crate::shell;

/// The policies that ship with Forebay: each is the package `forebay-NAME` and becomes `NAME.wasm`.
const POLICIES: [&str; 3] = ["prefix-cache", "guardrails", "cloud-selector"];

/// Builds the policies with the guest profile and copies them to `target/components`.
pub(crate) fn run(places: &Places) -> Result<()> {
    let mut build = cargo();
    build
        .args(["build", "--profile", "guest", "--target", TARGET])
        .current_dir(&places.root);
    for policy in POLICIES {
        build.arg("--package").arg(format!("forebay-{policy}"));
    }
    shell::run(&mut build)?;

    let folder = places.components();
    fs::create_dir_all(&folder)
        .with_context(|| format!("could not create {}", folder.display()))?;
    let built = places.target.join(TARGET).join("guest");
    for policy in POLICIES {
        let module = built.join(format!("forebay_{}.wasm", policy.replace('-', "_")));
        replace(&module, &folder.join(format!("{policy}.wasm")))?;
    }
    shell::say(format!("components are in {}", places.short(&folder)));
    Ok(())
}

/// Renames into place, so that a gateway that watches the file never reads half of it, and leaves an equal file alone.
fn replace(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("cargo left no {}", from.display()))?;
    if fs::read(to).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let partial = to.with_extension("wasm.partial");
    fs::write(&partial, bytes).with_context(|| format!("could not write {}", partial.display()))?;
    fs::rename(&partial, to).with_context(|| format!("could not write {}", to.display()))
}
