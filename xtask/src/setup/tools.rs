//! Cargo's companions: the licence and ban checker, and the test runner.

use std::path::PathBuf;

use crate::places::{Places, cargo};
use crate::setup::Missing;
use crate::shell;

/// A program that `cargo install` brings, at the version that the checks were written for.
struct Tool {
    /// The program's name.
    name: &'static str,
    /// The package that brings it.
    package: &'static str,
    version: &'static str,
    /// The features to build with; empty for the default ones.
    features: &'static str,
    needed_for: &'static str,
}

const TOOLS: [Tool; 2] = [
    Tool {
        name: "cargo-deny",
        package: "cargo-deny",
        features: "",
        version: "0.20.2",
        needed_for: "the check of licences, bans and sources",
    },
    Tool {
        name: "cargo-nextest",
        package: "cargo-nextest",
        features: "",
        version: "0.9.143",
        needed_for: "running tests side by side (cargo test stands in)",
    },
];

/// What builds the pages into a book with search.
const FOR_BOOK: Tool = Tool {
    name: "mdbook",
    package: "mdbook",
    features: "search",
    version: "0.5.4",
    needed_for: "the book of the pages in docs/",
};

/// The program that builds the book.
pub(crate) fn mdbook(places: &Places) -> Result<PathBuf, Missing> {
    if find(places, FOR_BOOK.name).is_none()
        && let Some(missing) = install(places, &FOR_BOOK)
    {
        return Err(missing);
    }
    find(places, FOR_BOOK.name).ok_or_else(|| Missing {
        what: FOR_BOOK.name.into(),
        needed_for: FOR_BOOK.needed_for.into(),
        remedy: "see why cargo install left no program".into(),
    })
}

/// Runtimes that the conformance suite runs the edge in.
const RUNTIMES: [Tool; 2] = [
    Tool {
        name: "wasmtime",
        package: "wasmtime-cli",
        version: "48.0.8",
        features: "run,serve,compile,cranelift,component-model,component-model-async,wasi-http,\
                   pooling-allocator,wasi-keyvalue,wasi-config",
        needed_for: "the conformance suite under `wasmtime serve`",
    },
    Tool {
        name: "viceroy",
        package: "viceroy",
        version: "0.22.0",
        features: "",
        needed_for: "the conformance suite on Fastly's local server",
    },
];

/// The folder with the installed programs, for the PATH.
pub(crate) fn folder(places: &Places) -> PathBuf {
    places.cache.join("tools/bin")
}

/// An installed program, from the cache or the PATH.
pub(crate) fn find(places: &Places, name: &str) -> Option<PathBuf> {
    let own = folder(places).join(name);
    if own.is_file() {
        return Some(own);
    }
    shell::on_path(name)
}

/// Installs those that are neither on the PATH nor in the cache; each takes minutes, once.
pub(crate) fn ensure(places: &Places) -> Vec<Missing> {
    TOOLS
        .iter()
        .filter(|tool| find(places, tool.name).is_none())
        .filter_map(|tool| install(places, tool))
        .collect()
}

/// Installs the runtimes that are wanted and absent.
pub(crate) fn ensure_runtimes(places: &Places, wanted: impl Fn(&str) -> bool) -> Vec<Missing> {
    RUNTIMES
        .iter()
        .filter(|tool| wanted(tool.name) && find(places, tool.name).is_none())
        .filter_map(|tool| install(places, tool))
        .collect()
}

/// Installs what the Worker's package-lock.json names.
pub(crate) fn ensure_worker_modules(places: &Places) -> Option<Missing> {
    ensure_node_modules(
        places,
        "deploy/workers/cloudflare",
        "workerd",
        "the Worker in workerd",
    )
}

/// Installs wrangler, beside the template of a Worker.
pub(crate) fn ensure_worker_template(places: &Places) -> Option<Missing> {
    ensure_node_modules(
        places,
        "examples/cloudflare-worker",
        "wrangler",
        "the template of a Worker under wrangler",
    )
}

/// Installs Spin's build tools for JavaScript, beside the app that uses them.
pub(crate) fn ensure_spin_build_tools(places: &Places) -> Option<Missing> {
    ensure_node_modules(
        places,
        "examples/spin-guardrails-js",
        "@spinframework/build-tools",
        "the Spin app in JavaScript",
    )
}

/// Installs Fastly's CLI, beside its project.
pub(crate) fn ensure_fastly_cli(places: &Places) -> Option<Missing> {
    ensure_node_modules(
        places,
        "deploy/workers/fastly",
        "@fastly/cli",
        "the package for Fastly",
    )
}

/// Installs the vendors' Node clients that the tests drive the gateway with.
pub(crate) fn ensure_node_clients(places: &Places) -> Option<Missing> {
    ensure_node_modules(places, "tests/node", "openai", "the vendors' Node clients")
}

/// Installs the agents that the tests let work through the gateway.
pub(crate) fn ensure_agents(places: &Places) -> Vec<Missing> {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        system => system,
    };
    let processor = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "x64",
        processor => processor,
    };
    let cline = format!("@cline/cli-{system}-{processor}");
    ["@anthropic-ai/claude-code", "@openai/codex", &cline]
        .into_iter()
        .filter_map(|agent| {
            ensure_node_modules(places, "tests/agents", agent, "the tests with real agents")
        })
        .collect()
}

/// Installs what a folder's package-lock.json names, unless `module` is there already.
fn ensure_node_modules(
    places: &Places,
    folder: &str,
    module: &str,
    needed_for: &str,
) -> Option<Missing> {
    let folder = places.root.join(folder);
    if folder.join("node_modules").join(module).is_dir() {
        return None;
    }
    let mut install = std::process::Command::new("npm");
    install
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(&folder);
    shell::run(&mut install).err().map(|error| Missing {
        what: module.into(),
        needed_for: needed_for.into(),
        remedy: format!("run npm ci in {}: {error:#}", folder.display()),
    })
}

/// The release profile of programs that work for seconds and take minutes to compile.
const QUICK: [(&str, &str); 4] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
];

fn install(places: &Places, tool: &Tool) -> Option<Missing> {
    let mut install = cargo();
    install
        .args([
            "install",
            "--locked",
            "--quiet",
            tool.package,
            "--version",
            tool.version,
            "--root",
        ])
        .arg(places.cache.join("tools"))
        .args(match tool.features {
            "" => vec![],
            features => vec!["--no-default-features", "--features", features],
        })
        // A target folder of its own: the checkout's may be locked, and its build flags are not the tool's.
        .env("CARGO_TARGET_DIR", places.cache.join("tools/target"))
        .envs(QUICK)
        .current_dir(std::env::temp_dir());
    shell::run(&mut install).err().map(|error| Missing {
        what: tool.name.into(),
        needed_for: tool.needed_for.into(),
        remedy: format!(
            "install it (cargo install --locked {} --version {}): {error:#}",
            tool.package, tool.version
        ),
    })
}
