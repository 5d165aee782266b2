//! Requests that are not as they should be: each is told precisely why, and nobody else notices.

use forebay_tests::prompts::{chat, streamed, with};
use forebay_tests::{Engine, Forebay, Key};
use serde_json::json;

#[tokio::test]
async fn a_body_that_is_no_request_is_refused_with_its_reason() {
    let engine = Engine::instant().await;
    let config = engine.behind("").upstream(
        "limited",
        &engine.url(),
        "models = { known = \"forebay-sim\" }",
    );
    let forebay = Forebay::start(config).await;
    let client = &forebay.client;
    let path = "/v1/chat/completions";

    let broken: [(&[u8], &str); 9] = [
        (b"", "invalid_json"),
        (b"{\"model\":", "invalid_json"),
        (b"{\"model\":\"m\",\"messages\":[],}", "invalid_json"),
        (b"{\"model\":\"m\",\"messages\":[]} x", "invalid_json"),
        (b"{\"model\":\"\xff\xfe\",\"messages\":[]}", "invalid_utf8"),
        (
            b"{\"model\":\"m\",\"model\":\"n\",\"messages\":[]}",
            "duplicate_field",
        ),
        (b"[1, 2]", "invalid_type"),
        (b"{}", "missing_required_parameter"),
        (b"{\"model\":\"m\"}", "missing_required_parameter"),
    ];
    for (body, code) in broken {
        let reply = client.post_bytes(path, body.to_vec()).await;
        reply.is_error(400, code);
    }

    let deep = format!(
        "{{\"model\":\"m\",\"messages\":[],\"x\":{}{}}}",
        "[".repeat(200),
        "]".repeat(200)
    );
    client
        .post_bytes(path, deep)
        .await
        .is_error(400, "nesting_too_deep");

    let wrong = [
        (json!({"model": 7}), "model"),
        (json!({"messages": "hello"}), "messages"),
        (
            json!({"messages": [{"role": 1, "content": "x"}]}),
            "messages[0].role",
        ),
        (
            json!({"messages": [{"role": "user", "content": 5}]}),
            "messages[0].content",
        ),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"stream": "yes"}), "stream"),
        (json!({"max_tokens": [1]}), "max_tokens"),
        (json!({"n": "two"}), "n"),
    ];
    for (field, param) in wrong {
        let reply = client.chat(&with(chat("hello"), field)).await;
        let message = reply.is_error(400, "invalid_type");
        assert_eq!(reply.param(), param, "{message}");
        assert!(
            message.contains(param),
            "the sentence names it too: {message}"
        );
    }
    assert_eq!(engine.computed(), 0, "none of it has reached the upstream");

    assert_eq!(
        client.chat(&chat("hello")).await.status,
        200,
        "and the next one is served"
    );
    let counted = forebay
        .metrics()
        .await
        .sum("forebay_errors_total{kind=\"invalid_request\"}");
    assert!(
        (17.0..=19.0).contains(&counted),
        "each was counted: {counted}"
    );
}

#[tokio::test]
async fn a_model_that_nobody_serves_is_not_found() {
    let engine = Engine::instant().await;
    let config = forebay_tests::Config::new("").upstream(
        "sim",
        &engine.url(),
        "models = { known = \"forebay-sim\" }",
    );
    let forebay = Forebay::start(config).await;
    let reply = forebay.client.chat(&chat("hello")).await;
    let message = reply.is_error(404, "model_not_found");
    assert!(message.contains("forebay-sim"), "{message}");
    assert_eq!(reply.param(), "model");

    let known = forebay
        .client
        .chat(&with(chat("hello"), json!({"model": "known"})))
        .await;
    assert_eq!(known.status, 200, "{}", known.text());
    let listed = forebay.client.get("/v1/models").await.json();
    assert_eq!(listed["data"][0]["id"], "known");
    forebay
        .client
        .get("/v1/models/nobody")
        .await
        .is_error(404, "model_not_found");
}

#[tokio::test]
async fn absurd_amounts_are_refused_or_passed_on_but_never_break_anything() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind("")).await;
    let amounts = [
        json!({"max_tokens": -1}),
        json!({"max_tokens": 1e300}),
        json!({"max_tokens": 9_223_372_036_854_775_807_i64}),
        json!({"max_tokens": 18_446_744_073_709_551_615_u64}),
        json!({"n": 0}),
        json!({"n": 1_000_000_000}),
        json!({"n": 4_294_967_295_u32, "max_tokens": 18_446_744_073_709_551_615_u64}),
        json!({"temperature": 1e308}),
        json!({"seed": f64::MAX}),
    ];
    for amount in amounts {
        let reply = forebay
            .client
            .chat(&with(chat("hello"), amount.clone()))
            .await;
        assert!(
            (200..500).contains(&reply.status),
            "{amount}: {} {}",
            reply.status,
            reply.text()
        );
        if reply.status != 200 {
            assert!(
                reply.json()["error"]["message"].is_string(),
                "{}",
                reply.text()
            );
        }
    }
    assert_eq!(forebay.client.chat(&chat("hello")).await.status, 200);
}

#[tokio::test]
async fn a_key_that_does_not_fit_opens_nothing_and_is_not_logged() {
    let engine = Engine::instant().await;
    let good = Key::of("acme").with("models = [\"forebay-sim\"]");
    let expired = Key::named("old", "acme").with("expires = \"2026-01-02T00:00:00Z\"");
    let unknown = Key::named("stranger", "acme");
    let config = engine
        .behind("[log]\nlevel = \"debug\"\naccess = true\n")
        .keys(&[&good, &expired]);
    let forebay = Forebay::start(config).await;
    let body = chat("the-prompt-itself");

    forebay
        .client
        .chat(&body)
        .await
        .is_error(401, "missing_api_key");
    let mut forged = good.clone();
    forged.text = format!("{}0", &good.text[..good.text.len() - 1]);
    if forged.text == good.text {
        forged.text.replace_range(good.text.len() - 1.., "1");
    }
    for key in [&expired, &unknown, &forged] {
        let message = forebay
            .client_of(key)
            .chat(&body)
            .await
            .is_error(401, "invalid_api_key");
        assert!(
            !message.contains(&key.text),
            "a key is not repeated: {message}"
        );
    }
    for header in [
        "Basic abc",
        "Bearer",
        "Bearer ",
        "Bearer fb-",
        "Bearer fb--",
        "Bearer x y z",
    ] {
        let client = forebay.client.with_header("authorization", header);
        assert_eq!(client.chat(&body).await.status, 401, "{header:?}");
    }
    forebay
        .client
        .get("/v1/models")
        .await
        .is_error(401, "missing_api_key");
    assert_eq!(engine.computed(), 0, "nothing reached the upstream");

    let client = forebay.client_of(&good);
    assert_eq!(client.chat(&body).await.status, 200);
    let other = with(body, json!({"model": "gpt-4"}));
    let reply = client.chat(&other).await;
    reply.is_error(403, "model_not_allowed");
    assert_eq!(reply.param(), "model");
    forebay.logs("status=403").await;
    forebay.has_not_logged(&[
        &good.text,
        &expired.text,
        &unknown.text,
        "the-prompt-itself",
    ]);
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_in_the_same_shape() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind("")).await;
    for path in [
        "/",
        "/v1",
        "/v1/chat",
        "/v1/audio/dance",
        "/v2/chat/completions",
        "/metrics",
        "/v1/chat/completions/x",
        "/openai/v1/messages",
        "/openai/deployments/m",
        "/openai/deployments//chat/completions",
        "/api/chat/completions",
        "/v1beta/openai/chat",
    ] {
        forebay.client.get(path).await.is_error(404, "not_found");
    }
    for (path, allowed) in [
        ("/v1/chat/completions", "POST"),
        ("/v1/completions", "POST"),
        ("/v1/embeddings", "POST"),
        ("/v1/audio/speech", "POST"),
        ("/chat/completions", "POST"),
        ("/openai/deployments/m/chat/completions", "POST"),
        ("/openai/v1/responses", "POST"),
        ("/api/v1/embeddings", "POST"),
        ("/v1beta/openai/completions", "POST"),
    ] {
        let reply = forebay.client.get(path).await;
        reply.is_error(405, "method_not_allowed");
        assert_eq!(reply.header("allow"), allowed);
    }
    let reply = forebay.client.post("/v1/models", &json!({})).await;
    reply.is_error(405, "method_not_allowed");
    assert_eq!(reply.header("allow"), "GET");

    let client = forebay.client.with_header("content-type", "text/plain");
    client
        .chat(&chat("hello"))
        .await
        .is_error(415, "unsupported_media_type");
}

#[tokio::test]
async fn every_answer_has_the_request_id_that_the_client_sent_or_a_new_one() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind("")).await;
    let named = forebay.client.with_header("x-request-id", "mine-7");
    assert_eq!(
        named.chat(&chat("hello")).await.header("x-request-id"),
        "mine-7"
    );
    assert_eq!(named.get("/nowhere").await.header("x-request-id"), "mine-7");
    let odd = forebay.client.with_header("x-request-id", "a b<script>");
    let made = odd.chat(&chat("hello")).await;
    assert!(
        made.header("x-request-id").starts_with("req-"),
        "{:?}",
        made.headers
    );
    let other = forebay.client.chat(&chat("hello")).await;
    assert_ne!(made.header("x-request-id"), other.header("x-request-id"));
}

#[tokio::test]
async fn when_the_client_leaves_the_upstream_is_told() {
    let engine = Engine::slow(2.0).await;
    let forebay = Forebay::start(engine.behind("")).await;
    let mut took = Vec::new();
    for turn in 1..=9 {
        let prompt = format!("a long story, number {turn}");
        let mut events = forebay
            .client
            .stream(&with(
                streamed(&prompt),
                json!({"max_tokens": 20_000, "ignore_eos": true}),
            ))
            .await;
        events.next().await.expect("a first event");
        let left = std::time::Instant::now();
        drop(events);
        engine
            .until("the cancelled sequence", |stats| stats.aborted == turn)
            .await;
        took.push(left.elapsed());
    }
    took.sort();
    println!(
        "from the client's leaving to the upstream's cancellation: median {:?}",
        took[4]
    );
    assert_eq!(engine.stats().running, 0);
    forebay
        .metric_reaches("forebay_clients_gone_total", 9.0)
        .await;
    assert_eq!(
        forebay.metrics().await.sum("forebay_requests_in_flight"),
        0.0
    );

    // Nor does a client that waits for a whole answer keep the engine busy when it leaves.
    let mut raw = forebay.raw().await;
    raw.post(
        &with(
            chat("whole"),
            json!({"max_tokens": 20_000, "ignore_eos": true}),
        )
        .to_string(),
    )
    .await;
    engine
        .until("the running sequence", |stats| stats.running == 1)
        .await;
    drop(raw);
    engine
        .until("the cancelled sequence", |stats| stats.aborted == 10)
        .await;
}
