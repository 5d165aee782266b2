//! Policies as artefacts: signed, kept in a registry, verified at the start and at a reload.

use std::path::Path;
use std::process::{Command, Stdio};

use forebay_tests::prompts::chat;
use forebay_tests::registry::{REGISTRY_AUTH, digest_of};
use forebay_tests::{Config, Engine, Forebay, Gate, Registry, binary, eventually, within};
use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;

/// A guardrail that names itself in what it denies.
fn component() -> Vec<u8> {
    let text = include_str!("../guests/foreign-guardrail.wat");
    wat::parse_str(text).expect("a component")
}

/// The same, with a section more that changes nothing but its digest.
fn another(version: u8) -> Vec<u8> {
    let mut other = component();
    other.extend([0, 3, 1, b'v', version]);
    other
}

/// Runs `forebay policies` in a folder; gives what it said.
async fn policies(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let (folder, arguments) = (
        folder.to_owned(),
        arguments
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
    );
    let run = move || {
        Command::new(binary())
            .arg("policies")
            .args(arguments)
            .current_dir(folder)
            .env("FOREBAY_REGISTRY_AUTH", REGISTRY_AUTH)
            .output()
            .expect("forebay can be run")
    };
    let output = tokio::task::spawn_blocking(run).await.expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(said),
        false => Err(said),
    }
}

async fn sign(folder: &Path, key: &str, version: &str) {
    let arguments = ["sign", "guard.wasm", "--policy", "guardrails"];
    let more = ["--key", key, "--version", version];
    policies(folder, &[&arguments[..], &more].concat())
        .await
        .expect("it is signed");
}

/// A folder with two keys and a component.
async fn workshop() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["ours", "theirs"] {
        policies(folder.path(), &["keygen", name]).await.unwrap();
    }
    std::fs::write(folder.path().join("guard.wasm"), component()).unwrap();
    folder
}

#[tokio::test]
async fn a_component_goes_to_a_registry_and_comes_back_as_it_was_signed() {
    let (folder, storage) = (workshop().await, Registry::start().await);
    let registry = Registry::before(Some(&storage)).await;
    let reference = format!("{}/team/guardrails:1", registry.addr);
    sign(folder.path(), "ours.key", "7").await;
    let push = ["push", "guard.wasm", &reference, "--policy", "guardrails"];
    let pinned = policies(folder.path(), &push).await.unwrap();
    let pinned = pinned.trim();
    let digest = pinned.split_once('@').expect("it is pinned").1;
    registry.copy_to(&storage);

    let manifest = registry.manifest("team/guardrails", digest).unwrap();
    assert_eq!(digest_of(&manifest), digest);
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.wasm.config.v0+json"
    );
    let pull = ["pull", pinned, "--out", "fetched.wasm"];
    policies(folder.path(), &pull).await.unwrap();
    let fetched = std::fs::read(folder.path().join("fetched.wasm")).unwrap();
    assert_eq!(fetched, component());
    let verify = ["verify", "fetched.wasm", "--policy", "guardrails", "--key"];
    let ours = policies(folder.path(), &[&verify[..], &["ours.pub"]].concat()).await;
    assert!(ours.unwrap().contains("version 7"));
    let theirs = policies(folder.path(), &[&verify[..], &["theirs.pub"]].concat()).await;
    assert!(theirs.unwrap_err().contains("none of the configured keys"));

    // A second push sends no blob again, and gives the same digest.
    let before = registry.calls().len();
    assert_eq!(policies(folder.path(), &push).await.unwrap().trim(), pinned);
    let calls = registry.calls();
    let posts = calls[before..]
        .iter()
        .filter(|call| call.starts_with("POST"));
    assert_eq!(posts.count(), 0, "{calls:?}");
}

#[tokio::test]
async fn what_a_registry_has_altered_is_refused_and_nothing_is_written() {
    let (folder, registry) = (workshop().await, Registry::start().await);
    let name = format!("{}/a", registry.addr);
    let reference = format!("{name}:1");
    let push = ["push", "guard.wasm", &reference, "--policy", "guardrails"];
    let pinned = policies(folder.path(), &push).await.unwrap();
    let digest = pinned.trim().split_once('@').unwrap().1.to_owned();
    let refused = async |reference: &str| {
        let pull = ["pull", reference, "--out", "fetched.wasm"];
        let said = policies(folder.path(), &pull).await.unwrap_err();
        assert!(!folder.path().join("fetched.wasm").exists(), "{said}");
        assert!(
            !said.contains("panicked") && !said.contains("a-registry"),
            "{said}"
        );
        said
    };
    let whole = registry.manifest("a", &digest).unwrap();
    registry.replace("a", &digest, whole.slice(..whole.len() - 1));
    assert!(refused(pinned.trim()).await.contains("was requested"));
    registry.replace("a", &digest, whole);
    registry.tamper(|_, blob| {
        let mut other = blob.to_vec();
        *other.last_mut()? ^= 1;
        Some(other)
    });
    assert!(refused(pinned.trim()).await.contains("its manifest says"));
    registry.tamper(|_, blob| Some([blob, b"more"].concat()));
    assert!(refused(&reference).await.contains("can't be read"));
    registry.replace("a", "index", "{\"manifests\": []}");
    assert!(refused(&format!("{name}:index")).await.contains("an index"));
    assert!(refused(&format!("{name}:none")).await.contains("404"));
    assert!(refused("guardrails").await.contains("names no registry"));
}

#[tokio::test]
async fn a_push_and_a_pull_are_told_to_programs_as_json() {
    let (folder, registry) = (workshop().await, Registry::start().await);
    let reference = format!("{}/team/guardrails:1", registry.addr);
    let json = async |arguments: &[&str]| {
        let said = policies(folder.path(), &[arguments, &["--output", "json"]].concat()).await;
        serde_json::from_str::<serde_json::Value>(&said.unwrap()).expect("one JSON document")
    };
    let pushed = json(&["push", "guard.wasm", &reference, "--policy", "guardrails"]).await;
    let pinned = pushed["reference"].as_str().unwrap();
    assert!(pinned.starts_with(&format!("{}/team/guardrails@sha256:", registry.addr)));
    let pulled = json(&["pull", pinned, "--out", "fetched.wasm"]).await;
    assert_eq!(pulled["reference"], pinned);
    assert_eq!(pulled["file"], "fetched.wasm");
    assert_eq!(pulled["digest"], digest_of(&component()));
    assert_eq!(pulled["signed"], false);
}

/// Runs `forebay policies` on a terminal until it shows `progress`, then opens the gate; gives what it said.
async fn on_a_terminal(folder: &Path, words: &str, progress: &str, gate: &Gate) -> String {
    let mut command = tokio::process::Command::new("script");
    let run = format!("'{}' policies {words}", binary().display());
    let mut running = command
        .args([
            "--quiet",
            "--return",
            "--flush",
            "--command",
            &run,
            "/dev/null",
        ])
        .current_dir(folder)
        .env("FOREBAY_REGISTRY_AUTH", REGISTRY_AUTH)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("script is part of Debian's bsdutils");
    let (mut out, mut said) = (running.stdout.take().unwrap(), Vec::new());
    let shown = |said: &[u8]| String::from_utf8_lossy(said).into_owned();
    while !shown(&said).contains(progress) {
        let read = within(progress, out.read_buf(&mut said)).await.unwrap();
        assert_ne!(read, 0, "it ended before {progress}: {}", shown(&said));
    }
    gate.open(1);
    within("its end", out.read_to_end(&mut said)).await.unwrap();
    assert!(within("its end", running.wait()).await.unwrap().success());
    shown(&said)
}

#[tokio::test]
async fn bytes_are_counted_on_a_terminal_while_a_registry_is_slow() {
    let (folder, registry) = (workshop().await, Registry::start().await);
    let mut large = component();
    large.resize(1 << 20, 0);
    std::fs::write(folder.path().join("guard.wasm"), &large).unwrap();
    let gate = registry.slow_down();
    // The configuration is a blob of its own, and goes first.
    gate.open(1);
    let host = registry.addr;
    let push = format!("push guard.wasm {host}/team/guard:1 --policy guardrails");
    let sent = format!("pushing to {host}: 1.0 of 1.0 MiB, 100 %");
    let said = on_a_terminal(folder.path(), &push, &sent, &gate).await;
    let reference = said.split_whitespace().last().unwrap();
    assert!(reference.contains("@sha256:"), "{said}");
    let pull = format!("pull {host}/team/guard:1 --out fetched.wasm");
    let half = format!("pulling from {host}: 0.5 of 1.0 MiB, 50 %");
    on_a_terminal(folder.path(), &pull, &half, &gate).await;
    let fetched = std::fs::read(folder.path().join("fetched.wasm")).unwrap();
    assert!(fetched == large, "it came whole");
}

/// Guardrails from `guard.wasm`, with further lines of their `verify`.
fn verified(engine: &Engine, verify: &str) -> Config {
    engine.behind(&format!(
        "[policies.guardrails]\ncomponent = \"guard.wasm\"\n[policies.guardrails.verify]\n{verify}\n"
    ))
}

/// The configuration with the files of the workshop beside it.
fn with_files(mut config: Config, folder: &Path) -> Config {
    for name in ["guard.wasm", "guard.wasm.dsse", "ours.pub", "theirs.pub"] {
        if let Ok(bytes) = std::fs::read(folder.join(name)) {
            config = config.file(name, bytes);
        }
    }
    config
}

#[tokio::test]
async fn a_component_that_is_not_what_was_signed_does_not_start() {
    let (folder, engine) = (workshop().await, Engine::instant().await);
    let folder = folder.path();
    let refused = async |verify: &str, word: &str| {
        let config = with_files(verified(&engine, verify), folder);
        let refusal = Forebay::refuses(config).await;
        assert_eq!(refusal.code, Some(1), "{}", refusal.said);
        assert!(refusal.said.contains(word), "{word}: {}", refusal.said);
        assert!(!refusal.said.contains("panicked"), "{}", refusal.said);
    };
    let digest = digest_of(&component());
    let ours = "keys = [\"ours.pub\"]";
    refused(&format!("digest = \"{}\"", digest_of(b"")), &digest).await;
    refused("digest = \"sha256:12\"", "is not a digest").await;
    refused("", "neither a digest nor keys").await;
    refused("min_version = 3", "no keys to check a signature").await;
    refused(ours, "it is not signed").await;
    refused("keys = [\"nowhere.pub\"]", "can't be read").await;
    refused("keys = [\"guard.wasm\"]", "can't be read").await;
    sign(folder, "theirs.key", "3").await;
    refused(ours, "none of the configured keys").await;
    sign(folder, "ours.key", "3").await;
    refused(&format!("{ours}\nmin_version = 4"), "rolled back").await;
    std::fs::write(folder.join("guard.wasm"), another(b'1')).unwrap();
    refused(ours, "it was altered or replaced").await;
    std::fs::write(folder.join("guard.wasm.dsse"), "{}").unwrap();
    refused(ours, "not a DSSE envelope").await;

    std::fs::write(folder.join("guard.wasm"), component()).unwrap();
    sign(folder, "ours.key", "3").await;
    let good = format!("digest = \"{digest}\"\nkeys = [\"theirs.pub\", \"ours.pub\"]");
    let forebay = Forebay::start(with_files(verified(&engine, &good), folder)).await;
    assert_eq!(forebay.client.chat(&chat("hello")).await.status, 200);
}

#[tokio::test]
async fn a_reload_takes_up_a_newer_component_and_refuses_an_older_one() {
    let (folder, engine) = (workshop().await, Engine::instant().await);
    sign(folder.path(), "ours.key", "3").await;
    let old = std::fs::read(folder.path().join("guard.wasm.dsse")).unwrap();
    let config = verified(&engine, "keys = [\"ours.pub\"]");
    let forebay = Forebay::start(with_files(config, folder.path())).await;
    let put = |component: &[u8], signature: &[u8]| {
        std::fs::write(forebay.folder().join("guard.wasm.dsse"), signature).unwrap();
        std::fs::write(forebay.folder().join("guard.wasm"), component).unwrap();
        forebay.signal(Signal::HUP);
    };

    std::fs::write(folder.path().join("guard.wasm"), another(b'4')).unwrap();
    sign(folder.path(), "ours.key", "4").await;
    let new = std::fs::read(folder.path().join("guard.wasm.dsse")).unwrap();
    assert_eq!(forebay.client.chat(&chat("hello")).await.status, 200);
    forebay.stored().await;
    put(&another(b'4'), &new);
    // Other policies, another identity of every answer: what was stored is not found any more.
    eventually("the new policy", || async {
        (forebay.client.chat(&chat("hello")).await.cache() != "hit").then_some(())
    })
    .await;
    eventually("an answer of the new policy", || async {
        (forebay.client.chat(&chat("hello")).await.cache() == "hit").then_some(())
    })
    .await;

    let failed = forebay.metrics().await.sum("forebay_reloads_failed_total");
    put(&component(), &old);
    forebay
        .metric_reaches("forebay_reloads_failed_total", failed + 1.0)
        .await;
    forebay.logs("it was rolled back").await;
    assert_eq!(
        forebay.client.chat(&chat("hello")).await.cache(),
        "hit",
        "the newer policy stays"
    );
}
