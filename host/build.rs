//! Puts the three policies into the program, so that a copy of it runs alone from any folder.
//!
//! They are taken from `FOREBAY_COMPONENTS`, or from `components` in cargo's target folder, where
//! `cargo xtask build` leaves them. Where neither has them, or where a release build finds them older than
//! their sources, a cargo of its own builds them in a target folder of its own: it never waits for this one's lock.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

const POLICIES: [&str; 3] = ["prefix-cache", "guardrails", "cloud-selector"];

/// What the policies are compiled for.
const TARGET: &str = "wasm32-wasip2";

/// Touched by `cargo xtask components`, which leaves equal files alone.
const STAMP: &str = ".built";

/// Locked by `cargo xtask build` while it builds the policies beside the gateway.
const LOCK: &str = ".building";

/// What cargo and clippy set for this build and must not reach the one within.
const NOT_INHERITED: [&str; 9] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
    "TARGET",
];

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let manifest =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets CARGO_MANIFEST_DIR")?);
    let root = manifest.parent().ok_or("the host lies in the workspace")?;
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=FOREBAY_COMPONENTS");
    let sources = sources(root);
    for source in &sources {
        println!("cargo::rerun-if-changed={}", source.display());
    }

    let folder = match given() {
        Some(folder) => folder,
        None => match left_by_xtask(&out).filter(|left| usable(left, &sources)) {
            Some(left) => left,
            None => build(root, &out)?,
        },
    };
    let mut code = String::from(
        "/// The policies that come with Forebay: their names and components.\npub(crate) const POLICIES: [(&str, &[u8]); 3] = [\n",
    );
    for policy in POLICIES {
        let file = folder.join(format!("{policy}.wasm"));
        println!("cargo::rerun-if-changed={}", file.display());
        let bytes =
            fs::read(&file).map_err(|e| format!("{} can't be read: {e}", file.display()))?;
        let copy = out.join(format!("{policy}.wasm"));
        fs::write(&copy, bytes)?;
        writeln!(
            code,
            "    ({policy:?}, include_bytes!({:?})),",
            copy.display().to_string()
        )?;
    }
    code.push_str("];\n");
    fs::write(out.join("policies.rs"), code)?;
    Ok(())
}

/// The folder that the environment names.
fn given() -> Option<PathBuf> {
    env::var_os("FOREBAY_COMPONENTS")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .filter(|folder| complete(folder))
}

/// `components` in the target folder that this build's files are in.
fn left_by_xtask(out: &Path) -> Option<PathBuf> {
    let folders = out.ancestors().map(|folder| folder.join("components"));
    folders
        .inspect(|folder| wait(folder))
        .find(|folder| complete(folder))
}

/// Waits while the policies in `folder` are being built.
fn wait(folder: &Path) {
    // Without the file, or on a system without locks, nothing is being built.
    if let Ok(lock) = fs::File::open(folder.join(LOCK)) {
        lock.lock_shared().ok();
    }
}

fn complete(folder: &Path) -> bool {
    POLICIES
        .iter()
        .all(|policy| folder.join(format!("{policy}.wasm")).is_file())
}

/// Old components are good enough while somebody works on the host. What is shipped holds the present ones.
fn usable(folder: &Path, sources: &[PathBuf]) -> bool {
    let oldest = POLICIES
        .iter()
        .map(|policy| modified(&folder.join(format!("{policy}.wasm"))))
        .min();
    let built = modified(&folder.join(STAMP)).max(oldest.unwrap_or(SystemTime::UNIX_EPOCH));
    let newest = sources.iter().map(|source| newest(source)).max();
    if built >= newest.unwrap_or(SystemTime::UNIX_EPOCH) {
        return true;
    }
    if env::var("PROFILE").is_ok_and(|profile| profile == "debug") {
        println!(
            "cargo::warning=the policies in {} are older than their sources; `cargo xtask components` builds them",
            folder.display()
        );
        return true;
    }
    false
}

/// What the policies are made from.
fn sources(root: &Path) -> Vec<PathBuf> {
    let mut sources = vec![root.join("wit"), root.join("crates").join("routing")];
    sources.extend(
        POLICIES
            .iter()
            .map(|policy| root.join("components").join(policy)),
    );
    sources
}

fn newest(path: &Path) -> SystemTime {
    let mut found = modified(path);
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        found = found.max(newest(&entry.path()));
    }
    found
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path)
        .and_then(|about| about.modified())
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Has rustup add the policies' target where the toolchain lacks it, so that `cargo install --path host` needs
/// nothing before it.
fn add_target() -> Result<(), String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let printed = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|e| format!("rustc can't be started: {e}"))?;
    let folder = String::from_utf8_lossy(&printed.stdout).trim().to_owned();
    let has_std = |folder: &Path| {
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names = files.map(|file| file.file_name().to_string_lossy().into_owned());
        names.any(|name| name.starts_with("libstd") && name.ends_with(".rlib"))
    };
    if printed.status.success() && has_std(Path::new(&folder)) {
        return Ok(());
    }
    println!("cargo::warning=adding the target {TARGET} with rustup, for the policies");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]);
    // The toolchain that cargo runs under, which need not be the default.
    if let Some(toolchain) = env::var_os("RUSTUP_TOOLCHAIN") {
        rustup.arg("--toolchain").arg(toolchain);
    }
    let added = rustup
        .output()
        .map_err(|e| format!("rustup can't be started ({e})"))?;
    if added.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&added.stderr);
    let last = said.trim().lines().last().unwrap_or("it says nothing");
    Err(format!("rustup could not add it ({last})"))
}

/// Builds them here and now. Minutes the first time, nothing when they are there.
fn build(root: &Path, out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let added = add_target();
    // OUT_DIR is TARGET/PROFILE/build/PACKAGE/out: one folder serves all profiles.
    let target = out.ancestors().nth(4).unwrap_or(out).join("policies");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--profile", "guest", "--target", TARGET])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(root);
    for policy in POLICIES {
        cargo.arg("--package").arg(format!("forebay-{policy}"));
    }
    for name in NOT_INHERITED {
        cargo.env_remove(name);
    }
    let built = cargo
        .output()
        .map_err(|e| format!("cargo can't be started: {e}"))?;
    if !built.status.success() {
        let added = added.err().map_or_else(String::new, |why| {
            format!(
                "\nThe target {TARGET} is missing, and {why}. Run `rustup target add {TARGET}`, \
                 or `cargo xtask setup --build-only`, which also knows other ways."
            )
        });
        return Err(format!(
            "the policies could not be built ({}).\n{}{added}\n\
             FOREBAY_COMPONENTS=FOLDER takes components that are built already.",
            built.status,
            String::from_utf8_lossy(&built.stderr).trim(),
        )
        .into());
    }
    let folder = target.join("components");
    fs::create_dir_all(&folder)?;
    for policy in POLICIES {
        let module = format!("forebay_{}.wasm", policy.replace('-', "_"));
        fs::copy(
            target.join(TARGET).join("guest").join(module),
            folder.join(format!("{policy}.wasm")),
        )?;
    }
    Ok(folder)
}
