//! `cargo xtask components`: the policies and the edges, built for wasm32-wasip2 and put where the
//! gateway finds them; and a release of them for edges.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::places::{Places, cargo};
use crate::setup::wasi::TARGET;
use crate::{build, setup, shell};

/// The policies that ship with Forebay: each is the package `forebay-NAME` and becomes `NAME.wasm`.
const POLICIES: [&str; 3] = ["prefix-cache", "guardrails", "cloud-selector"];

/// The platforms of the edge component: each is a feature of `forebay-edge` and becomes `edge-NAME.wasm`.
const EDGES: [&str; 4] = ["spin", "wasi", "worker", "fastly"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also bakes a release and composes the edges with it, into target/edge.
    #[arg(long)]
    compose: bool,
    /// The configuration of the release.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "deploy/edge/forebay.toml",
        requires = "compose"
    )]
    config: PathBuf,
    /// Lets everyone in, as the tenant `local`: the configuration's API keys are not asked for.
    #[arg(long, requires = "compose")]
    open: bool,
}

/// Builds, and bakes a release if asked.
pub(crate) fn run_verb(places: &Places, args: &Args) -> Result<()> {
    setup::wasi::ensure(places)?;
    if !args.compose {
        return all(places);
    }
    build::run(places)?;
    edges(places)?;
    let mut bake = Command::new(places.gateway());
    bake.arg("bake")
        .arg("--config")
        .arg(&args.config)
        .arg("--out")
        .arg(places.target.join("edge"))
        .current_dir(&places.root)
        .env("FOREBAY_COMPONENTS", places.components());
    for edge in EDGES {
        bake.arg("--compose")
            .arg(places.components().join(format!("edge-{edge}.wasm")));
    }
    bake.arg("--compose")
        .arg(places.components().join("mask.wasm"));
    if args.open {
        bake.arg("--open");
    }
    shell::run(&mut bake)
}

/// Touched by every build of the policies: equal files are left alone, and the host's build script has to
/// know that they are of the present sources.
const STAMP: &str = ".built";

/// Locked while policies are built beside the gateway. The host's build script waits for it.
const LOCK: &str = ".building";

/// Whether policies of an earlier build are there.
pub(crate) fn present(places: &Places) -> bool {
    places.components().join(STAMP).is_file()
}

/// Makes the gateway's build wait for the policies, until the file is dropped.
pub(crate) fn lock(places: &Places) -> Result<fs::File> {
    let folder = places.components();
    fs::create_dir_all(&folder)
        .with_context(|| format!("could not create {}", folder.display()))?;
    let path = folder.join(LOCK);
    let lock =
        fs::File::create(&path).with_context(|| format!("could not write {}", path.display()))?;
    lock.lock()
        .with_context(|| format!("could not lock {}", path.display()))?;
    Ok(lock)
}

/// The policies and the edges.
pub(crate) fn all(places: &Places) -> Result<()> {
    policies(places)?;
    edges(places)
}

/// Builds the package `forebay-NAME` with the guest profile.
fn guest(places: &Places, name: &str, features: &[&str]) -> Result<()> {
    let mut build = cargo();
    build
        .args(["rustc", "--profile", "guest", "--target", TARGET])
        .arg("--package")
        .arg(format!("forebay-{name}"))
        // Cargo ignores `lto` for a library that is an rlib too.
        .args(["--crate-type", "cdylib"]);
    for feature in features {
        build.args(["--features", feature]);
    }
    // Cargo gives a cdylib the same file name and fingerprint whatever its features, so each edge would replace the
    // last one and all would be rebuilt every time. This variable, which rustc's own build sets too, makes the
    // features part of both.
    build.env("__CARGO_DEFAULT_LIB_METADATA", "forebay");
    // Cargo ignores the profile's `strip` for a package with an `opt-level` of its own. The linker shortens addresses
    // only in a file without names.
    build
        .args(["--", "-C", "strip=symbols"])
        .args(["-C", "link-arg=--compress-relocations"])
        .current_dir(&places.root);
    shell::run(&mut build)
}

/// Builds the policies with the guest profile and copies them to `target/components`.
pub(crate) fn policies(places: &Places) -> Result<()> {
    for policy in POLICIES {
        guest(places, policy, &[])?;
    }

    let folder = places.components();
    fs::create_dir_all(&folder)
        .with_context(|| format!("could not create {}", folder.display()))?;
    let built = places.target.join(TARGET).join("guest");
    for policy in POLICIES {
        let module = built.join(format!("forebay_{}.wasm", policy.replace('-', "_")));
        replace(&module, &folder.join(format!("{policy}.wasm")))?;
    }
    let stamp = folder.join(STAMP);
    fs::write(&stamp, "").with_context(|| format!("could not write {}", stamp.display()))
}

/// Builds the edges, one for each platform, and the masks for other apps, and copies them to `target/components`.
pub(crate) fn edges(places: &Places) -> Result<()> {
    let folder = places.components();
    fs::create_dir_all(&folder)
        .with_context(|| format!("could not create {}", folder.display()))?;
    let built = places.target.join(TARGET).join("guest");
    for edge in EDGES {
        shell::say(format!("building the edge for {edge}"));
        guest(places, "edge", &[edge])?;
        replace(
            &built.join("forebay_edge.wasm"),
            &folder.join(format!("edge-{edge}.wasm")),
        )?;
    }
    // For apps that are not Forebay.
    guest(places, "mask", &[])?;
    replace(&built.join("forebay_mask.wasm"), &folder.join("mask.wasm"))?;
    shell::say(format!("components are in {}", places.short(&folder)));
    Ok(())
}

/// Builds the handlers that the bench measures runtimes by.
pub(crate) fn hello(places: &Places) -> Result<()> {
    let built = places.target.join(TARGET).join("guest");
    for (platform, file) in [("wasi", "hello.wasm"), ("fastly", "hello-fastly.wasm")] {
        guest(places, "bench-hello", &[platform])?;
        replace(
            &built.join("forebay_bench_hello.wasm"),
            &places.components().join(file),
        )?;
    }
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
