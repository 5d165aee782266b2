//! How commands fail: as text for people, or with `--output json` as one line of JSON on stderr.

use std::process::{Command, Output};

use clap::CommandFactory as _;
use forebay_host::cli::Cli;
use serde_json::Value;

use crate::support::Folder;

/// A command line that fails, for each command with `--output`.
const FAILING: [&[&str]; 28] = [
    &["serve", "--config", "nowhere.toml"],
    &["init", "--from-litellm", "nowhere.yaml"],
    &["check", "--config", "nowhere.toml"],
    &["doctor", "--config", "nowhere.toml"],
    &["upstreams", "--admin", "127.0.0.1:1"],
    &["cache", "--admin", "127.0.0.1:1"],
    &["purge", "--all", "--admin", "127.0.0.1:1"],
    &["top", "--admin", "127.0.0.1:1"],
    &["why", "--admin", "127.0.0.1:1"],
    &["reload", "--admin", "127.0.0.1:1"],
    &["keys", "create", "--tenant", ""],
    &["keys", "list", "--file", "nowhere.toml"],
    &["keys", "rotate", "nobody"],
    &["keys", "expire", "nobody"],
    &["policies", "keygen", "nowhere/name"],
    &[
        "policies",
        "sign",
        "no.wasm",
        "--key",
        "no.key",
        "--policy",
        "guardrails",
        "--version",
        "1",
    ],
    &[
        "policies",
        "verify",
        "no.wasm",
        "--key",
        "no.pub",
        "--policy",
        "guardrails",
    ],
    &[
        "policies",
        "push",
        "no.wasm",
        "127.0.0.1:1/a:1",
        "--policy",
        "guardrails",
    ],
    &["policies", "pull", "127.0.0.1:1/a:1", "--out", "no.wasm"],
    &["catalogue", "check", "nowhere.toml"],
    &["catalogue", "list", "--model", "no-such-model"],
    &["prefix", "verify", "nowhere.jsonl"],
    &["prefix", "explain", "nowhere.json"],
    &["bake", "--out", "out", "--config", "nowhere.toml"],
    &["simulate", "--trace", "nowhere.jsonl"],
    &["simulate", "edges", "--trace", "nowhere.jsonl"],
    &["engine-sim", "--profile", "nowhere.toml"],
    &["man", "/dev/null/folder"],
];

/// Commands without a result that a program could read.
const WITHOUT: [&str; 2] = ["spin", "completions"];

fn forebay(folder: &Folder, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_forebay"))
        .args(args)
        .current_dir(folder.path())
        .env("FOREBAY_ADMIN_TOKEN", "a token of more than sixteen bytes")
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

/// The names of all commands that do something themselves, such as `keys create`.
fn commands(command: &clap::Command, path: &[String], found: &mut Vec<(Vec<String>, bool)>) {
    for sub in command.get_subcommands() {
        let path = [path, &[sub.get_name().to_owned()]].concat();
        if !sub.is_subcommand_required_set() {
            let output = sub.get_arguments().any(|it| it.get_id() == "output");
            found.push((path.clone(), output));
        }
        commands(sub, &path, found);
    }
}

/// The one line of JSON on stderr.
fn error(output: &Output, args: &[&str]) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
    let line: Value =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{args:?}: {e}: {text}"));
    line["error"].as_str().unwrap().to_owned()
}

#[test]
fn every_command_reports_its_failure_as_json_on_stderr_with_the_status_that_it_has_for_text() {
    let mut command = Cli::command();
    command.build();
    let mut all = Vec::new();
    commands(&command, &[], &mut all);
    let folder = Folder::new();
    for (path, output) in all {
        if !output {
            assert!(
                WITHOUT.contains(&path[0].as_str()),
                "{path:?} has no --output"
            );
            continue;
        }
        let args = FAILING.iter().find(|args| {
            let words = args.iter().take_while(|word| !word.starts_with('-'));
            words.take(path.len()).eq(path.iter())
        });
        let args = args.unwrap_or_else(|| panic!("no case for {path:?}"));
        let text = forebay(&folder, args);
        assert!(
            String::from_utf8_lossy(&text.stderr).starts_with("forebay: "),
            "{args:?}: {text:?}"
        );
        let json = forebay(&folder, &[*args, &["--output", "json"]].concat());
        assert_eq!(
            (json.status.code(), text.status.code()),
            (Some(1), Some(1)),
            "{args:?}"
        );
        assert!(json.stdout.is_empty(), "{args:?}: {json:?}");
        let said = error(&json, args);
        let text = String::from_utf8_lossy(&text.stderr);
        assert_eq!(
            text.strip_prefix("forebay: "),
            Some(&*format!("{said}\n")),
            "{args:?}"
        );
    }
}

#[test]
fn a_wrong_command_line_is_json_too_and_help_stays_text() {
    let folder = Folder::new();
    for (args, said) in [
        (&["check", "--no-such-flag"][..], "--no-such-flag"),
        (&["policies"], "subcommand"),
        (&["keys", "create"], "--tenant"),
        (&["simulate"], "--trace"),
        (&["no-such-command"], "no-such-command"),
        (&["spin", "up"], "spin up"),
    ] {
        // The format is a part of what is wrong where a command has no such flag.
        let json = forebay(&folder, &[args, &["--output=json"]].concat());
        assert_eq!(json.status.code(), Some(2), "{args:?}");
        assert!(json.stdout.is_empty(), "{args:?}");
        let line = error(&json, args);
        assert!(
            line.contains(said) && !line.contains("Usage:"),
            "{args:?}: {line}"
        );
        assert_eq!(forebay(&folder, args).status.code(), Some(2), "{args:?}");
    }
    let help = forebay(&folder, &["check", "--output", "json", "--help"]);
    assert!(help.status.success() && help.stderr.is_empty());
    assert!(String::from_utf8_lossy(&help.stdout).contains("Usage:"));
}

#[test]
fn a_report_about_what_is_wrong_is_a_result() {
    let folder = Folder::new();
    folder.write("forebay.toml", "[server]\nlistn = 1\n");
    let json = forebay(&folder, &["check", "--output", "json"]);
    assert_eq!(json.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["good"], false);
    assert_eq!(report["error"].as_str(), Some(&*error(&json, &["check"])));
}

#[test]
fn commands_for_a_running_gateway_work_while_its_file_is_wrong() {
    let folder = Folder::new();
    folder.write(
        "forebay.toml",
        "[admin]\nlisten = \"0.0.0.0:1\"\n[keys]\nfile = \"mine.toml\"\n[limits]\nbdy = 1\n",
    );
    // Everything but the gateway is there: the address is that of the file, on loopback.
    let asked = forebay(&folder, &["upstreams"]);
    let said = String::from_utf8_lossy(&asked.stderr);
    assert!(said.contains("no gateway answers at 127.0.0.1:1"), "{said}");
    let created = forebay(&folder, &["keys", "create", "--tenant", "a"]);
    assert!(created.status.success(), "{created:?}");
    assert!(folder.path().join("mine.toml").exists());
    // What both name on the command line needs no file at all.
    folder.write("forebay.toml", "[admin\n");
    let asked = forebay(&folder, &["upstreams", "--admin", "127.0.0.1:1"]);
    let said = String::from_utf8_lossy(&asked.stderr);
    assert!(said.contains("no gateway answers at 127.0.0.1:1"), "{said}");
    let asked = forebay(&folder, &["upstreams"]);
    assert!(String::from_utf8_lossy(&asked.stderr).contains("forebay.toml:1"));
}

#[test]
fn check_finds_what_serve_would_refuse_and_points_at_it() {
    let folder = Folder::new();
    let up = "[[upstreams]]\nname = \"u\"\n";
    for (text, place, said) in [
        (
            format!("{up}urls = [\"http://h:1\"]\nheaders = {{ \"x y\" = \"hush\" }}\n"),
            "forebay.toml:4:",
            "that HTTP does not allow",
        ),
        (
            format!("{up}urls = [\"env:FOREBAY_TEST_SELF\"]\n"),
            "forebay.toml:3:",
            "this gateway itself (server.listen)",
        ),
        (
            "[policies.guardrails]\n\ncomponent = \"no.wasm\"\n".to_owned(),
            "forebay.toml:3:",
            "no.wasm can't be read",
        ),
        (
            "[keys]\nfile = \"no.toml\"\n".to_owned(),
            "forebay.toml:2:",
            "`forebay keys create --file ./no.toml",
        ),
        (
            "[[policies.guardrails.config.rules]]\nname = \"r\"\nkind = \"secret\"\n".to_owned(),
            "forebay.toml:3:",
            "did you mean \"secrets\"?",
        ),
        (
            "[policies.prefix_cache.config]\nttl = \"1h\"\n".to_owned(),
            "forebay.toml:2:",
            "`ttl` must be a whole number",
        ),
    ] {
        folder.write("forebay.toml", &text);
        let output = Command::new(env!("CARGO_BIN_EXE_forebay"))
            .arg("check")
            .current_dir(folder.path())
            .env("FOREBAY_TEST_SELF", "http://127.0.0.1:8080")
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{text}");
        assert!(
            error.contains(place) && error.contains(said),
            "{text}\n{error}"
        );
        assert!(!error.contains("hush"), "{error}");
    }
}
