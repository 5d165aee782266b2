//! What goes upstream, what comes back, what is kept.
#![allow(clippy::unwrap_used, missing_docs)]

use forebay_gateway::config::TenantConfig;
use forebay_gateway::platform::TransportFailure;
use forebay_gateway::recording::Form;
use std::sync::atomic::Ordering::SeqCst;

use crate::support::*;

async fn stored(rig: &Rig) {
    tokio::time::timeout(
        std::time::Duration::from_secs(10),
        rig.store.stored.notified(),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn a_repeat_is_answered_from_the_store_without_guests_or_upstream() {
    let mut rig = RigBuilder::default().build();
    let first = rig.send(chat("hi", false));
    rig.exchange().await.whole(200, completion("hello"));
    let first = rest(first.await.unwrap().into_body()).await;
    stored(&rig).await;
    let again = rig.send(chat("hi", false)).await.unwrap();
    let headers = again.headers().clone();
    assert!(
        headers["cache-status"]
            .to_str()
            .unwrap()
            .starts_with("forebay; hit")
    );
    assert!(
        headers.contains_key("age")
            && headers.contains_key("etag")
            && headers.contains_key("server-timing")
    );
    assert_eq!(rest(again.into_body()).await, first);
    assert_eq!(rig.policies.checks.load(SeqCst), 1);
    assert!(rig.is_idle().await);
}

#[tokio::test]
async fn a_stored_answer_is_told_in_the_form_the_client_asks_for() {
    let mut rig = RigBuilder::default().build();
    let first = rig.send(chat("hi", false));
    rig.exchange().await.whole(200, completion("hello"));
    first.await.unwrap();
    stored(&rig).await;
    let streamed = rig.send(chat("hi", true)).await.unwrap();
    assert_eq!(
        streamed.headers()["content-type"],
        "text/event-stream; charset=utf-8"
    );
    let body = rest(streamed.into_body()).await;
    assert_eq!(content(&body), "hello");
    assert!(
        !body.contains("\"usage\":{"),
        "usage was not asked for: {body}"
    );
    assert!(body.ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn cache_directives_of_the_request_hold() {
    let mut rig = RigBuilder::default().build();
    let nothing = rig
        .send(chat("hi", false).header("cache-control", "only-if-cached"))
        .await
        .unwrap();
    assert_eq!(nothing.status(), 504);
    let first = rig.send(chat("hi", false).header("cache-control", "no-store"));
    rig.exchange().await.whole(200, completion("hello"));
    first.await.unwrap();
    assert!(rig.is_idle().await);
    assert!(rig.store.entries.lock().unwrap().is_empty());
    let second = rig.send(chat("hi", false));
    rig.exchange().await.whole(200, completion("hello"));
    second.await.unwrap();
    stored(&rig).await;
    let fresh = rig.send(chat("hi", false).header("cache-control", "no-cache"));
    rig.exchange().await.whole(200, completion("newer"));
    assert!(
        rest(fresh.await.unwrap().into_body())
            .await
            .contains("newer")
    );
}

#[tokio::test]
async fn a_byte_identical_request_of_another_tenant_is_another_request() {
    let ((a, key_a), (b, key_b)) = (key("a", "red"), key("b", "blue"));
    let mut rig = RigBuilder {
        keys: vec![a, b],
        ..RigBuilder::default()
    }
    .build();
    let with = |key: &str| chat("hi", false).header("authorization", format!("Bearer {key}"));
    let first = rig.send(with(&key_a));
    let one = rig.exchange().await;
    let second = rig.send(with(&key_b));
    let two = rig.exchange().await;
    one.whole(200, completion("for red"));
    two.whole(200, completion("for blue"));
    first.await.unwrap();
    assert!(
        rest(second.await.unwrap().into_body())
            .await
            .contains("for blue")
    );
    assert!(rig.is_idle().await);
    let again = rig.send(with(&key_b)).await.unwrap();
    assert!(rest(again.into_body()).await.contains("for blue"));
}

#[tokio::test]
async fn a_masked_value_goes_neither_upstream_nor_into_the_store_and_comes_back_to_its_client() {
    let mut builder = RigBuilder::default();
    builder.policies.mask = Some("ann@x.org");
    let mut rig = builder.build();
    let first = rig.send(chat("write to ann@x.org", true));
    let exchange = rig.exchange().await;
    let prompt = exchange.json()["messages"][0]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    let mask = prompt.strip_prefix("write to ").unwrap().to_owned();
    assert!(!prompt.contains("ann@x.org") && mask.starts_with("[EMAIL_1_"));
    let feed = exchange.stream();
    feed.text(&format!("wrote to {}", &mask[..5]));
    feed.text(&mask[5..]);
    feed.finish();
    assert_eq!(
        content(&rest(first.await.unwrap().into_body()).await),
        "wrote to ann@x.org"
    );
    stored(&rig).await;
    let entries = rig.store.entries.lock().unwrap();
    let Form::Events(events) = &entries.values().next().unwrap().recording.form else {
        panic!()
    };
    assert!(
        !events
            .iter()
            .any(|e| String::from_utf8_lossy(e).contains("ann@x.org"))
    );
}

#[tokio::test]
async fn a_denied_answer_ends_before_its_denied_part_and_is_not_stored() {
    let mut builder = RigBuilder::default();
    builder.policies.deny_output = Some("secret");
    let mut rig = builder.build();
    let first = rig.send(chat("hi", true));
    let feed = rig.exchange().await.stream();
    feed.text("fine sec");
    let mut body = first.await.unwrap().into_body();
    assert_eq!(content(&frame(&mut body).await.unwrap()), "fine ");
    feed.text("ret");
    let end = rest(body).await;
    assert!(
        end.contains("\"leak\"") && !end.contains("sec\"") && !end.contains("[DONE]"),
        "{end}"
    );
    assert!(rig.is_idle().await);
    assert!(rig.store.entries.lock().unwrap().is_empty());
    assert!(rig.summaries()[0].denied);
}

#[tokio::test]
async fn held_text_goes_out_before_the_finish_reason() {
    let mut builder = RigBuilder::default();
    builder.policies.deny_output = Some("secret");
    let mut rig = builder.build();
    let first = rig.send(chat("hi", true));
    let feed = rig.exchange().await.stream();
    feed.text("my sec");
    feed.finish();
    let body = rest(first.await.unwrap().into_body()).await;
    assert_eq!(content(&body), "my sec");
    assert!(body.find("sec\"").unwrap() < body.find("\"stop\"").unwrap());
}

#[tokio::test]
async fn a_denied_prompt_never_reaches_an_upstream() {
    let mut builder = RigBuilder::default();
    builder.policies.deny = Some("bomb");
    let mut rig = builder.build();
    for _ in 0..2 {
        let answer = rig.send(chat("a bomb", false)).await.unwrap();
        assert_eq!(answer.status(), 400);
        assert!(
            rest(answer.into_body())
                .await
                .contains("a word is not allowed")
        );
    }
    assert!(rig.is_idle().await);
}

#[tokio::test]
async fn a_policy_that_fails_fails_the_request_closed() {
    let mut builder = RigBuilder::default();
    builder.policies.fail = true;
    let mut rig = builder.build();
    let answer = rig.send(chat("hi", false)).await.unwrap();
    assert_eq!(answer.status(), 500);
    assert!(rest(answer.into_body()).await.contains("policy_failed"));
    assert!(rig.is_idle().await);
}

fn two_upstreams() -> RigBuilder {
    RigBuilder {
        upstreams: vec![
            serde_json::json!({"name": "one", "urls": ["http://one"], "models": {"m": "model-one"}, "cache_salt": true}),
            serde_json::json!({"name": "two", "urls": ["http://two"], "region": "eu-1", "jurisdiction": "EU"}),
        ],
        ..RigBuilder::default()
    }
}

#[tokio::test]
async fn another_upstream_is_tried_before_the_first_byte() {
    let mut rig = two_upstreams().build();
    let answer = rig.send(chat("hi", false));
    rig.exchange().await.fail(TransportFailure::Connect);
    let second = rig.exchange().await;
    assert_eq!(second.request.uri().host(), Some("two"));
    assert_eq!(second.json()["model"], "m");
    second.whole(200, completion("hello"));
    assert_eq!(answer.await.unwrap().headers()["x-forebay-upstream"], "two");
}

#[tokio::test]
async fn nothing_is_tried_again_after_the_first_byte() {
    let mut rig = two_upstreams().build();
    let answer = rig.send(chat("hi", true));
    let feed = rig.exchange().await.stream();
    feed.text("one");
    let mut body = answer.await.unwrap().into_body();
    frame(&mut body).await.unwrap();
    feed.break_off();
    assert!(rest(body).await.contains("upstream_reset"));
    assert!(rig.is_idle().await);
}

#[tokio::test]
async fn a_request_that_is_at_fault_itself_is_not_tried_elsewhere() {
    let mut rig = two_upstreams().build();
    let answer = rig.send(chat("hi", false));
    rig.exchange().await.whole(
        422,
        r#"{"error":{"message":"no","type":"invalid_request_error"}}"#,
    );
    assert_eq!(answer.await.unwrap().status(), 422);
    assert!(rig.is_idle().await);
}

#[tokio::test]
async fn the_clients_key_stays_here_and_the_upstream_gets_its_own_with_alias_and_salt() {
    let (record, secret) = key("a", "red");
    let mut builder = two_upstreams();
    builder.keys = vec![record];
    let mut rig = builder.build();
    let answer = rig.send(chat("hi", true).header("authorization", format!("Bearer {secret}")));
    let exchange = rig.exchange().await;
    assert_eq!(
        exchange.request.headers()["authorization"],
        "Bearer sk-upstream"
    );
    let body = exchange.json();
    assert_eq!(body["model"], "model-one");
    assert_eq!(body["cache_salt"].as_str().unwrap().len(), 32);
    assert_eq!(body["stream_options"]["include_usage"], true);
    let feed = exchange.stream();
    feed.text("x");
    feed.finish();
    answer.await.unwrap();
}

#[tokio::test]
async fn a_stale_answer_serves_when_the_upstream_fails() {
    let mut builder = RigBuilder::default();
    builder.config.retries.attempts = 1;
    let mut rig = builder.build();
    let first = rig.send(chat("hi", false));
    rig.exchange().await.whole(200, completion("old"));
    first.await.unwrap();
    stored(&rig).await;
    let old = {
        let mut entries = rig.store.entries.lock().unwrap();
        let entry = entries.values().next().unwrap().clone();
        let mut old = (*entry).clone();
        old.stored -= std::time::Duration::from_secs(90);
        entries.insert(old.key, old.clone().into());
        old
    };
    let answer = rig.send(chat("hi", false));
    rig.exchange().await.fail(TransportFailure::Connect);
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(
        answer.headers()["cache-status"]
            .to_str()
            .unwrap()
            .contains("fwd=stale")
    );
    // Too stale is an error again.
    let mut ancient = old;
    ancient.stored -= std::time::Duration::from_secs(90);
    rig.store
        .entries
        .lock()
        .unwrap()
        .insert(ancient.key, ancient.into());
    let answer = rig.send(chat("hi", false));
    rig.exchange().await.fail(TransportFailure::Connect);
    assert_eq!(answer.await.unwrap().status(), 502);
}

#[tokio::test]
async fn a_stored_answer_from_where_the_tenant_may_not_go_any_more_is_no_hit() {
    let mut rig = two_upstreams().build();
    let first = rig.send(chat("hi", false));
    rig.exchange().await.whole(200, completion("from one"));
    first.await.unwrap();
    stored(&rig).await;
    let narrowed = rig.send(chat("hi", false).header("x-forebay-residency", "EU"));
    let exchange = rig.exchange().await;
    exchange.whole(200, completion("anew"));
    assert!(
        rest(narrowed.await.unwrap().into_body())
            .await
            .contains("anew")
    );
}

#[tokio::test]
async fn limits_are_settled_by_what_was_used_and_told_in_headers() {
    let (mut record, secret) = key("a", "red");
    record.tokens_per_minute = Some(2_000);
    let mut rig = RigBuilder {
        keys: vec![record],
        ..RigBuilder::default()
    }
    .build();
    let with = |text: &str| chat(text, false).header("authorization", format!("Bearer {secret}"));
    let first = rig.send(with("one"));
    let exchange = rig.exchange().await;
    let refused = rig.send(with("two")).await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    assert!(
        refused
            .headers()
            .contains_key("x-ratelimit-remaining-tokens")
    );
    exchange.whole(200, completion("hello"));
    let first = first.await.unwrap();
    assert_eq!(first.headers()["x-ratelimit-limit-tokens"], "2000");
    let second = rig.send(with("two"));
    rig.exchange().await.whole(200, completion("hello"));
    assert_eq!(second.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_key_may_be_bound_to_models_and_an_unknown_model_is_named() {
    let (mut record, secret) = key("a", "red");
    record.models = vec!["other*".into()];
    let mut builder = RigBuilder {
        keys: vec![record],
        ..RigBuilder::default()
    };
    builder.upstreams = vec![
        serde_json::json!({"name": "one", "urls": ["http://one"], "models": {"m": "m", "other": "o"}}),
    ];
    let rig = builder.build();
    let with = |body: &str| {
        http::Request::post("/v1/chat/completions")
            .header("authorization", format!("Bearer {secret}"))
            .extension(bytes::Bytes::from(body.to_owned()))
    };
    let ask = |model: &str| {
        format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"x"}}]}}"#)
    };
    assert_eq!(rig.send(with(&ask("m"))).await.unwrap().status(), 403);
    let unknown = rig.send(with(&ask("other-x"))).await.unwrap();
    assert_eq!(unknown.status(), 404);
    assert!(rest(unknown.into_body()).await.contains("other-x"));
}

#[tokio::test]
async fn every_wrong_key_gets_the_same_answer() {
    let (record, secret) = key("a", "red");
    let rig = RigBuilder {
        keys: vec![record],
        ..RigBuilder::default()
    }
    .build();
    let mut answers = Vec::new();
    for wrong in ["fb-a-wrong", "fb-b-secretb", "sk-123", &secret[1..]] {
        let answer = rig
            .send(chat("hi", false).header("authorization", format!("Bearer {wrong}")))
            .await
            .unwrap();
        assert_eq!(answer.status(), 401);
        answers.push(rest(answer.into_body()).await);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    let missing = rig.send(chat("hi", false)).await.unwrap();
    assert!(rest(missing.into_body()).await.contains("missing_api_key"));
}

#[tokio::test]
async fn past_the_limit_of_requests_in_flight_the_gateway_says_so_at_once() {
    let mut builder = RigBuilder::default();
    builder.config.max_in_flight = 1;
    let mut rig = builder.build();
    let first = rig.send(chat("hi", false));
    let exchange = rig.exchange().await;
    let refused = rig.send(chat("other", false)).await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    drop(refused);
    exchange.whole(200, completion("hello"));
    let _ = rest(first.await.unwrap().into_body()).await;
    assert_eq!(rig.gateway.in_flight(), 0);
}

#[tokio::test]
async fn an_upstream_that_speaks_html_or_refuses_our_key_is_named() {
    let mut builder = RigBuilder::default();
    builder.config.retries.attempts = 1;
    let mut rig = builder.build();
    let answer = rig.send(chat("hi", false));
    rig.exchange().await.whole(502, "<html>bad gateway</html>");
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 502);
    assert!(
        rest(answer.into_body())
            .await
            .contains("\\\"one\\\" answered 502")
    );
    let answer = rig.send(chat("hi", false));
    rig.exchange()
        .await
        .whole(401, r#"{"error":{"message":"bad key sk-upstream"}}"#);
    let text = rest(answer.await.unwrap().into_body()).await;
    assert!(
        text.contains("upstream_auth_failed") && !text.contains("sk-upstream"),
        "{text}"
    );
}

#[tokio::test]
async fn garbage_events_are_the_upstreams_fault_and_nothing_is_stored() {
    let mut rig = RigBuilder::default().build();
    let answer = rig.send(chat("hi", true));
    let feed = rig.exchange().await.stream();
    feed.text("one");
    let mut body = answer.await.unwrap().into_body();
    frame(&mut body).await.unwrap();
    feed.raw("data: {not json\n\n");
    assert!(rest(body).await.contains("upstream_invalid_response"));
    assert!(rig.is_idle().await);
    assert!(rig.store.entries.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_tenants_residency_is_not_widened_by_a_header() {
    let (record, secret) = key("a", "red");
    let mut builder = two_upstreams();
    builder.keys = vec![record];
    builder.config.tenants = vec![TenantConfig {
        name: "red".into(),
        residency: vec!["EU".into()],
        ..TenantConfig::default()
    }];
    let mut rig = builder.build();
    let answer = rig.send(
        chat("hi", false)
            .header("authorization", format!("Bearer {secret}"))
            .header("x-forebay-explain", "true"),
    );
    // The scripted selector ranks all; what it was asked is what counts elsewhere. Here: it answers.
    rig.exchange().await.whole(200, completion("x"));
    assert!(
        answer
            .await
            .unwrap()
            .headers()
            .contains_key("x-forebay-route")
    );
}

#[tokio::test]
async fn keys_under_other_rules_share_neither_entries_nor_flights() {
    let ((a, key_a), (b, key_b)) = (key("a", "red"), key("b", "red"));
    for scoped in [false, true] {
        let mut rig = RigBuilder {
            policies: TestPolicies {
                scoped,
                ..TestPolicies::default()
            },
            keys: vec![a.clone(), b.clone()],
            ..RigBuilder::default()
        }
        .build();
        let with = |key: &str| chat("hi", false).header("authorization", format!("Bearer {key}"));
        let first = rig.send(with(&key_a));
        rig.exchange().await.whole(200, completion("for a"));
        first.await.unwrap();
        stored(&rig).await;
        let second = rig.send(with(&key_b));
        if scoped {
            rig.exchange().await.whole(200, completion("for b"));
        }
        let body = rest(second.await.unwrap().into_body()).await;
        assert_eq!(body.contains("for b"), scoped, "{body}");
    }
}

#[tokio::test]
async fn an_opinion_that_nobody_can_give_is_a_denial() {
    let rig = RigBuilder {
        policies: TestPolicies {
            ask: Some("doubtful"),
            ..TestPolicies::default()
        },
        ..RigBuilder::default()
    }
    .build();
    let refused = rig.send(chat("a doubtful word", false)).await.unwrap();
    assert_eq!(refused.status(), 400);
    let body = rest(refused.into_body()).await;
    assert!(
        body.contains("opinion-missing") && body.contains("moderation"),
        "{body}"
    );
}

fn behind_a_relay(policies: TestPolicies) -> RigBuilder {
    RigBuilder {
        policies,
        upstreams: vec![serde_json::json!({
            "name": "shield", "urls": ["http://shield"], "relay": true,
        })],
        ..RigBuilder::default()
    }
}

#[tokio::test]
async fn what_is_neither_stored_nor_screened_is_relayed_byte_for_byte() {
    let mut rig = behind_a_relay(TestPolicies {
        uncacheable: true,
        ..TestPolicies::default()
    })
    .build();
    let answer = rig.send(chat("hi", true));
    let exchange = rig.exchange().await;
    assert!(
        exchange.json().get("stream_options").is_none(),
        "usage that the client did not ask for is not asked for"
    );
    let feed = exchange.stream();
    feed.raw(": a comment\r\n\r\nid: 7\r\ndata: {\"odd\":1}\r\n\r\n");
    feed.raw("data: [DONE]\n\n");
    drop(feed);
    let answer = answer.await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["x-forebay-upstream"], "shield");
    assert_eq!(
        rest(answer.into_body()).await,
        ": a comment\r\n\r\nid: 7\r\ndata: {\"odd\":1}\r\n\r\ndata: [DONE]\n\n"
    );
}

#[tokio::test]
async fn what_is_stored_or_screened_is_read_behind_a_relay_too() {
    let mut rig = behind_a_relay(TestPolicies::default()).build();
    let answer = rig.send(chat("hi", true));
    let exchange = rig.exchange().await;
    assert!(exchange.json().get("stream_options").is_some());
    let feed = exchange.stream();
    feed.text("hello");
    feed.finish();
    assert_eq!(
        content(&rest(answer.await.unwrap().into_body()).await),
        "hello"
    );
    stored(&rig).await;

    let mut rig = behind_a_relay(TestPolicies {
        uncacheable: true,
        deny_output: Some("secret"),
        ..TestPolicies::default()
    })
    .build();
    let answer = rig.send(chat("hi", true));
    let feed = rig.exchange().await.stream();
    feed.text("a secret");
    feed.finish();
    let body = rest(answer.await.unwrap().into_body()).await;
    assert!(!body.contains("secret") && body.contains("leak"), "{body}");
}
