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

/// Every provider tells of what it read from its cache in words of its own.
#[tokio::test]
async fn savings_are_counted_from_the_usage_of_every_provider() {
    let upstream = Scripted::start(|mut call| async move {
        // In lower case, as heads are given.
        let head = call.request.head.clone();
        let path = head.split(' ').nth(1).unwrap_or_default();
        let chat = |usage: Value| {
            json!({
                "id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
            })
        };
        let answer = if path.contains("generatecontent") {
            json!({
                "candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 1_000_010, "cachedContentTokenCount": 1_000_000, "candidatesTokenCount": 5},
            })
        } else if path.contains("/converse") {
            json!({
                "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}}, "stopReason": "end_turn",
                "usage": {"inputTokens": 10, "cacheReadInputTokens": 1_000_000, "outputTokens": 5, "totalTokens": 1_000_015},
            })
        } else if path.contains("/responses") {
            json!({
                "id": "r", "object": "response", "status": "completed", "model": "m",
                "output": [{"type": "message", "id": "i", "status": "completed", "role": "assistant",
                    "content": [{"type": "output_text", "text": "hello", "annotations": []}]}],
                "usage": {"input_tokens": 1_000_010, "input_tokens_details": {"cached_tokens": 1_000_000}, "output_tokens": 5},
            })
        } else if path.starts_with("/hits/") {
            chat(
                json!({"prompt_tokens": 1_000_010, "prompt_cache_hit_tokens": 1_000_000, "prompt_cache_miss_tokens": 10, "completion_tokens": 5}),
            )
        } else if path.starts_with("/beside/") {
            chat(
                json!({"prompt_tokens": 1_000_010, "cached_tokens": 1_000_000, "completion_tokens": 5}),
            )
        } else {
            chat(
                json!({"prompt_tokens": 1_000_010, "prompt_tokens_details": {"cached_tokens": 1_000_000}, "completion_tokens": 5}),
            )
        };
        call.answer("200 OK", "application/json", &answer.to_string())
            .await;
    })
    .await;
    let mut config = Config::new("");
    let providers = [
        ("openai", "openai"),
        ("azure", "azure"),
        ("mistral", "mistral"),
        ("engine", "vllm"),
        ("gemini", "gemini"),
        ("converse", "bedrock"),
        // As DeepSeek and Moonshot AI tell it.
        ("hits", "openai"),
        ("beside", "openai"),
    ];
    for (name, provider) in providers {
        let url = match name {
            "hits" | "beside" => format!("{}/{name}", upstream.url()),
            _ => upstream.url(),
        };
        let region = match provider {
            "bedrock" => "region = \"us-east-1\"\n",
            _ => "",
        };
        let more = format!(
            "provider = \"{provider}\"\n{region}key = \"env:K\"\nmodels = {{ {name} = \"m\" }}\nprice = {{ input = 3_000_000, cached_input = 300_000, output = 15_000_000 }}"
        );
        config = config.upstream(name, &url, &more);
    }
    let forebay = Forebay::start(config.env("K", "k")).await;
    for (name, ..) in providers {
        let saved = format!("forebay_prompt_cache_saved_usd_total{{upstream=\"{name}\"}}");
        let body = json!({"model": name, "messages": [{"role": "user", "content": "hi"}]});
        let reply = forebay.client.chat(&body).await;
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        forebay.metric_reaches(&saved, 2.6).await;
    }
    let body = json!({"model": "openai", "input": "hi"});
    let reply = forebay.client.post("/v1/responses", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let saved = "forebay_prompt_cache_saved_usd_total{upstream=\"openai\"}";
    forebay.metric_reaches(saved, 5.3).await;
}
