//! Every command has `--output json`, and prints one JSON document with it.

use std::path::Path;
use std::process::Command;

use clap::CommandFactory as _;
use serde_json::Value;

use crate::support::Folder;

/// What a command prints is a file of a format of its own.
const FILES: [&str; 1] = ["completions"];

/// Not a command any more; it only says so.
const GONE: [&str; 1] = ["spin"];

/// Commands that serve, or that ask a running gateway or registry: the other suites run them.
const RUNNING: [&str; 10] = [
    "serve",
    "engine-sim",
    "upstreams",
    "cache",
    "purge",
    "top",
    "why",
    "reload",
    "policies push",
    "policies pull",
];

/// The words of every command that does something by itself.
fn commands(command: &clap::Command, before: &str, found: &mut Vec<(String, bool)>) {
    for sub in command.get_subcommands() {
        let name = format!("{before} {}", sub.get_name()).trim().to_owned();
        let has = sub.get_arguments().any(|it| it.get_id() == "output");
        if !sub.has_subcommands() || !sub.is_subcommand_required_set() {
            found.push((name.clone(), has));
        }
        commands(sub, &name, found);
    }
}

fn all() -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut command = forebay_host::cli::Cli::command();
    // Global flags reach the commands below.
    command.build();
    commands(&command, "", &mut found);
    found
}

#[test]
fn every_command_takes_output_json() {
    let exempt = |name: &str| FILES.contains(&name) || GONE.contains(&name);
    let lacking: Vec<_> = all()
        .into_iter()
        .filter(|(name, has)| !has && !exempt(name))
        .collect();
    assert!(lacking.is_empty(), "{lacking:?}");
}

/// Block hashes of vLLM's own.
const VECTORS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/prefix/tests/fixtures/vllm-block-hashes.jsonl"
);

/// Rows of words that make each command succeed in a folder of their own, in this order.
const RUNS: [(&str, &[&str]); 18] = [
    ("init", &["init", "--engine", "http://127.0.0.1:1"]),
    ("check", &["check"]),
    ("doctor", &["doctor"]),
    ("keys create", &["keys", "create", "--tenant", "a"]),
    ("keys list", &["keys", "list"]),
    ("keys rotate", &["keys", "rotate", "{key}"]),
    ("keys expire", &["keys", "expire", "{key}"]),
    ("policies keygen", &["policies", "keygen", "mine"]),
    (
        "policies sign",
        &[
            "policies",
            "sign",
            "a.wasm",
            "--key",
            "mine.key",
            "--policy",
            "guardrails",
            "--version",
            "1",
        ],
    ),
    (
        "policies verify",
        &[
            "policies",
            "verify",
            "a.wasm",
            "--key",
            "mine.pub",
            "--policy",
            "guardrails",
        ],
    ),
    ("catalogue check", &["catalogue", "check"]),
    ("catalogue list", &["catalogue", "list"]),
    (
        "bake",
        &["bake", "--open", "--config", "edge.toml", "--out", "baked"],
    ),
    ("man", &["man", "manuals"]),
    ("simulate", &["simulate", "--trace", "trace.jsonl"]),
    (
        "simulate edges",
        &["simulate", "edges", "--trace", "trace.jsonl"],
    ),
    ("prefix verify", &["prefix", "verify", VECTORS]),
    ("prefix explain", &["prefix", "explain", "request.json"]),
];

#[test]
fn what_is_printed_is_one_json_document() {
    let folder = Folder::new();
    folder.write("a.wasm", "\0asm\u{d}\0\u{1}\0");
    let request = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    folder.write("request.json", request);
    let upstream = "[[upstreams]]\nname = \"host\"\nurls = [\"env:FOREBAY_UPSTREAM\"]\n";
    folder.write("edge.toml", upstream);
    let line = r#"{"timestamp":0,"input_length":600,"output_length":5,"hash_ids":[1,2]}"#;
    folder.write("trace.jsonl", &format!("{line}\n{line}\n"));
    let mut key = String::new();
    for (name, words) in RUNS {
        let words = words.iter().map(|word| word.replace("{key}", &key));
        let printed = run(folder.path(), &words.collect::<Vec<_>>());
        let value: Value = serde_json::from_str(&printed).unwrap_or_else(|e| {
            panic!(
                "`forebay {name} --output json` printed no single JSON document ({e}): {printed}"
            )
        });
        if name == "keys create" {
            key = value["id"].as_str().unwrap().to_owned();
        }
    }
}

fn run(folder: &Path, words: &[String]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_forebay"))
        .args(words)
        .args(["--output", "json"])
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A command that is added later has to be run by a test, here or in the suites.
#[test]
fn every_command_is_run() {
    let known = |name: &str| RUNS.iter().any(|(run, _)| *run == name) || RUNNING.contains(&name);
    let exempt = |name: &str| FILES.contains(&name) || GONE.contains(&name);
    let unknown: Vec<_> = all()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| !known(name) && !exempt(name))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_help_says_what_each_command_does() {
    let mut command = forebay_host::cli::Cli::command();
    command.build();
    let about = command.get_about().unwrap().to_string();
    // Not the package's description, which is for contributors.
    assert!(
        about.contains("gateway") && !about.contains("listener"),
        "{about}"
    );
    let silent: Vec<_> = command
        .get_subcommands()
        .filter(|it| !it.is_hide_set() && it.get_about().is_none())
        .map(|it| it.get_name().to_owned())
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}
