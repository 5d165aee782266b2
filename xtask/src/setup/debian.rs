//! What the tests and the benchmark take from Debian: installed where that is allowed, named where it is not.

use std::process::Command;

use crate::setup::Missing;
use crate::shell::{self, on_path, say};

/// A program and the package that brings it.
pub(crate) struct Package {
    name: &'static str,
    needed_for: &'static str,
    present: fn() -> bool,
}

const NODE: Package = Package {
    name: "nodejs",
    needed_for: "the vendors' Node clients, and the Worker",
    present: || has("node"),
};

const NPM: Package = Package {
    name: "npm",
    needed_for: "the vendors' Node clients, and the Worker",
    present: || has("npm"),
};

/// What `cargo xtask test` uses.
pub(crate) const FOR_TESTS: [Package; 4] = [
    Package {
        name: "python3-venv",
        needed_for: "the tests with the vendors' Python clients",
        present: venv_works,
    },
    NODE,
    NPM,
    Package {
        name: "redis-server",
        needed_for: "the tests of the shared tier",
        present: || has("redis-server"),
    },
];

/// What runs the Worker outside of its cloud.
pub(crate) const FOR_WORKERS: [Package; 2] = [NODE, NPM];

/// What `cargo xtask bench` uses.
pub(crate) const FOR_BENCH: [Package; 4] = [
    Package {
        name: "python3-venv",
        needed_for: "the peers that come as Python wheels",
        present: venv_works,
    },
    Package {
        name: "nginx",
        needed_for: "the fixed upstream and three peers",
        present: || has("nginx"),
    },
    Package {
        name: "wrk",
        needed_for: "the load",
        present: || has("wrk"),
    },
    Package {
        name: "util-linux",
        needed_for: "pinning processes to cores",
        present: || has("taskset"),
    },
];

/// Installs those of the packages whose programs are absent, as root or by a sudo that asks nothing.
pub(crate) fn ensure(packages: &[Package]) -> Vec<Missing> {
    let absent: Vec<&Package> = packages
        .iter()
        .filter(|package| !(package.present)())
        .collect();
    if absent.is_empty() {
        return Vec::new();
    }
    if let Some(installer) = Installer::find() {
        installer.refresh();
        // One at a time: a package that another source brought (Node with npm inside) may already satisfy the next.
        for package in &absent {
            if !(package.present)() {
                installer.install(package.name);
            }
        }
    }
    absent
        .into_iter()
        .filter(|package| !(package.present)())
        .map(lack)
        .collect()
}

fn lack(package: &Package) -> Missing {
    Missing {
        what: package.name.into(),
        needed_for: package.needed_for.into(),
        remedy: format!("install it (on Debian: apt-get install {})", package.name),
    }
}

fn has(program: &str) -> bool {
    on_path(program).is_some()
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
        if !has("apt-get") {
            return None;
        }
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
