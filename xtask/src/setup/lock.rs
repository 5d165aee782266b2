//! Locked Python requirements: every package that an environment gets, its version, and the hashes of the
//! files that it may be installed from. pip takes no other file.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::places::Places;
use crate::shell;

/// What is locked, and whether with all that it depends on.
const LOCKED: [(&str, bool); 7] = [
    ("tests/python/requirements.txt", true),
    ("tests/agents/requirements.txt", true),
    ("tests/agents/aider/requirements.txt", true),
    ("tests/deploy/requirements.txt", true),
    ("bench/peers.txt", true),
    ("xtask/assets/local-engine.txt", false),
    ("xtask/assets/packagers.txt", false),
];

/// Resolves for every platform and every later Python at once, and knows the hash of every file.
const UV: &str = "uv==0.13.9";

/// The oldest Python that environments are made with.
const OLDEST_PYTHON: &str = "3.11";

/// The lock beside a file of requirements.
pub(crate) fn beside(requirements: &Path) -> PathBuf {
    requirements.with_extension("lock")
}

/// Writes the locks: `cargo xtask lock`.
pub(crate) fn run(places: &Places) -> Result<()> {
    let folder = places.cache.join("python/lock");
    shell::run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    )?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ];
    shell::run(Command::new(folder.join("bin/python")).args(pip).arg(UV))?;
    for (name, deep) in LOCKED {
        let lock = beside(Path::new(name));
        let mut uv = Command::new(folder.join("bin/uv"));
        uv.current_dir(&places.root)
            .args(["pip", "compile", "--quiet", "--upgrade", "--universal"])
            .args(["--generate-hashes", "--no-annotate"])
            .args(["--python-version", OLDEST_PYTHON])
            .args(["--custom-compile-command", "cargo xtask lock"])
            .args((!deep).then_some("--no-deps"))
            .arg("--output-file")
            .arg(&lock)
            .arg(name);
        shell::run(&mut uv)?;
        shell::say(format!("locked {}", lock.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A package's name as all spellings of it are compared (PEP 503).
    fn normal(name: &str) -> String {
        name.to_lowercase().replace(['_', '.'], "-")
    }

    /// Whoever changes a pin locks it again.
    #[test]
    fn every_pin_is_in_its_lock() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for (name, _) in LOCKED {
            let requirements = root.join(name);
            let pins = fs::read_to_string(&requirements).unwrap();
            let lock = fs::read_to_string(beside(&requirements)).unwrap();
            let pins = pins
                .lines()
                .filter(|l| !l.starts_with('#') && !l.trim().is_empty());
            for pin in pins {
                let (package, version) = pin.split_once("==").unwrap();
                let package = package.split('[').next().unwrap();
                // What is for one platform alone has a marker behind it.
                let line = format!("\n{}=={version} ", normal(package));
                assert!(
                    lock.contains(&line) && lock.contains("--hash=sha256:"),
                    "{name}: {pin} (run `cargo xtask lock`)"
                );
            }
        }
    }
}
