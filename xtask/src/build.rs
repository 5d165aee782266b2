//! `cargo xtask build`: the policies and the release binary that carries them.

use anyhow::Result;

use crate::places::{Places, cargo};
use crate::{components, setup, shell};

/// Leaves the gateway, with its policies inside, at `target/release/forebay`.
pub(crate) fn run(places: &Places) -> Result<()> {
    setup::wasi::ensure(places)?;
    if !places.gateway().is_file() {
        shell::say(
            "the first build compiles about 500 crates, most of them for wasmtime, which runs the policies: \
             8 to 12 minutes on two cores, 3 GB in the target folder. Later builds take seconds.",
        );
    }
    shell::say("building the three policies for wasm32-wasip2");
    components::policies(places)?;
    shell::say("building the gateway, target/release/forebay");
    shell::run(release(places).args(["--bin", "forebay"]))?;
    shell::say(format!("built {}", places.short(&places.gateway())));
    Ok(())
}

/// A release build of the whole workspace's features: a selection of packages would resolve others, and
/// compile the runtime once more.
pub(crate) fn release(places: &Places) -> std::process::Command {
    let mut build = cargo();
    build
        .args(["build", "--release", "--workspace"])
        .current_dir(&places.root);
    build
}
