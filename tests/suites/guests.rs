//! Components that misbehave, and one from another toolchain.

use std::path::Path;

use forebay_tests::prompts::{chat, saying, streamed, with};
use forebay_tests::{Engine, Forebay};
use serde_json::json;

/// The path of a guest. One that is kept as text is compiled.
fn guest(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("guests")
        .join(name);
    let text = path.with_extension("wat");
    if path.is_file() || !text.is_file() {
        assert!(path.is_file(), "{}", path.display());
        return path.display().to_string();
    }
    // Tests run at the same time: a file is whole when it gets its name.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (whole, partial) = (
        folder.join(name),
        tempfile::NamedTempFile::new_in(folder).unwrap(),
    );
    std::fs::write(partial.path(), wat::parse_file(text).unwrap()).unwrap();
    partial.persist(&whole).unwrap();
    whole.display().to_string()
}

fn guarded_by(name: &str, more: &str) -> String {
    format!(
        "[policies.guardrails]\ncomponent = {:?}\n{more}\n",
        guest(name)
    )
}

#[tokio::test]
async fn a_component_that_cannot_be_used_is_named_at_the_start() {
    let engine = Engine::instant().await;
    let rows = [
        ("garbage.wasm", "", &["does not compile"] as &[&str]),
        ("foreign-guardrail.wat", "", &["wasm-tools parse"]),
        ("core-module.wasm", "", &[]),
        ("lacks-export.wasm", "", &["does not have export"]),
        (
            "outdated-guardrail.wasm",
            "",
            &["forebay:guardrails@0.2.0", "docs/migrating-0.2.md"],
        ),
        (
            "misbehaving-guardrail.wasm",
            "config = { fault = \"trap\" }",
            &["unreachable"],
        ),
        (
            "misbehaving-guardrail.wasm",
            "config = { fault = \"error\" }",
            &["refuses its configuration"],
        ),
    ];
    for (file, more, words) in rows {
        let refusal = Forebay::refuses(engine.behind(&guarded_by(file, more))).await;
        assert_eq!(refusal.code, Some(1), "{file}: {}", refusal.said);
        for word in words.iter().chain(&["guardrails", file]) {
            assert!(
                refusal.said.contains(word),
                "{file}: \"{word}\" is missing in: {}",
                refusal.said
            );
        }
        assert!(!refusal.said.contains("panicked"), "{}", refusal.said);
    }

    let missing = "[policies.prefix_cache]\ncomponent = \"nowhere.wasm\"\n";
    let refusal = Forebay::refuses(engine.behind(missing)).await;
    for word in [
        "prefix-cache",
        "nowhere.wasm",
        "policies.prefix_cache.component",
    ] {
        assert!(refusal.said.contains(word), "{}", refusal.said);
    }
    // The built-in ones say which field of their configuration is wrong.
    for (section, config, word) in [
        ("prefix_cache", "{ tll = 5 }", "tll"),
        (
            "guardrails",
            "{ rules = [{ name = \"x\", kind = \"regex\", pattern = \"(\" }] }",
            "x",
        ),
        (
            "cloud_selector",
            "{ weights = { price = -1.0 } }",
            "weights.price",
        ),
    ] {
        let text = format!("[policies.{section}]\nconfig = {config}\n");
        let refusal = Forebay::refuses(engine.behind(&text)).await;
        let name = section.replace('_', "-");
        assert!(
            refusal.said.contains(word) && refusal.said.contains(&name),
            "{}",
            refusal.said
        );
    }
}

#[tokio::test]
async fn a_guest_that_traps_loops_grows_or_shouts_fails_its_own_request_only() {
    let engine = Engine::instant().await;
    let forebay =
        Forebay::start(engine.behind(&guarded_by("misbehaving-guardrail.wasm", ""))).await;
    assert_eq!(forebay.client.chat(&chat("before")).await.status, 200);
    let fail = async |kind: &str, n: usize| {
        let request = with(chat(&format!("number {n}")), json!({"model": kind}));
        let client = forebay.client.clone();
        let failing = tokio::spawn(async move { client.chat(&request).await });
        let neighbour = forebay
            .client
            .chat(&chat(&format!("beside {kind} {n}")))
            .await;
        assert_eq!(
            neighbour.status,
            200,
            "{kind} disturbed its neighbour: {}",
            neighbour.text()
        );
        let reply = failing.await.unwrap();
        let message = reply.is_error(500, "policy_failed");
        assert!(message.contains("guardrails"), "{kind}: {message}");
        assert!(
            message.len() < 2000,
            "{kind}: a guest's shouting is not repeated"
        );
    };
    for kind in ["trap", "loop", "grow", "huge", "wild", "deep"] {
        fail(kind, 0).await;
    }
    // Again and again: what a guest takes is given back.
    for n in 1..=5 {
        fail("grow", n).await;
        fail("huge", n).await;
    }
    let before = forebay.resident_kib();
    for n in 6..=25 {
        fail("grow", n).await;
        fail("huge", n).await;
    }
    let after = forebay.resident_kib();
    println!("resident before {before} KiB, after 40 failures more {after} KiB");
    assert!(
        after < before + (48 << 10),
        "from {before} KiB to {after} KiB"
    );
    assert_eq!(
        engine.computed() as f64,
        forebay
            .metrics()
            .await
            .sum("forebay_requests_total{status=\"2xx\"}")
    );
    assert!(
        forebay
            .metrics()
            .await
            .sum("forebay_errors_total{kind=\"policy_failed\"}")
            >= 56.0
    );
}

#[tokio::test]
async fn a_guest_that_breaks_in_the_middle_of_a_stream_ends_it_closed() {
    let engine = Engine::instant().await;
    let forebay =
        Forebay::start(engine.behind(&guarded_by("misbehaving-guardrail.wasm", ""))).await;
    for kind in ["trap", "loop", "grow", "deep"] {
        let first = format!("{kind} here ");
        let request = saying(streamed("go"), &[&first, "and a tail"]);
        let text = forebay.client.chat(&request).await.text();
        assert!(
            text.contains("policy_failed") && !text.contains("[DONE]"),
            "{kind}: {text}"
        );
        assert!(
            !text.contains("and a tail") && !text.contains(" here"),
            "{kind}: nothing unreleased goes out: {text}"
        );
        let reply = forebay
            .client
            .chat(&saying(chat("go"), &[&first, "and a tail"]))
            .await;
        reply.is_error(500, "policy_failed");
        let told = forebay
            .client
            .stream(&saying(streamed("well"), &["all ", "is well"]))
            .await
            .rest()
            .await;
        assert_eq!(
            (told.text().as_str(), told.done),
            ("all is well", true),
            "after {kind}"
        );
        forebay.purge(json!({"all": true})).await;
    }
}

#[tokio::test]
async fn a_guardrail_from_another_toolchain_takes_the_place_of_ours() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind(&guarded_by("foreign-guardrail.wasm", ""))).await;
    let denied = forebay.client.chat(&chat("FORBIDDEN fruit")).await;
    assert_eq!(
        (denied.status, denied.json()["error"]["type"].as_str()),
        (400, Some("content_policy_violation")),
        "{}",
        denied.text()
    );
    assert_eq!(engine.computed(), 0);
    let told = forebay
        .client
        .stream(&streamed("allowed fruit"))
        .await
        .rest()
        .await;
    assert!(told.done && !told.text().is_empty());
    forebay.stored().await;
    assert_eq!(
        forebay.client.chat(&chat("allowed fruit")).await.cache(),
        "hit",
        "with our cache policy beside it"
    );
}

/// Python's tests can't compile text.
#[test]
fn the_compiled_guest_is_the_one_in_the_text() {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests");
    let text = wat::parse_file(guests.join("misbehaving-guardrail.wat")).unwrap();
    let compiled = guests.join("misbehaving-guardrail.wasm");
    if std::env::var_os("FOREBAY_WRITE_GUESTS").is_some() {
        std::fs::write(&compiled, &text).unwrap();
    }
    assert!(
        text == std::fs::read(compiled).unwrap(),
        "misbehaving-guardrail.wasm is older than its text; run this test with FOREBAY_WRITE_GUESTS=1"
    );
}
