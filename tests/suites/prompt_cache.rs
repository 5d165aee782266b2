//! Markers for a provider's prompt cache, with the shipped policies before a scripted Anthropic.

use forebay_tests::{Config, Forebay, Scripted};
use serde_json::{Value, json};

/// A conversation with a system prompt that is long enough to be cached.
fn talk(turns: &[&str]) -> Value {
    let rules = "Answer in one sentence and name the page. ".repeat(150);
    let mut messages = vec![json!({"role": "system", "content": rules})];
    for (at, text) in turns.iter().enumerate() {
        let role = if at % 2 == 0 { "user" } else { "assistant" };
        messages.push(json!({"role": role, "content": text}));
    }
    json!({"model": "m", "max_tokens": 50, "messages": messages})
}

#[tokio::test]
async fn a_system_prompt_that_comes_again_is_marked_and_its_savings_are_counted() {
    let upstream = Scripted::start(|mut call| async move {
        let answer = json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
            "content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn",
            "stop_sequence": null,
            "usage": {"input_tokens": 10, "cache_read_input_tokens": 1_000_000, "cache_creation_input_tokens": 0, "output_tokens": 5},
        });
        call.answer("200 OK", "application/json", &answer.to_string())
            .await;
    })
    .await;
    let more = "provider = \"anthropic\"\nkey = \"env:K\"\nmodels = { m = \"claude\" }\nprice = { input = 3_000_000, cached_input = 300_000, output = 15_000_000 }";
    let config = Config::new("").upstream("claude", &upstream.url(), more);
    let forebay = Forebay::start(config.env("K", "k")).await;
    for turns in [&["one"][..], &["two"], &["two", "hello", "three"]] {
        let reply = forebay.client.chat(&talk(turns)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let sent: Vec<Value> = upstream.received().iter().map(|r| r.json()).collect();
    let marked = |body: &Value| body.to_string().matches("\"cache_control\"").count();
    assert_eq!(sent.iter().map(marked).collect::<Vec<_>>(), [0, 1, 3]);
    assert_eq!(sent[1]["system"][0]["cache_control"]["type"], "ephemeral");
    let saved = "forebay_prompt_cache_saved_usd_total{upstream=\"claude\"}";
    forebay.metric_reaches(saved, 8.0).await;
}
