//! Builds the standard library for wasm32-wasip2 from Debian's source package, as distributions do.
//!
//! The sources are fetched through the mirror that the machine already uses, in an apt state of our own: the system's
//! package lists, its configuration and its installed packages stay as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::places::{Places, cargo};
use crate::setup::wasi::{TARGET, Toolchain};
use crate::shell::{self, say};

/// The suite that carries both: rust-src of several recent releases, and a wasi-libc that knows wasm32-wasip2.
const SUITE: &str = "trixie-backports";

/// The C objects that rustc links into a component.
const C_OBJECTS: [&str; 3] = ["crt1-command.o", "crt1-reactor.o", "libc.a"];

/// Fetches, builds and puts the target into the toolchain's sysroot.
pub(crate) fn install(places: &Places, toolchain: &Toolchain) -> Result<()> {
    for program in ["apt-get", "apt-cache", "dpkg-deb"] {
        ensure!(
            shell::on_path(program).is_some(),
            "{program} is not installed"
        );
    }
    let work = places.cache.join(format!("wasi-{}", toolchain.release));
    fs::remove_dir_all(&work).ok();
    fs::create_dir_all(&work).with_context(|| format!("could not create {}", work.display()))?;
    writable(&toolchain.sysroot.join("lib/rustlib"))?;

    let sources = fetch(&work, &toolchain.release)?;
    let rlibs = build(&work, &sources)?;
    place(toolchain, &sources, &rlibs)?;
    ensure!(
        toolchain.has_target(),
        "the build left no standard library in {}",
        toolchain.target_folder().display()
    );
    fs::remove_dir_all(&work).ok();
    say(format!(
        "{TARGET} is in {}",
        toolchain.target_folder().display()
    ));
    Ok(())
}

/// Better to learn it before a download of 46 MB than after.
fn writable(rustlib: &Path) -> Result<()> {
    let probe = rustlib.join(".forebay-setup");
    fs::write(&probe, "")
        .and_then(|()| fs::remove_file(&probe))
        .with_context(|| format!("{} is not writable by this user", rustlib.display()))
}

/// What came out of the two packages.
struct Sources {
    /// The sysroot crate of the compiler's own library.
    sysroot_crate: PathBuf,
    /// The folder with `libc.a` and the start objects.
    libc: PathBuf,
}

fn fetch(work: &Path, release: &str) -> Result<Sources> {
    let apt = Apt::new(work)?;
    shell::run(apt.command("apt-get").args(["update", "-qq"]))?;
    let version = apt.version_of("rust-src", release)?;
    let debs = work.join("debs");
    fs::create_dir_all(&debs)?;
    shell::run(
        apt.command("apt-get")
            .args([
                "download",
                "-qq",
                &format!("rust-src={version}"),
                "wasi-libc",
            ])
            .current_dir(&debs),
    )?;
    let tree = work.join("tree");
    for deb in fs::read_dir(&debs)? {
        shell::run(
            Command::new("dpkg-deb")
                .arg("-x")
                .arg(deb?.path())
                .arg(&tree),
        )?;
    }
    let sysroot_crate = tree.join(format!("usr/src/rustc-{release}/library/sysroot"));
    ensure!(
        sysroot_crate.is_dir(),
        "rust-src {version} holds no {}",
        sysroot_crate.display()
    );
    let libc = tree.join("usr/lib").join(TARGET);
    ensure!(
        libc.join("libc.a").is_file(),
        "wasi-libc holds no {TARGET}: it is older than 2026"
    );
    Ok(Sources {
        sysroot_crate,
        libc,
    })
}

/// The flags are those that the compiler's own build uses for this target, so that the result links like rustup's.
fn build(work: &Path, sources: &Sources) -> Result<PathBuf> {
    let target = work.join("target");
    let flags = format!(
        "-C target-feature=+crt-static -L native={} -Zforce-unstable-if-unmarked -C embed-bitcode=yes -Cpanic=abort",
        sources.libc.display()
    );
    let mut build = cargo();
    build
        .args([
            "build",
            "--release",
            "--target",
            TARGET,
            "--features",
            "panic-unwind backtrace compiler-builtins-mem",
        ])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", flags)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(&sources.sysroot_crate);
    shell::run(&mut build)?;
    Ok(target.join(TARGET).join("release/deps"))
}

fn place(toolchain: &Toolchain, sources: &Sources, rlibs: &Path) -> Result<()> {
    let libraries = toolchain.target_folder().join("lib");
    fs::create_dir_all(libraries.join("self-contained"))?;
    for object in C_OBJECTS {
        copy(
            &sources.libc.join(object),
            &libraries.join("self-contained").join(object),
        )?;
    }
    for file in fs::read_dir(rlibs).with_context(|| format!("cargo left no {}", rlibs.display()))? {
        let file = file?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "rlib")
        {
            let name = file.file_name().context("a file has a name")?;
            copy(&file, &libraries.join(name))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("could not copy {} to {}", from.display(), to.display()))
}

/// An apt that reads one suite and keeps its lists, caches and downloads to itself.
struct Apt {
    configuration: PathBuf,
}

impl Apt {
    fn new(work: &Path) -> Result<Self> {
        let home = work.join("apt");
        for folder in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(home.join(folder))?;
        }
        fs::write(home.join("sources.list"), mirror()?.line(SUITE))?;
        let home = home.display();
        let configuration = work.join("apt.conf");
        fs::write(
            &configuration,
            format!(
                "Dir::State::lists \"{home}/lists\";\n\
                 Dir::Cache \"{home}/cache\";\n\
                 Dir::Etc::sourcelist \"{home}/sources.list\";\n\
                 Dir::Etc::sourceparts \"-\";\n\
                 APT::Sandbox::User \"\";\n"
            ),
        )?;
        Ok(Self { configuration })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.configuration);
        command
    }

    /// The newest revision of a package whose upstream version is `release`.
    fn version_of(&self, package: &str, release: &str) -> Result<String> {
        let table = shell::capture(self.command("apt-cache").args(["madison", package]))?;
        let versions: Vec<&str> = table
            .lines()
            .filter_map(|line| line.split('|').nth(1))
            .map(str::trim)
            .collect();
        match versions.iter().find(|version| upstream(version) == release) {
            Some(version) => Ok((*version).into()),
            None => bail!(
                "{SUITE} has {package} in {} but not in {release}",
                versions.join(", ")
            ),
        }
    }
}

/// `1.95.0` of `1.95.0+dfsg1-2~bpo13+1`.
fn upstream(version: &str) -> &str {
    version.split(['+', '-', '~']).next().unwrap_or(version)
}

/// A Debian mirror as the machine's apt sources name it.
#[derive(Debug, PartialEq)]
struct Mirror {
    uri: String,
    signed_by: Option<String>,
}

impl Mirror {
    fn line(&self, suite: &str) -> String {
        let options = self
            .signed_by
            .as_ref()
            .map(|keys| format!("[signed-by={keys}] "))
            .unwrap_or_default();
        format!("deb {options}{} {suite} main\n", self.uri)
    }
}

/// The first source of the machine that is Debian's main archive.
fn mirror() -> Result<Mirror> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(parts) = fs::read_dir("/etc/apt/sources.list.d") {
        let mut parts: Vec<PathBuf> = parts.flatten().map(|part| part.path()).collect();
        parts.sort();
        files.extend(parts);
    }
    files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .find_map(|text| mirror_in(&text))
        .context("no apt source of this machine is a mirror of Debian")
}

/// Reads both of apt's formats, the one-line and the one of stanzas. A mirror of Debian is told by its path, which
/// every mirror keeps; security updates lie beside it and hold no backports.
fn mirror_in(text: &str) -> Option<Mirror> {
    let is_debian = |uri: &str| uri.trim_end_matches('/').ends_with("/debian");
    for stanza in text.split("\n\n") {
        let field = |name: &str| {
            stanza
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
        };
        if let Some(uri) =
            field("URIs").and_then(|uris| uris.split_whitespace().find(|uri| is_debian(uri)))
        {
            return Some(Mirror {
                uri: uri.into(),
                signed_by: field("Signed-By").map(str::to_owned),
            });
        }
    }
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("deb ")?.trim();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let uri = rest
            .split_whitespace()
            .next()
            .filter(|uri| is_debian(uri))?;
        let signed_by = options
            .split_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="));
        Some(Mirror {
            uri: uri.into(),
            signed_by: signed_by.map(str::to_owned),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{Mirror, mirror_in, upstream};

    #[test]
    fn stanzas_name_the_mirror_and_its_keys() {
        let text = "Types: deb\n# a snapshot\nURIs: http://mirror.example/debian-security\nSuites: x\n\n\
                    Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nSigned-By: /usr/share/keys.gpg\n";
        let expected = Mirror {
            uri: "http://mirror.example/debian".into(),
            signed_by: Some("/usr/share/keys.gpg".into()),
        };
        assert_eq!(mirror_in(text), Some(expected));
    }

    #[test]
    fn one_line_sources_name_the_mirror() {
        let text = "# deb http://old.example/debian x main\n\
                    deb https://other.example/apt stable main\n\
                    deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ bookworm main\n";
        let found = mirror_in(text).unwrap();
        assert_eq!(
            found.line("s"),
            "deb [signed-by=/k.gpg] http://mirror.example/debian/ s main\n"
        );
    }

    #[test]
    fn a_machine_without_a_debian_mirror_has_none() {
        assert_eq!(
            mirror_in("deb https://other.example/apt stable main\n"),
            None
        );
    }

    #[test]
    fn a_debian_version_tells_the_release_it_packages() {
        assert_eq!(upstream("1.95.0+dfsg1-2~bpo13+1"), "1.95.0");
    }
}
