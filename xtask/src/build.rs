//! `cargo xtask build`: the policies and the release binary that carries them.

use std::thread;

use anyhow::{Result, anyhow};

use crate::places::{Places, cargo};
use crate::{components, setup, shell};

/// Leaves the gateway, with its policies inside, at `target/release/forebay`.
pub(crate) fn run(places: &Places) -> Result<()> {
    setup::wasi::ensure(places)?;
    if !places.gateway().is_file() {
        shell::say(
            "the first build compiles about 500 crates, most of them for wasmtime, which runs the policies: \
             11 to 16 minutes on two cores, 3 GB in the target folder. Later builds take seconds.",
        );
    }
    if components::present(places) {
        shell::say("building the three policies for wasm32-wasip2");
        components::policies(places)?;
        gateway(places)?;
    } else {
        shell::say("building the three policies for wasm32-wasip2, and the gateway beside them");
        beside_each_other(places)?;
    }
    shell::say(format!("built {}", places.short(&places.gateway())));
    Ok(())
}

fn gateway(places: &Places) -> Result<()> {
    shell::say("building the gateway, target/release/forebay");
    shell::run(release(places).args(["--bin", "forebay"]))
}

/// The first build. Linking a policy keeps one core busy, and the gateway's dependencies don't need the policies:
/// the gateway's build script waits for the lock that is held here.
fn beside_each_other(places: &Places) -> Result<()> {
    let lock = components::lock(places)?;
    thread::scope(|scope| {
        let policies = scope.spawn(move || {
            let built = components::policies(places);
            drop(lock);
            built
        });
        let gateway = gateway(places);
        let policies = policies
            .join()
            .map_err(|_| anyhow!("the build of the policies panicked"))?;
        policies.and(gateway)
    })
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
