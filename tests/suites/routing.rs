//! Which upstream gets a request: constraints, fallback before the first byte, ejection and health, credentials.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

use forebay_tests::prompts::{chat, chunk, streamed, whole, with};
use forebay_tests::upstream::{response, stream_of};
use forebay_tests::{Config, Engine, Forebay, Key, Scripted, eventually, refused};
use serde_json::json;

use crate::upstreams::{IMPATIENT, serving};

const ORDERED: &str = "[policies.cloud_selector]\nconfig = { strategy = \"ordered\" }\n";

#[tokio::test]
async fn another_upstream_is_tried_before_the_first_byte_and_never_after() {
    let broken = [
        (
            "resetting",
            Scripted::start(|call| async move { call.reset() }).await,
        ),
        (
            "unavailable",
            Scripted::saying(response("503 Service Unavailable", "text/plain", "busy")).await,
        ),
        ("garbage", Scripted::saying("nonsense\r\n\r\n").await),
        (
            "garbage-event",
            Scripted::saying(stream_of(&["data: {]\n\n".to_owned()])).await,
        ),
        ("empty-stream", Scripted::saying(stream_of(&[])).await),
        (
            "silent",
            Scripted::start(|call| async move { call.until_gone().await }).await,
        ),
    ];
    let engine = Engine::instant().await;
    let mut config = Config::new(format!("{IMPATIENT}\n{ORDERED}"));
    for (name, upstream) in &broken {
        config = config.upstream(name, &upstream.url(), &serving(name));
    }
    let all: Vec<String> = broken
        .iter()
        .map(|(name, _)| format!("\"{name}\" = \"forebay-sim\""))
        .collect();
    let late = Scripted::saying(stream_of(&[chunk("begun ")])).await;
    config = config
        .upstream("late", &late.url(), &serving("late"))
        .upstream(
            "good",
            &engine.url(),
            &format!(
                "models = {{ {}, \"late\" = \"forebay-sim\" }}",
                all.join(", ")
            ),
        );
    let forebay = Forebay::start(config).await;

    for (name, upstream) in &broken {
        for body in [chat("hello"), streamed("hello")] {
            // What is not streamed may be silent until the total time is up.
            if *name == "silent" && body["stream"] != true {
                continue;
            }
            let request = with(body, json!({"model": name}));
            let client = forebay.client.with_header("cache-control", "no-cache");
            let reply = client.chat(&request).await;
            assert_eq!(reply.status, 200, "{name}: {}", reply.text());
            assert_eq!(reply.header("x-forebay-upstream"), "good", "{name}");
        }
        let tries = if *name == "silent" { 1 } else { 2 };
        assert_eq!(upstream.calls(), tries, "{name} was tried first");
    }

    let before = engine.computed();
    let mut events = forebay
        .client
        .stream(&with(streamed("hello"), json!({"model": "late"})))
        .await;
    let told = events.rest().await;
    assert_eq!(
        (told.text().as_str(), told.error_code().as_str()),
        ("begun ", "upstream_truncated")
    );
    assert_eq!(
        engine.computed(),
        before,
        "after the first byte nobody else is asked"
    );
    let metrics = forebay.metrics().await;
    assert_eq!(
        metrics.sum("forebay_upstream_retries_total"),
        2.0 * broken.len() as f64 - 1.0
    );

    // Attempts are bounded.
    let (nobody, _bound) = refused();
    let mut config = Config::new(format!("[retries]\nattempts = 2\n\n{ORDERED}"));
    let counted = Scripted::saying(response("503 Service Unavailable", "text/plain", "busy")).await;
    config = config
        .upstream("a", &nobody, "")
        .upstream("b", &counted.url(), "")
        .upstream("c", &counted.url(), "");
    let forebay = Forebay::start(config).await;
    let reply = forebay.client.chat(&chat("hello")).await;
    assert_eq!(
        (reply.status, counted.calls()),
        (503, 1),
        "{}",
        reply.text()
    );
    let metrics = forebay.metrics().await;
    assert_eq!(
        metrics.sum("forebay_upstream_retries_total"),
        1.0,
        "none follows the last"
    );
}

#[tokio::test]
async fn a_failing_replica_is_ejected_and_health_checks_take_replicas_out_and_back() {
    let bad = Scripted::start(|call| async move { call.reset() }).await;
    let engine = Engine::instant().await;
    let pair = Config::new("[retries]\neject_after = 2\neject_for = \"10m\"\n").table(&format!(
        "[[upstreams]]\nname = \"pair\"\nurls = [\"{}\", \"{}\"]\nhealth_path = \"\"",
        bad.url(),
        engine.url()
    ));
    let forebay = Forebay::start(pair).await;
    let mut asked = 0;
    eventually("the ejection", || {
        asked += 1;
        let request = chat(&format!("number {asked}"));
        let (forebay, bad) = (&forebay, &bad);
        async move {
            let reply = forebay.client.chat(&request).await;
            assert_eq!(
                reply.status,
                200,
                "the other replica serves: {}",
                reply.text()
            );
            (bad.calls() >= 2).then_some(())
        }
    })
    .await;
    for n in 0..20 {
        assert_eq!(
            forebay
                .client
                .chat(&chat(&format!("after {n}")))
                .await
                .status,
            200
        );
    }
    assert_eq!(bad.calls(), 2, "an ejected replica gets nothing");
    assert_eq!(
        forebay.metrics().await.sum("forebay_endpoints_healthy"),
        1.0
    );

    // Active checks: out while the page does not answer, back when it is well; and a page that says
    // that the only replica is ill is no reason to refuse what it can serve.
    const WELL: u8 = 0;
    const ILL: u8 = 1;
    const SILENT: u8 = 2;
    let state = Arc::new(AtomicU8::new(WELL));
    let health = Arc::clone(&state);
    let checked = Scripted::start(move |mut call| {
        let state = health.load(SeqCst);
        async move {
            match (call.request.head.starts_with("get /health"), state) {
                (true, WELL) => call.answer("200 OK", "text/plain", "").await,
                (true, ILL) => {
                    call.answer("500 Internal Server Error", "text/plain", "ill")
                        .await
                }
                (true, _) => call.reset(),
                _ => {
                    call.answer("200 OK", "application/json", &whole("served"))
                        .await
                }
            }
        }
    })
    .await;
    let config = Config::new("").upstream(
        "checked",
        &checked.url(),
        "health_path = \"/health\"\nhealth_interval = \"20ms\"",
    );
    let forebay = Forebay::start(config).await;
    assert_eq!(forebay.client.chat(&chat("well")).await.status, 200);
    state.store(ILL, SeqCst);
    eventually("that it is taken out", || async {
        (forebay.metrics().await.sum("forebay_endpoints_healthy") == 0.0).then_some(())
    })
    .await;
    assert_eq!(forebay.client.chat(&chat("ill")).await.status, 200);
    state.store(SILENT, SeqCst);
    let mut asked = 0;
    eventually("that it is asked no more", || {
        asked += 1;
        let request = chat(&format!("silent {asked}"));
        let forebay = &forebay;
        async move { (forebay.client.chat(&request).await.status == 503).then_some(()) }
    })
    .await;
    let reply = forebay.client.chat(&chat("silent")).await;
    let message = reply.is_error(503, "no_upstream");
    assert!(message.contains("health"), "{message}");
    assert_eq!(reply.header("retry-after"), "1");
    let ready = forebay_tests::Client::new(&format!("http://{}", forebay.admin))
        .get("/readyz")
        .await;
    assert_eq!(ready.status, 503, "nor is it ready: {}", ready.text());
    state.store(WELL, SeqCst);
    eventually("that it is back", || async {
        (forebay.client.chat(&chat("well again")).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_upstream_gets_its_own_credentials_and_never_the_clients() {
    let upstream = Scripted::saying(response("200 OK", "application/json", &whole("hi"))).await;
    let key = Key::of("acme");
    let config = Config::new("[log]\nlevel = \"debug\"\n")
        .upstream("cloud", &upstream.url(), "key = \"env:CLOUD_KEY\"\nheaders = { x-team = \"blue\" }\nmodels = { gpt = \"gpt-2026\" }\ncache_salt = true")
        .env("CLOUD_KEY", "sk-upstream-own-key")
        .keys(&[&key]);
    let forebay = Forebay::start(config).await;
    let client = forebay
        .client_of(&key)
        .with_header("cookie", "session=private")
        .with_header("x-forwarded-for", "10.1.1.1")
        .with_header(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        );
    let request = with(
        chat("hello"),
        json!({"model": "gpt", "chat_template_kwargs": {"b": 1, "a": [2]}}),
    );
    assert_eq!(client.chat(&request).await.status, 200);
    let sent = &upstream.received()[0];
    assert_eq!(
        sent.header("authorization"),
        Some("bearer sk-upstream-own-key")
    );
    assert_eq!(sent.header("x-team"), Some("blue"));
    assert!(
        !sent.head.contains("session=private") && !sent.head.contains(&key.text.to_lowercase()),
        "{}",
        sent.head
    );
    assert!(
        sent.header("traceparent")
            .is_some_and(|t| t.contains("0af7651916cd43dd8448eb211c80319c"))
    );
    let body = sent.json();
    assert_eq!(body["model"], "gpt-2026");
    assert_eq!(
        body["chat_template_kwargs"], request["chat_template_kwargs"],
        "unknown fields survive"
    );
    assert!(
        body["cache_salt"]
            .as_str()
            .is_some_and(|salt| salt.len() >= 16 && !salt.contains("acme"))
    );
    forebay.has_not_logged(&["sk-upstream-own-key", &key.text]);
}

#[tokio::test]
async fn each_constraint_excludes_the_upstream_it_is_about_and_says_so() {
    let (here, there) = (Engine::instant().await, Engine::instant().await);
    let (key, rich) = (Key::of("acme"), Key::of("rich"));
    let price = |n: u64| format!("price = {{ input = {n}, output = {n} }}");
    let config = Config::new("")
        .upstream(
            "here",
            &here.url(),
            &format!("region = \"eu-west-1\"\njurisdiction = \"EU\"\ncapabilities = {{ tools = false }}\n{}", price(9_000_000)),
        )
        .upstream(
            "there",
            &there.url(),
            &format!("region = \"us-east-1\"\njurisdiction = \"US\"\ncontext_tokens = 300\n{}", price(1_000_000)),
        )
        .keys(&[&key, &rich])
        .table("[[tenants]]\nname = \"acme\"\nbudget_micro_usd = 5000")
        .table("[policies.cloud_selector.config]\nstrategy = \"score\"");
    let forebay = Forebay::start(config).await;
    let client = forebay
        .client_of(&key)
        .with_header("cache-control", "no-store, no-cache")
        .with_header("x-forebay-explain", "true");
    let tool = json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]});
    let rows = [
        (
            "residency",
            client.with_header("x-forebay-residency", "EU"),
            chat("where?"),
            "here",
        ),
        (
            "residency",
            client.with_header("x-forebay-residency", "us-east-1"),
            chat("where?"),
            "there",
        ),
        (
            "capability",
            client.clone(),
            with(chat("call"), tool),
            "there",
        ),
        (
            "context",
            client.clone(),
            with(chat("long"), json!({"max_tokens": 400})),
            "here",
        ),
        (
            "budget",
            client.clone(),
            with(chat(&"dear ".repeat(50)), json!({"max_tokens": 200})),
            "there",
        ),
    ];
    for (rule, client, request, expected) in rows {
        let request = if rule == "budget" {
            // 200 tokens at 9 dollars a million are 1,800 millionths; three answers are too many.
            with(request, json!({"n": 3, "max_tokens": 200}))
        } else {
            request
        };
        let reply = client.chat(&request).await;
        let route = reply.header("x-forebay-route");
        if rule == "budget" {
            // Its context is too small for that, too: nobody is left, and both reasons are told.
            let message = reply.is_error(402, "budget");
            assert!(
                message.contains("budget") && message.contains("context"),
                "{message}"
            );
            continue;
        }
        assert_eq!(reply.status, 200, "{rule}: {}", reply.text());
        assert_eq!(
            reply.header("x-forebay-upstream"),
            expected,
            "{rule}: {route}"
        );
        assert!(
            route.contains(&format!("excluded: {rule}")),
            "{rule}: {route}"
        );
    }
    // With nothing in the way the cheaper one is first.
    let reply = client.chat(&chat("cheap")).await;
    assert_eq!(
        reply.header("x-forebay-upstream"),
        "there",
        "{}",
        reply.header("x-forebay-route")
    );
    // A deadline is the client's to name; without one a generous `max_tokens` excludes nobody.
    let long = with(chat("long"), json!({"max_tokens": 100_000}));
    let rich = forebay.client_of(&rich);
    let reply = rich.chat(&long).await;
    assert_eq!(
        reply.header("x-forebay-upstream"),
        "here",
        "{}",
        reply.text()
    );
    let hurried = rich
        .with_header("x-forebay-deadline-ms", "100")
        .with_header("cache-control", "no-cache");
    let message = hurried.chat(&long).await.is_error(503, "no_upstream");
    assert!(message.contains("deadline"), "{message}");
    let nowhere = client.with_header("x-forebay-residency", "CH");
    let message = nowhere
        .chat(&chat("where?"))
        .await
        .is_error(503, "no_upstream");
    assert!(message.contains("residency"), "{message}");
}
