//! Class: what is shared between clients. Whatever decides about an answer is part of its name.

use forebay_tests::prompts::{chat, whole};
use forebay_tests::{Config, Forebay, Key, Scripted};
use serde_json::json;

/// What one endpoint's rules allow says nothing about another's.
#[tokio::test]
async fn a_decision_is_not_remembered_for_another_route() {
    let upstream = Scripted::start(|mut call| async move {
        let answer = json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
            "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 1, "output_tokens": 1}, "input_tokens": 1,
        });
        call.answer("200 OK", "application/json", &answer.to_string()).await;
    })
    .await;
    let rules = "[policies.guardrails.config]\nrules = [{ name = \"word\", kind = \"dictionary\", terms = [\"pomegranate\"], action = \"deny\", routes = [\"/v1/messages\"] }]\n";
    let config = Config::new(rules)
        .upstream(
            "a",
            &upstream.url(),
            "provider = \"anthropic\"\nkey = \"env:K\"\nmodels = { m = \"m\" }",
        )
        .env("K", "k");
    let forebay = Forebay::start(config).await;
    let body = json!({
        "model": "m", "max_tokens": 5, "temperature": 0,
        "messages": [{"role": "user", "content": "a pomegranate"}],
    });
    let counted = forebay
        .client
        .post("/v1/messages/count_tokens", &body)
        .await;
    assert_eq!(counted.status, 200, "{}", counted.text());
    let before = upstream.calls();
    let reply = forebay.client.post("/v1/messages", &body).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(upstream.calls(), before, "the prompt went nowhere");
}

/// Two tenants who choose the same name for a request are not one client to the provider.
#[tokio::test]
async fn names_that_a_provider_keeps_are_each_tenants_own() {
    let upstream = Scripted::start(|mut call| async move {
        call.answer("200 OK", "application/json", &whole("hello"))
            .await;
    })
    .await;
    let keys = [
        Key::named("a1", "a"),
        Key::named("a2", "a"),
        Key::named("b1", "b"),
    ];
    let config = Config::new("[secrets]\nmaster = \"env:MASTER\"\n")
        .upstream("one", &upstream.url(), "provider = \"vllm\"")
        .env("MASTER", "a-master-secret-of-tests")
        .keys(&[&keys[0], &keys[1], &keys[2]]);
    let forebay = Forebay::start(config).await;
    for (n, key) in keys.iter().enumerate() {
        let client = forebay
            .client_of(key)
            .with_header("idempotency-key", "order-4711");
        assert_eq!(client.chat(&chat(&format!("number {n}"))).await.status, 200);
    }
    let heard = upstream.received();
    let names: Vec<_> = heard
        .iter()
        .map(|r| r.header("idempotency-key").unwrap().to_owned())
        .collect();
    assert_eq!(names[0], names[1], "within a tenant it keeps its meaning");
    assert_ne!(names[0], names[2]);
    assert!(names.iter().all(|name| !name.contains("4711")), "{names:?}");
    // And the prefix cache of an engine tells no tenant what another has asked.
    let salts: Vec<_> = heard
        .iter()
        .map(|r| r.json()["cache_salt"].clone())
        .collect();
    assert!(salts[0].is_string(), "{salts:?}");
    assert_eq!(salts[0], salts[1]);
    assert_ne!(salts[0], salts[2]);
}
