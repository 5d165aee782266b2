//! What the tests and the benchmark take from Debian. Programs are installed, after saying which; servers are
//! unpacked into the cache folder, so that no service of theirs is ever enabled or started.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::places::Places;
use crate::setup::{Missing, tools};
use crate::shell::{self, on_path, say};

/// A program and the package that brings it.
pub(crate) struct Package {
    name: &'static str,
    needed_for: &'static str,
    present: fn(&Places) -> bool,
    how: How,
}

/// How a package gets onto the machine.
enum How {
    /// By apt-get, for all users.
    Install,
    /// Into the cache folder, with the libraries that the machine lacks: these files of it as programs.
    Unpack(&'static [&'static str]),
}

const NODE: Package = Package {
    name: "nodejs",
    needed_for: "the vendors' Node clients, and the Worker",
    present: |places| has(places, "node"),
    how: How::Install,
};

const NPM: Package = Package {
    name: "npm",
    needed_for: "the vendors' Node clients, and the Worker",
    present: |places| has(places, "npm"),
    how: How::Install,
};

/// What the Python clients need, in the tests and for `--engine local`.
pub(crate) const VENV: Package = Package {
    name: "python3-venv",
    needed_for: "Python environments for the vendors' clients, the peers of the benchmark and the local engine",
    present: |_| venv_works(),
    how: How::Install,
};

/// What `cargo xtask test` uses.
pub(crate) const FOR_TESTS: [Package; 5] = [
    VENV,
    NODE,
    NPM,
    Package {
        name: "redis-server",
        needed_for: "the tests of the shared tier",
        present: |places| has(places, "redis-server"),
        how: How::Unpack(&["usr/bin/redis-server"]),
    },
    Package {
        name: "prometheus",
        needed_for: "the tests of the dashboard and the alert rules",
        present: |places| has(places, "promtool"),
        how: How::Unpack(&["usr/bin/prometheus", "usr/bin/promtool"]),
    },
];

/// What runs the Worker outside of its cloud.
pub(crate) const FOR_WORKERS: [Package; 2] = [NODE, NPM];

/// What `cargo xtask bench` uses.
pub(crate) const FOR_BENCH: [Package; 4] = [
    VENV,
    Package {
        name: "nginx",
        needed_for: "the fixed upstream and three peers",
        present: |places| has(places, "nginx"),
        how: How::Unpack(&["usr/sbin/nginx"]),
    },
    Package {
        name: "wrk",
        needed_for: "the load",
        present: |places| has(places, "wrk"),
        how: How::Install,
    },
    Package {
        name: "util-linux",
        needed_for: "pinning processes to cores",
        present: |places| has(places, "taskset"),
        how: How::Install,
    },
];

/// Brings in those of the packages whose programs are absent: installed as root or by a sudo that asks
/// nothing, or unpacked by anyone. Says first what is going to happen to the machine.
pub(crate) fn ensure(places: &Places, packages: &[Package]) -> Vec<Missing> {
    let absent: Vec<&Package> = packages
        .iter()
        .filter(|package| !(package.present)(places))
        .collect();
    if absent.is_empty() {
        return Vec::new();
    }
    let installer = Installer::find();
    announce(places, &absent, installer.as_ref());
    if let Some(installer) = &installer {
        installer.refresh();
    }
    for package in &absent {
        // A package that another brought (Node with npm inside) may already satisfy the next.
        if (package.present)(places) {
            continue;
        }
        match &package.how {
            How::Install => {
                if let Some(installer) = &installer {
                    installer.install(package.name);
                }
            }
            How::Unpack(programs) => {
                if let Err(error) = unpack(places, package.name, programs) {
                    say(format!("{}: {error:#}", package.name));
                }
            }
        }
    }
    absent
        .into_iter()
        .filter(|package| !(package.present)(places))
        .map(lack)
        .collect()
}

/// What will be changed, before it is: system packages by name, and what goes into the cache folder alone.
fn announce(places: &Places, absent: &[&Package], installer: Option<&Installer>) {
    let named = |install: bool| {
        let chosen = absent
            .iter()
            .filter(|package| matches!(package.how, How::Install) == install);
        chosen.map(|package| package.name).collect::<Vec<_>>()
    };
    let (system, cached) = (named(true), named(false));
    if !system.is_empty() {
        let names = system.join(", ");
        say(match installer {
            Some(_) => format!("going to install on this system, with apt-get: {names}"),
            None => format!(
                "these Debian packages are absent, and this user can't install them: {names}"
            ),
        });
    }
    if !cached.is_empty() {
        say(format!(
            "going to unpack into {}, without installing or starting a service: {}",
            root(places).display(),
            cached.join(", ")
        ));
    }
}

/// The folder that packages are unpacked into, laid out as a system's root.
fn root(places: &Places) -> std::path::PathBuf {
    places.cache.join("debian")
}

/// Downloads a package and the libraries that the machine lacks for it, unpacks them, and leaves a
/// starter for each of its programs among the tools.
fn unpack(places: &Places, package: &str, programs: &[&str]) -> Result<()> {
    let downloads = root(places).join("downloads");
    std::fs::create_dir_all(&downloads)?;
    let simulated = shell::capture(Command::new("apt-get").args([
        "install",
        "--simulate",
        "--no-install-recommends",
        package,
    ]))?;
    let mut wanted = vec![package];
    wanted.extend(needed(&simulated).filter(|name| *name != package));
    let mut download = Command::new("apt-get");
    download
        .args(["download", "-qq", "-o", "APT::Sandbox::User=root"])
        .args(&wanted)
        .current_dir(&downloads);
    shell::run(&mut download)?;
    for file in std::fs::read_dir(&downloads)?.flatten() {
        let file = file.path();
        if file.extension().is_some_and(|ending| ending == "deb") {
            shell::run(
                Command::new("dpkg-deb")
                    .arg("-x")
                    .arg(&file)
                    .arg(root(places)),
            )?;
            std::fs::remove_file(&file)?;
        }
    }
    for program in programs {
        starter(places, Path::new(program))?;
    }
    Ok(())
}

/// The libraries and companions of a simulated installation. Scripts for browsers, fonts and the like are left out.
fn needed(simulated: &str) -> impl Iterator<Item = &str> {
    simulated
        .lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next())
        .filter(|name| {
            (name.starts_with("lib") && !name.starts_with("libjs-")) || name.ends_with("-tools")
        })
}

/// A script that starts an unpacked program with the libraries that were unpacked beside it.
fn starter(places: &Places, program: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let name = program.file_name().context("a program has a name")?;
    let file = tools::folder(places).join(name);
    std::fs::create_dir_all(tools::folder(places))?;
    let root = root(places);
    let script = format!(
        "#!/bin/sh\nroot='{root}'\nlibraries=$(printf '%s:' \"$root\"/usr/lib/*-linux-gnu \"$root\"/lib/*-linux-gnu)\n\
         LD_LIBRARY_PATH=\"$libraries$LD_LIBRARY_PATH\" exec \"$root/{program}\" \"$@\"\n",
        root = root.display(),
        program = program.display(),
    );
    std::fs::write(&file, script)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn lack(package: &Package) -> Missing {
    Missing {
        what: package.name.into(),
        needed_for: package.needed_for.into(),
        remedy: match package.how {
            How::Install => format!("install it (on Debian: apt-get install {})", package.name),
            How::Unpack(_) => format!(
                "put its program on the PATH (on Debian it comes with {})",
                package.name
            ),
        },
    }
}

fn has(places: &Places, program: &str) -> bool {
    tools::find(places, program).is_some()
}

fn venv_works() -> bool {
    shell::succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"]))
}

/// A way to run apt-get with the rights it needs.
struct Installer {
    sudo: bool,
}

impl Installer {
    fn find() -> Option<Self> {
        on_path("apt-get")?;
        if rustix::process::geteuid().is_root() {
            return Some(Self { sudo: false });
        }
        shell::succeeds(Command::new("sudo").args(["-n", "true"])).then_some(Self { sudo: true })
    }

    /// A fresh machine has no package lists; a failure shows in the installation that follows.
    fn refresh(&self) {
        if let Err(error) = shell::run(self.apt_get().args(["update", "-qq"])) {
            say(error);
        }
    }

    fn install(&self, package: &str) {
        let mut install = self.apt_get();
        install.args(["install", "-y", "-qq", "--no-install-recommends", package]);
        if let Err(error) = shell::run(&mut install) {
            say(error);
        }
    }

    /// The two settings keep a package from starting its service: a test needs the program, nobody asked for a web server.
    fn apt_get(&self) -> Command {
        let mut command = Command::new(if self.sudo { "sudo" } else { "env" });
        if self.sudo {
            command.args(["-n", "env"]);
        }
        command.args([
            "DEBIAN_FRONTEND=noninteractive",
            "SYSTEMD_OFFLINE=1",
            "RUNLEVEL=1",
            "apt-get",
        ]);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::needed;

    #[test]
    fn libraries_and_tools_are_unpacked_and_nothing_for_browsers() {
        let simulated = "Reading package lists...\nInst liblzf1 (3.6-3 Debian:12 [amd64])\n\
                         Inst redis-tools (5:7.0 Debian:12 [amd64])\nInst libjs-d3 (3.5 Debian:12 [all])\n\
                         Inst fonts-x (1 Debian:12 [all])\nConf liblzf1 (3.6-3 Debian:12 [amd64])\n";
        let found: Vec<_> = needed(simulated).collect();
        assert_eq!(found, ["liblzf1", "redis-tools"]);
    }
}
