//! Clients of other formats at their own paths: streams, errors, and what is judged.
#![allow(clippy::unwrap_used, missing_docs)]

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::support::*;

fn ask(path: &str, body: &Value) -> http::request::Builder {
    Request::post(path)
        .header("content-type", "application/json")
        .extension(Bytes::from(body.to_string()))
}

fn say(text: &str) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": text}]})
}

fn lines(body: &str) -> Vec<Value> {
    body.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn ollamas_streams_are_lines_and_end_with_their_counts() {
    let mut rig = RigBuilder::default().build();
    let sent = rig.send(ask("/api/chat", &say("hi")));
    let feed = rig.exchange().await.stream();
    feed.text("a");
    feed.text("b");
    feed.finish();
    let response = sent.await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let told = lines(&rest(response.into_body()).await);
    let text: String = told
        .iter()
        .map(|line| line["message"]["content"].as_str().unwrap())
        .collect();
    assert_eq!(text, "ab");
    let last = told.last().unwrap();
    assert_eq!(last["done_reason"], "stop");
    assert_eq!(
        (&last["prompt_eval_count"], &last["eval_count"]),
        (&json!(7), &json!(3))
    );
    assert_eq!(last["model"], "m");
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error_in_the_clients_words() {
    for (path, kind) in [("/api/chat", "error"), ("/v2/chat", "delta")] {
        let mut rig = RigBuilder::default().build();
        let mut body = say("hi");
        body["stream"] = true.into();
        let sent = rig.send(ask(path, &body));
        let feed = rig.exchange().await.stream();
        feed.text("a");
        feed.break_off();
        let told = rest(sent.await.unwrap().into_body()).await;
        let last = told.trim_end().lines().last().unwrap();
        let last: Value = serde_json::from_str(last.trim_start_matches("data: ")).unwrap();
        assert!(last.get(kind).is_some(), "{last}");
        assert!(last.get("done").is_none());
    }
}

#[tokio::test]
async fn a_prompt_is_masked_and_judged_at_every_door() {
    for (path, body) in [
        ("/api/chat", say("write to ann@x.org")),
        (
            "/api/generate",
            json!({"model": "m", "prompt": "write to ann@x.org"}),
        ),
        ("/v2/chat", say("write to ann@x.org")),
    ] {
        let mut builder = RigBuilder::default();
        builder.policies.mask = Some("ann@x.org");
        let mut rig = builder.build();
        let mut body = body;
        body["stream"] = false.into();
        let sent = rig.send(ask(path, &body));
        let exchange = rig.exchange().await;
        let asked = String::from_utf8_lossy(exchange.request.body()).into_owned();
        assert!(!asked.contains("ann@x.org"), "{path}: {asked}");
        let at = asked.find("[EMAIL_1_").unwrap();
        let mask = &asked[at..at + asked[at..].find(']').unwrap() + 1];
        exchange.whole(200, completion(mask));
        let told = rest(sent.await.unwrap().into_body()).await;
        assert!(told.contains("ann@x.org"), "{path}: {told}");
    }
    let mut builder = RigBuilder::default();
    builder.policies.deny = Some("secret plan");
    let rig = builder.build();
    for path in ["/api/chat", "/v2/chat"] {
        let response = rig.send(ask(path, &say("the secret plan"))).await.unwrap();
        assert_eq!(response.status(), 400, "{path}");
    }
}

#[tokio::test]
async fn a_member_that_the_format_does_not_know_goes_along() {
    for path in ["/api/chat", "/v2/chat"] {
        let mut rig = RigBuilder::default().build();
        let mut body = say("hi");
        body["unknown"] = json!({"a": [1]});
        body["stream"] = false.into();
        let sent = rig.send(ask(path, &body));
        let exchange = rig.exchange().await;
        assert_eq!(exchange.json()["unknown"], json!({"a": [1]}));
        exchange.whole(200, completion("a"));
        assert_eq!(sent.await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn openai_is_not_told_what_cohere_is_told_of_texts() {
    let mut rig = RigBuilder {
        upstreams: vec![json!({"name": "one", "provider": "openai"})],
        ..RigBuilder::default()
    }
    .build();
    let body =
        json!({"model": "m", "texts": ["a"], "input_type": "search_query", "truncate": "END"});
    let sent = rig.send(ask("/v2/embed", &body));
    let exchange = rig.exchange().await;
    let asked = exchange.json();
    assert!(
        asked.get("input_type").is_none() && asked.get("truncate").is_none(),
        "{asked}"
    );
    let answer = json!({"data": [{"index": 0, "embedding": [1]}], "usage": {"prompt_tokens": 1}});
    exchange.whole(200, answer.to_string());
    assert_eq!(sent.await.unwrap().status(), 200);
}

#[tokio::test]
async fn each_vendors_client_gets_the_models_in_its_form() {
    let rig = RigBuilder {
        upstreams: vec![json!({"name": "one", "urls": ["http://one"], "models": {"m": "up"}})],
        ..RigBuilder::default()
    }
    .build();
    for (path, header, pointer, id) in [
        ("/v1/models", "x-none", "/data/0/id", "m"),
        (
            "/v1/models",
            "anthropic-version",
            "/data/0/display_name",
            "m",
        ),
        ("/anthropic/v1/models/m", "x-none", "/display_name", "m"),
        (
            "/v1/models",
            "x-goog-api-client",
            "/models/0/name",
            "models/m",
        ),
        ("/v1beta/models", "x-none", "/models/0/name", "models/m"),
        ("/v1beta/models/m", "x-none", "/name", "models/m"),
        ("/api/tags", "x-none", "/models/0/name", "m"),
    ] {
        let request = Request::get(path).header(header, "1");
        let body = rest(rig.send(request).await.unwrap().into_body()).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body.pointer(pointer), Some(&json!(id)), "{path}: {body}");
    }
    let shown = rig.send(ask("/api/show", &json!({"model": "m"})));
    let body = rest(shown.await.unwrap().into_body()).await;
    assert!(body.contains("\"capabilities\":[\"completion\""), "{body}");
    let missing = rig.send(ask("/api/show", &json!({"model": "n"})));
    assert_eq!(missing.await.unwrap().status(), 404);
}

#[tokio::test]
async fn errors_are_in_the_clients_words_before_and_after_the_body_is_read() {
    let (record, secret) = key("a", "red");
    let rig = RigBuilder {
        keys: vec![record],
        ..RigBuilder::default()
    }
    .build();
    let bad = json!({"model": "m", "messages": 7, "prompt": 7, "input": 7, "texts": 7});
    for (path, member) in [
        ("/api/chat", "error"),
        ("/api/generate", "error"),
        ("/api/embed", "error"),
        ("/api/pull", "error"),
        ("/v2/chat", "message"),
        ("/v2/embed", "message"),
        ("/v1beta/models/m:embedContent", "error"),
    ] {
        for (used, status) in [("fb-a-wrong", 401), (&*secret, 400)] {
            let request = ask(path, &bad).header("authorization", format!("Bearer {used}"));
            let response = rig.send(request).await.unwrap();
            let unknown = response.status() == 404;
            assert!(unknown || response.status() == status, "{path}");
            let body: Value = serde_json::from_str(&rest(response.into_body()).await).unwrap();
            let words = &body[member];
            assert!(
                words.is_string() || words["message"].is_string(),
                "{path}: {body}"
            );
        }
    }
}

#[tokio::test]
async fn embeddings_come_in_each_clients_form() {
    let answer = json!({"object": "list", "model": "m", "data": [
        {"object": "embedding", "index": 0, "embedding": [0.5, 1]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3}});
    for (path, body, pointer) in [
        (
            "/api/embed",
            json!({"model": "m", "input": "a"}),
            "/embeddings/0",
        ),
        (
            "/api/embeddings",
            json!({"model": "m", "prompt": "a"}),
            "/embedding",
        ),
        (
            "/v2/embed",
            json!({"model": "m", "texts": ["a"]}),
            "/embeddings/float/0",
        ),
        (
            "/v1beta/models/m:embedContent",
            json!({"content": {"parts": [{"text": "a"}]}}),
            "/embedding/values",
        ),
        (
            "/v1beta/models/m:batchEmbedContents",
            json!({"requests": [{"content": {"parts": [{"text": "a"}]}}]}),
            "/embeddings/0/values",
        ),
    ] {
        let mut rig = RigBuilder::default().build();
        let sent = rig.send(ask(path, &body));
        let exchange = rig.exchange().await;
        assert_eq!(exchange.request.uri().path(), "/v1/embeddings");
        assert_eq!(exchange.json()["input"], json!(["a"]));
        exchange.whole(200, answer.to_string());
        let body = rest(sent.await.unwrap().into_body()).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            body.pointer(pointer),
            Some(&json!([0.5, 1])),
            "{path}: {body}"
        );
    }
}
