//! Python environments in the cache folder, one for each set of pinned requirements.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::places::Places;
use crate::setup::{Missing, lock};
use crate::shell;

/// Written last, so that an installation that was cut off is made again.
const COMPLETE: &str = ".complete";

/// The interpreter of an environment that holds exactly what is locked beside `requirements`; made at the first use, kept for later ones.
pub(crate) fn ensure(places: &Places, name: &str, requirements: &Path) -> Result<PathBuf, Missing> {
    install(places, name, requirements).map_err(|error| Missing {
        what: format!("the Python environment of {}", places.short(requirements)),
        needed_for: format!("{name} with Python"),
        remedy: format!("see why pip could not make it: {error:#}"),
    })
}

fn install(places: &Places, name: &str, requirements: &Path) -> Result<PathBuf> {
    let lock = lock::beside(requirements);
    let pins = fs::read(&lock)
        .with_context(|| format!("could not read {} (cargo xtask lock)", lock.display()))?;
    let system = shell::capture(
        Command::new("python3").args(["-c", "import sys; print(sys.executable, sys.version)"]),
    )?;
    let folder = places
        .cache
        .join("python")
        .join(format!("{name}-{}", fingerprint(&pins, &system)));
    let python = folder.join("bin/python");
    if folder.join(COMPLETE).is_file() {
        return Ok(python);
    }
    shell::say(format!(
        "making a Python environment in {}",
        folder.display()
    ));
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder)
        .with_context(|| format!("could not create {}", folder.display()))?;
    shell::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ])
    // The lock names all packages; pip takes none whose file it does not know.
    .args(["--no-deps", "--require-hashes", "--requirement"])
    .arg(&lock);
    shell::run(&mut pip)?;
    fs::write(folder.join(COMPLETE), "")?;
    Ok(python)
}

/// Names the folder. Another Rust release may hash otherwise; all that costs is one more environment.
fn fingerprint(pins: &[u8], system: &str) -> String {
    let mut hasher = DefaultHasher::new();
    pins.hash(&mut hasher);
    system.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn another_pin_or_another_python_is_another_environment() {
        let here = fingerprint(b"openai==1\n", "3.11");
        assert_eq!(here, fingerprint(b"openai==1\n", "3.11"));
        assert_ne!(here, fingerprint(b"openai==2\n", "3.11"));
        assert_ne!(here, fingerprint(b"openai==1\n", "3.13"));
    }
}
