//! Prompts whose tokens are known: checked against the engine, counted, and sent as ids.
#![allow(clippy::unwrap_used, missing_docs)]

use bytes::Bytes;
use forebay_gateway::observe::{Observation, TokenCheck};
use http::Request;
use http::request::Builder;
use serde_json::{Value, json};

use crate::support::*;

/// A tokenizer that all agree on: the bytes of everything that is said.
fn bytes_of(body: &str) -> Vec<u32> {
    let body: Value = serde_json::from_str(body).unwrap();
    let said = match body.get("prompt") {
        Some(prompt) => prompt.to_string(),
        None => body["messages"].to_string(),
    };
    said.bytes().map(u32::from).collect()
}

fn rig(tokenizer: Value) -> Rig {
    let rig = RigBuilder {
        upstreams: vec![
            json!({"name": "one", "urls": ["http://one"], "provider": "vllm",
            "speaks": ["chat", "completions"], "health_path": "", "tokenizer": tokenizer}),
        ],
        ..RigBuilder::default()
    }
    .build();
    *rig.platform.tokenizer.lock().unwrap() = Some(bytes_of);
    rig
}

/// Answers as the engine whose tokens these are.
fn tokens_of(exchange: Exchange, tokens: impl Fn(&str) -> Vec<u32>) -> Value {
    assert_eq!(exchange.request.uri().path(), "/tokenize");
    let asked = exchange.json();
    let body = String::from_utf8(exchange.request.body().to_vec()).unwrap();
    let tokens = tokens(&body);
    let answer = json!({"count": tokens.len(), "max_model_len": 4096, "tokens": tokens});
    exchange.whole(200, answer.to_string());
    asked
}

/// The engine answers the texts that are compared at start.
async fn start(rig: &mut Rig, tokens: impl Fn(&str) -> Vec<u32>) {
    rig.gateway.start_health_checks();
    for _ in 0..3 {
        let exchange = rig.exchange().await;
        tokens_of(exchange, &tokens);
    }
    assert!(rig.is_idle().await);
}

fn checks(rig: &Rig) -> Vec<TokenCheck> {
    let seen = rig.platform.seen.lock().unwrap();
    let check = |o: &Observation| match o {
        Observation::TokenCheck { check, .. } => Some(*check),
        _ => None,
    };
    seen.iter().filter_map(check).collect()
}

fn warnings(rig: &Rig) -> usize {
    let seen = rig.platform.seen.lock().unwrap();
    let warnings = seen.iter().filter(|o| matches!(o, Observation::Warning(_)));
    warnings.count()
}

fn post(path: &str, body: &Value) -> Builder {
    Request::post(path)
        .header("content-type", "application/json")
        .header("cache-control", "no-store")
        .extension(Bytes::from(body.to_string()))
}

fn count_it(text: &str) -> Builder {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": text}]});
    post("/v1/messages/count_tokens", &body)
}

async fn counted(rig: &Rig, text: &str) -> (u64, bool) {
    let answer = rig.send(count_it(text)).await.unwrap();
    let estimated = answer.headers().contains_key("x-forebay-estimate");
    let body: Value = serde_json::from_str(&rest(answer.into_body()).await).unwrap();
    (body["input_tokens"].as_u64().unwrap(), estimated)
}

#[tokio::test]
async fn a_prompt_is_counted_exactly_once_the_engine_has_agreed() {
    let mut rig = rig(json!({"dir": "model", "verify": 0.000_001}));
    assert!(
        counted(&rig, "hello").await.1,
        "the engine was not asked yet"
    );
    start(&mut rig, bytes_of).await;
    assert_eq!(checks(&rig), [TokenCheck::Agrees; 3]);
    let said = json!([{"role": "user", "content": "hello"}]).to_string();
    assert_eq!(counted(&rig, "hello").await, (said.len() as u64, false));
}

#[tokio::test]
async fn an_engine_that_differs_is_told_once_and_nothing_is_made_of_the_tokens() {
    let mut rig = rig(json!({"dir": "model"}));
    start(&mut rig, |_| vec![1, 2, 3]).await;
    assert_eq!(checks(&rig), [TokenCheck::Differs; 3]);
    assert_eq!(warnings(&rig), 1);
    assert!(counted(&rig, "hello").await.1);
}

#[tokio::test]
async fn traffic_is_compared_too_and_a_difference_ends_the_trust() {
    let mut rig = rig(json!({"dir": "model", "verify": 1.0}));
    start(&mut rig, bytes_of).await;
    let body = json!({"model": "m", "temperature": 0, "messages": [{"role": "user", "content": "secret"}],
        "tools": [{"type": "function", "function": {"name": "z", "parameters": {"z": 1, "a": 2}}}]});
    let answer = rig.send(post("/v1/chat/completions", &body));
    let (mut answered, mut compared) = (0, 0);
    for _ in 0..2 {
        let exchange = rig.exchange().await;
        if exchange.request.uri().path() == "/tokenize" {
            let sent = String::from_utf8(exchange.request.body().to_vec()).unwrap();
            assert!(sent.contains("{\"name\":\"z\",\"parameters\":{"), "{sent}");
            let asked = tokens_of(exchange, |_| vec![9]);
            assert_eq!(asked["messages"], body["messages"]);
            compared += 1;
        } else {
            exchange.whole(200, completion("hello"));
            answered += 1;
        }
    }
    assert_eq!((answered, compared), (1, 1));
    assert_eq!(answer.await.unwrap().status(), 200);
    assert!(rig.is_idle().await);
    assert_eq!(warnings(&rig), 1);
    assert!(counted(&rig, "hello").await.1);
    let seen = format!("{:?}", rig.platform.seen.lock().unwrap());
    assert!(!seen.contains("secret"));
}

#[tokio::test]
async fn files_that_are_trusted_are_used_without_asking() {
    let mut rig = rig(json!({"dir": "model", "verify": 0.0}));
    rig.gateway.start_health_checks();
    assert!(!counted(&rig, "hello").await.1);
    assert!(rig.is_idle().await);
}

async fn completed(rig: &mut Rig, body: Value) -> Value {
    let answer = rig.send(post("/v1/completions", &body));
    let exchange = rig.exchange().await;
    let sent = exchange.json();
    let text = json!({"id": "c", "object": "text_completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "text": "hello", "finish_reason": "stop", "logprobs": null}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}});
    exchange.whole(200, text.to_string());
    assert_eq!(answer.await.unwrap().status(), 200);
    sent
}

#[tokio::test]
async fn a_completions_text_goes_as_ids_where_that_is_asked_for_and_verified() {
    let mut rig = rig(json!({"dir": "model", "token_ids": true, "verify": 0.000_001}));
    let body = json!({"model": "m", "prompt": "once upon", "temperature": 0});
    let before = completed(&mut rig, body.clone()).await;
    assert_eq!(before["prompt"], "once upon");
    start(&mut rig, bytes_of).await;
    let after = completed(&mut rig, body.clone()).await;
    assert_eq!(after["prompt"], json!(bytes_of(&body.to_string())));
    let mut echo = body.clone();
    echo["echo"] = json!(true);
    assert_eq!(completed(&mut rig, echo).await["prompt"], "once upon");
    let mut several = body;
    several["prompt"] = json!(["once", "twice"]);
    let sent = completed(&mut rig, several.clone()).await;
    assert_eq!(sent["prompt"], several["prompt"]);
}

#[tokio::test]
async fn a_client_of_any_format_has_the_tokens_of_the_request_that_the_engine_gets() {
    let upstream = json!({"name": "one", "urls": ["http://one"], "provider": "vllm",
        "speaks": ["chat", "completions"], "health_path": "", "models": {"m": "there"},
        "kv_events": {"endpoint": "tcp://one:1", "block_size": 4},
        "tokenizer": {"dir": "model", "verify": 0.0}});
    let mut rig = RigBuilder {
        upstreams: vec![upstream],
        ..RigBuilder::default()
    }
    .build();
    *rig.platform.tokenizer.lock().unwrap() = Some(bytes_of);
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let rows = [
        (
            "/v1/chat/completions",
            json!({"model": "m", "messages": [{"role": "system", "content": "be brief"},
                {"role": "user", "content": [{"type": "text", "text": "hello"}]}]}),
        ),
        (
            "/v1/messages",
            json!({"model": "m", "max_tokens": 9, "system": [{"type": "text", "text": "be brief"}],
                "tools": [{"name": "weather", "input_schema": schema}], "messages": [
                {"role": "user", "content": "how is the weather?"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "sunny"}]}]}),
        ),
        (
            "/v1/responses",
            json!({"model": "m", "instructions": "be brief", "store": false, "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "hello"}]},
                {"role": "assistant", "content": [{"type": "output_text", "text": "hi"}]},
                {"role": "user", "content": "again"}]}),
        ),
        (
            "/v1beta/models/m:generateContent",
            json!({"systemInstruction": {"parts": [{"text": "be brief"}]}, "contents": [
                {"role": "user", "parts": [{"text": "hello"}]},
                {"role": "model", "parts": [{"text": "hi"}]},
                {"role": "user", "parts": [{"text": "again"}]}]}),
        ),
    ];
    for (path, body) in rows {
        let answer = rig.send(post(path, &body));
        let exchange = rig.exchange().await;
        assert_eq!(exchange.request.uri().path(), "/v1/chat/completions");
        let got = String::from_utf8(exchange.request.body().to_vec()).unwrap();
        exchange.whole(200, completion("hello"));
        assert_eq!(answer.await.unwrap().status(), 200, "{path}");
        let explained = rig
            .gateway
            .explain_prefix(path, body.to_string().into(), None);
        let explained = explained.await.unwrap();
        let upstream = &explained.upstreams[0];
        assert_eq!(upstream.compared_in, "tokens", "{path}");
        let expected = bytes_of(&got).len() as u64;
        assert_eq!(upstream.prompt_tokens, expected, "{path}: {got}");
    }
}

/// The status of a chat of a key that may use so many tokens a minute, with a known tokenizer or not.
async fn limited(tokens: u32, knows: bool, text: &str) -> u16 {
    let (record, secret) = key("a", "acme");
    let tokenizer = json!({"dir": "model", "verify": 0.0});
    let mut upstream =
        json!({"name": "one", "urls": ["http://one"], "provider": "vllm", "health_path": ""});
    if knows {
        upstream["tokenizer"] = tokenizer;
    }
    let mut rig = RigBuilder {
        upstreams: vec![upstream],
        keys: vec![forebay_gateway::identity::KeyRecord {
            tokens_per_minute: Some(tokens),
            ..record
        }],
        ..RigBuilder::default()
    }
    .build();
    *rig.platform.tokenizer.lock().unwrap() = Some(bytes_of);
    let asked = rig.send(chat(text, false).header("authorization", format!("Bearer {secret}")));
    if !rig.is_idle().await {
        rig.exchange().await.whole(200, completion("hello"));
    }
    asked.await.unwrap().status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn a_limit_goes_by_the_tokens_that_were_counted_where_they_are_known() {
    // By its bytes it has a third of the tokens that this engine counts.
    let text = "word ".repeat(100);
    assert_eq!(limited(300, false, &text).await, 200);
    assert_eq!(limited(300, true, &text).await, 429);
    assert_eq!(limited(3000, true, &text).await, 200);
}
