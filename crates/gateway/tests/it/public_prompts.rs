//! System prompts that an operator has declared public: how far an engine's salt leaves them out.
#![allow(clippy::unwrap_used, missing_docs)]

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::*;

const RULES: &str = "Answer in one sentence.";

/// What an engine would make of a conversation: roles and texts, letter by letter.
fn rendered(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap();
    let said = |message: &Value| {
        let content = match &message["content"] {
            Value::String(text) => text.clone(),
            parts => parts[0]["text"].as_str().unwrap().to_owned(),
        };
        format!("<{}>{content}", message["role"].as_str().unwrap())
    };
    let tools = match body.get("tools") {
        Some(tools) => tools.to_string(),
        None => String::new(),
    };
    let messages = body["messages"].as_array().unwrap().iter().map(said);
    tools + &messages.collect::<String>()
}

fn letters(body: &str) -> Vec<u32> {
    rendered(body).bytes().map(u32::from).collect()
}

fn rig(public: Value, salt: bool) -> (Rig, [String; 2]) {
    let ((a, red), (b, blue)) = (key("a", "red"), key("b", "blue"));
    let rig = RigBuilder {
        upstreams: vec![
            json!({"name": "one", "urls": ["http://one"], "speaks": ["chat"],
            "cache_salt": salt, "tokenizer": {"dir": "model", "verify": 0.0}, "public_prompts": public}),
        ],
        keys: vec![a, b],
        ..RigBuilder::default()
    }
    .build();
    *rig.platform.tokenizer.lock().unwrap() = Some(letters);
    (rig, [red, blue])
}

fn talk(system: &str, user: &str) -> Value {
    json!({"model": "m", "temperature": 0, "messages": [
        {"role": "system", "content": system}, {"role": "user", "content": user}]})
}

/// What the engine is told of the salt, and how far it leaves the prompt out.
async fn sent(rig: &mut Rig, key: &str, path: &str, body: &Value) -> (String, Option<u64>, Value) {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .header("cache-control", "no-store")
        .header("authorization", format!("Bearer {key}"))
        .extension(Bytes::from(body.to_string()));
    let asked = rig.send(request);
    let exchange = rig.exchange().await;
    let body = exchange.json();
    exchange.whole(200, completion("hello"));
    assert_eq!(asked.await.unwrap().status(), 200);
    let salt = body["cache_salt"].as_str().unwrap_or_default().to_owned();
    (salt, body["shared_prefix_tokens"].as_u64(), body)
}

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn tenants_have_salts_of_their_own_behind_a_system_prompt_that_they_share() {
    let digest = hex::encode(Sha256::digest(RULES));
    for declared in [json!({"text": RULES}), json!({"sha256": digest})] {
        let (mut rig, [red, blue]) = rig(json!([declared]), true);
        let a = sent(&mut rig, &red, CHAT, &talk(RULES, "my secret")).await;
        let b = sent(&mut rig, &blue, CHAT, &talk(RULES, "another")).await;
        assert_ne!(a.0, b.0);
        let public = format!("<system>{RULES}<user>").len() as u64;
        assert_eq!((a.1, b.1), (Some(public), Some(public)));
    }
}

#[tokio::test]
async fn other_words_in_the_system_prompt_and_all_behind_them_are_salted() {
    let (mut rig, [red, _]) = rig(json!([{"text": RULES, "model": "m"}]), true);
    let shared = format!("<system>{RULES}").len() as u64;
    let longer = talk(&format!("{RULES} Our key is 4711."), "hi");
    assert_eq!(sent(&mut rig, &red, CHAT, &longer).await.1, Some(shared));
    let other = talk("Answer at length.", "hi");
    assert_eq!(sent(&mut rig, &red, CHAT, &other).await.1, None);
    let mut renamed = talk(RULES, "hi");
    renamed["model"] = json!("another");
    assert_eq!(sent(&mut rig, &red, CHAT, &renamed).await.1, None);
    // Tools come first in this engine's prompts: nothing of them is public.
    let mut tools = talk(RULES, "hi");
    tools["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    assert_eq!(sent(&mut rig, &red, CHAT, &tools).await.1, None);
}

#[tokio::test]
async fn a_client_of_another_format_shares_what_its_translation_begins_with() {
    let (mut rig, [red, _]) = rig(json!([{"text": RULES}]), true);
    let public = format!("<system>{RULES}<user>").len() as u64;
    let messages = json!({"model": "m", "max_tokens": 9, "system": RULES,
        "messages": [{"role": "user", "content": "hi"}]});
    let responses = json!({"model": "m", "instructions": RULES, "input": "hi"});
    for (path, body) in [("/v1/messages", messages), ("/v1/responses", responses)] {
        let (_, shared, body) = sent(&mut rig, &red, path, &body).await;
        assert_eq!(shared, Some(public), "{path}: {body}");
    }
}

#[tokio::test]
async fn a_client_does_not_say_how_far_its_salt_reaches() {
    for public in [json!([]), json!([{"text": RULES}])] {
        let (mut rig, [red, _]) = rig(public, true);
        let mut body = talk("Answer at length.", "hi");
        body["shared_prefix_tokens"] = json!(1_000_000);
        body["cache_salt"] = json!("another tenant's");
        let (salt, shared, _) = sent(&mut rig, &red, CHAT, &body).await;
        assert_eq!((salt.len(), shared), (32, None));
    }
}

#[tokio::test]
async fn an_engine_that_refuses_the_field_salts_whole_prompts() {
    let (mut rig, [red, _]) = rig(json!([{"text": RULES}]), true);
    let request = Request::post(CHAT)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {red}"))
        .extension(Bytes::from(talk(RULES, "hi").to_string()));
    let asked = rig.send(request);
    rig.exchange().await.whole(
        400,
        r#"{"error":{"message":"Extra inputs are not permitted: shared_prefix_tokens"}}"#,
    );
    let again = rig.exchange().await;
    assert!(again.json()["cache_salt"].is_string());
    assert!(again.json().get("shared_prefix_tokens").is_none());
    again.whole(200, completion("hello"));
    assert_eq!(asked.await.unwrap().status(), 200);
    let later = sent(&mut rig, &red, CHAT, &talk(RULES, "more")).await;
    assert_eq!((later.0.len(), later.1), (32, None));
}

#[test]
fn where_it_can_have_no_effect_the_configuration_says_so() {
    let tokenizer = json!({"dir": "model"});
    let public = json!([{"text": RULES}]);
    for (more, word) in [
        (json!({"cache_salt": true, "tokenizer": tokenizer}), None),
        (
            json!({"provider": "vllm", "tokenizer": tokenizer}),
            Some("whole prompts"),
        ),
        (json!({"tokenizer": tokenizer}), Some("cache_salt = true")),
        (json!({"cache_salt": true}), Some("tokenizer")),
    ] {
        let mut upstream = json!({"name": "one", "urls": ["http://one"], "public_prompts": public});
        let fields = upstream.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        let upstream: forebay_gateway::config::UpstreamConfig =
            serde_json::from_value(upstream).unwrap();
        let problems = upstream.provider_problems();
        match word {
            None => assert!(problems.is_empty(), "{problems:?}"),
            Some(word) => {
                assert_eq!(problems[0].0, "public_prompts");
                assert!(problems[0].1.contains(word), "{problems:?}");
            }
        }
    }
}
