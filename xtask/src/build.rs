//! `cargo xtask build`: the components and the release binary.

use anyhow::Result;

use crate::places::{Places, cargo};
use crate::{components, setup, shell};

/// Leaves the gateway at `target/release/forebay` and its policies at `target/components`.
pub(crate) fn run(places: &Places) -> Result<()> {
    setup::wasi::ensure(places)?;
    components::run(places)?;
    let mut build = cargo();
    build
        .args(["build", "--release", "--package", "forebay"])
        .current_dir(&places.root);
    shell::run(&mut build)?;
    shell::say(format!("built {}", places.short(&places.gateway())));
    Ok(())
}
