//! What a request costs its key: reserved by what is likely, settled by what went out.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use forebay_gateway::identity::KeyRecord;

use crate::support::*;

fn limited(requests: Option<u32>, tokens: Option<u32>) -> (Rig, String) {
    let (record, secret) = key("a", "acme");
    let record = KeyRecord {
        requests_per_minute: requests,
        tokens_per_minute: tokens,
        ..record
    };
    let rig = RigBuilder {
        keys: vec![record],
        ..RigBuilder::default()
    };
    (rig.build(), format!("Bearer {secret}"))
}

fn remaining(response: &http::Response<forebay_gateway::ReplyBody<TestPlatform>>) -> u64 {
    let value = &response.headers()["x-ratelimit-remaining-tokens"];
    value.to_str().unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_first_small_request_of_a_small_key_is_served() {
    for max_tokens in [None, Some(8000)] {
        let (mut rig, bearer) = limited(None, Some(1000));
        let mut body =
            serde_json::json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
        if let Some(max) = max_tokens {
            body["max_tokens"] = max.into();
        }
        let request = http::Request::post("/v1/chat/completions")
            .header("authorization", &bearer)
            .extension(bytes::Bytes::from(body.to_string()));
        let answer = rig.send(request);
        rig.exchange().await.whole(200, completion("hi"));
        let answer = answer.await.unwrap();
        assert_eq!((answer.status().as_u16(), remaining(&answer)), (200, 990));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_its_client_leaves_costs_what_went_out() {
    let (mut rig, bearer) = limited(None, Some(10_000));
    let answer = rig.send(chat("long", true).header("authorization", &bearer));
    let feed = rig.exchange().await.stream();
    for _ in 0..20 {
        feed.text("word ");
    }
    let mut body = answer.await.unwrap().into_body();
    frame(&mut body).await;
    drop(body);
    feed.cancelled().await;
    let summary = rig.summaries().remove(0);
    let usage = summary.usage.unwrap();
    assert!(summary.usage_estimated && summary.client_gone);
    assert!((20..=30).contains(&usage.output), "{usage:?}");
    let next = rig.send(chat("short", false).header("authorization", &bearer));
    rig.exchange().await.whole(200, completion("hi"));
    assert!(remaining(&next.await.unwrap()) > 9_900);
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_usage_costs_an_estimate() {
    let (mut rig, bearer) = limited(None, Some(10_000));
    let answer = rig.send(chat("long", true).header("authorization", &bearer));
    let feed = rig.exchange().await.stream();
    for _ in 0..40 {
        feed.text("word ");
    }
    feed.data(r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"up","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#);
    feed.data("[DONE]");
    rest(answer.await.unwrap().into_body()).await;
    let summary = rig.summaries().remove(0);
    assert!(summary.usage_estimated);
    assert_eq!(summary.usage.unwrap().output, 50);
}

#[tokio::test(start_paused = true)]
async fn failures_count_as_requests_and_each_as_one() {
    for body in [r#"{"model":"m","messages":[]}"#, r#"{"model":"#] {
        let (mut rig, bearer) = limited(Some(10), None);
        let mut incoming = rig.take_incoming();
        tokio::spawn(async move {
            while let Some(exchange) = incoming.recv().await {
                exchange.whole(400, r#"{"error":{"message":"no"}}"#);
            }
        });
        let mut limited = 0;
        for _ in 0..14 {
            let request = http::Request::post("/v1/chat/completions")
                .header("authorization", &bearer)
                .extension(bytes::Bytes::from(body));
            let answer = rig.send(request).await.unwrap();
            limited += u32::from(answer.status() == 429);
        }
        assert_eq!(limited, 4, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstreams_failure_costs_no_tokens() {
    let (mut rig, bearer) = limited(None, Some(1000));
    let answer = rig.send(chat("hi", false).header("authorization", &bearer));
    rig.exchange()
        .await
        .whole(400, r#"{"error":{"message":"no"}}"#);
    let answer = answer.await.unwrap();
    assert_eq!((answer.status().as_u16(), remaining(&answer)), (400, 1000));
}

#[tokio::test(start_paused = true)]
async fn any_valid_key_counts_whatever_stands_beside_it() {
    let (mut rig, bearer) = limited(None, None);
    let secret = bearer.trim_start_matches("Bearer ").to_owned();
    for (name, value, other, stale) in [
        (
            "x-api-key",
            secret.as_str(),
            "authorization",
            "Bearer sk-ant-stale",
        ),
        (
            "authorization",
            bearer.as_str(),
            "x-api-key",
            "sk-ant-stale",
        ),
        ("authorization", bearer.as_str(), "x-api-key", ""),
        ("x-api-key", secret.as_str(), "authorization", "Bearer "),
        ("x-api-key", secret.as_str(), "api-key", "none"),
    ] {
        let request = chat(&format!("{name} {other} {stale}"), false);
        let answer = rig.send(request.header(name, value).header(other, stale));
        rig.exchange().await.whole(200, completion("hi"));
        assert_eq!(answer.await.unwrap().status(), 200, "{name} beside {other}");
    }
}
