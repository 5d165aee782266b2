//! Locked Python requirements: every package that an environment gets, its version, and the hashes of the
//! files that it may be installed from. pip takes no other file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::places::Places;
use crate::shell;

/// What is locked, and whether with all that it depends on.
const LOCKED: [(&str, bool); 5] = [
    ("tests/python/requirements.txt", true),
    ("tests/deploy/requirements.txt", true),
    ("bench/peers.txt", true),
    ("xtask/assets/local-engine.txt", false),
    ("xtask/assets/packagers.txt", false),
];

/// Machines that people develop on, beside the one that locks: tags of wheels, most general first.
const PLATFORMS: [&[&str]; 3] = [
    &[
        "manylinux_2_17_x86_64",
        "manylinux2014_x86_64",
        "manylinux_2_28_x86_64",
    ],
    &[
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
        "manylinux_2_28_aarch64",
    ],
    &["macosx_11_0_arm64", "macosx_14_0_arm64"],
];

/// The versions and hashes of packages, by name.
type Packages = BTreeMap<String, (String, BTreeSet<String>)>;

/// The lock beside a file of requirements.
pub(crate) fn beside(requirements: &Path) -> PathBuf {
    requirements.with_extension("lock")
}

/// Asks pip what it would install, and writes that down: `cargo xtask lock`.
pub(crate) fn run(places: &Places) -> Result<()> {
    let folder = places.cache.join("python/lock");
    shell::run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    )?;
    let python = folder.join("bin/python");
    for (name, deep) in LOCKED {
        let requirements = places.root.join(name);
        let options: &[&str] = if deep { &[] } else { &["--no-deps"] };
        let mut packages = resolved(&python, &requirements, options)?;
        let pins = folder.join("pins.txt");
        fs::write(&pins, pinned(&packages))?;
        for tags in PLATFORMS {
            let target = folder.join("elsewhere");
            let target = target.display().to_string();
            let mut options = vec!["--no-deps", "--only-binary=:all:", "--target", &target];
            options.extend(tags.iter().flat_map(|tag| ["--platform", tag]));
            match resolved(&python, &pins, &options) {
                Ok(others) => add(&mut packages, others),
                Err(error) => {
                    shell::say(format!("{name} is not locked for {}: {error:#}", tags[0]))
                }
            }
        }
        fs::write(beside(&requirements), written(&packages))?;
        shell::say(format!("{name}: {} packages", packages.len()));
    }
    Ok(())
}

fn resolved(python: &Path, requirements: &Path, options: &[&str]) -> Result<Packages> {
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--ignore-installed",
        "--quiet",
    ])
    .args(["--disable-pip-version-check", "--report", "-"])
    .args(options)
    .arg("--requirement")
    .arg(requirements);
    read(&shell::capture(&mut pip)?)
}

/// Reads pip's report of an installation.
fn read(report: &str) -> Result<Packages> {
    let report: Value = serde_json::from_str(report).context("pip's report is no JSON")?;
    let installed = report["install"]
        .as_array()
        .context("pip's report lists nothing")?;
    let mut out = Packages::new();
    for package in installed {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (name, version) = (
            &package["metadata"]["name"],
            &package["metadata"]["version"],
        );
        let hash = &package["download_info"]["archive_info"]["hashes"]["sha256"];
        let (Some(name), Some(version), Some(hash)) = (text(name), text(version), text(hash))
        else {
            bail!("pip's report has a package without a name, version or hash: {name} {version}");
        };
        out.insert(normal(&name), (version, BTreeSet::from([hash])));
    }
    Ok(out)
}

fn add(packages: &mut Packages, others: Packages) {
    for (name, (version, hashes)) in others {
        match packages.get_mut(&name) {
            Some((known, all)) if *known == version => all.extend(hashes),
            _ => {}
        }
    }
}

/// A package's name as all spellings of it are compared (PEP 503).
fn normal(name: &str) -> String {
    name.to_lowercase().replace(['_', '.'], "-")
}

fn pinned(packages: &Packages) -> String {
    let lines = packages
        .iter()
        .map(|(name, (version, _))| format!("{name}=={version}\n"));
    lines.collect()
}

fn written(packages: &Packages) -> String {
    let mut out =
        "# Made by `cargo xtask lock` from the file of the same name beside it.\n".to_owned();
    for (name, (version, hashes)) in packages {
        let _ = write!(out, "{name}=={version}");
        for hash in hashes {
            let _ = write!(out, " \\\n    --hash=sha256:{hash}");
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_locked_with_every_hash() {
        let report = |hash: &str| {
            format!(
                r#"{{"install":[{{"metadata":{{"name":"Py_YAML","version":"6.0"}},"download_info":{{"archive_info":{{"hashes":{{"sha256":"{hash}"}}}}}}}}]}}"#
            )
        };
        let mut packages = read(&report("bb")).unwrap();
        add(&mut packages, read(&report("aa")).unwrap());
        let lock = written(&packages);
        assert!(lock.ends_with("py-yaml==6.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"));
        assert!(read(r#"{"install":[{"metadata":{"name":"a","version":"1"}}]}"#).is_err());
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
                let line = format!("\n{}=={version} \\\n    --hash=sha256:", normal(package));
                assert!(
                    lock.contains(&line),
                    "{name}: {pin} (run `cargo xtask lock`)"
                );
            }
        }
    }
}
