//! What providers are told about prefixes that come again, and what it saved.
#![allow(clippy::unwrap_used, missing_docs)]

use bytes::Bytes;
use forebay_gateway::observe::{CacheSaving, Observation};
use http::Request;
use http::request::Builder;
use serde_json::{Value, json};

use crate::support::*;

fn rig(upstream: Value) -> Rig {
    RigBuilder {
        upstreams: vec![upstream],
        ..RigBuilder::default()
    }
    .build()
}

fn anthropic() -> Value {
    json!({"name": "one", "urls": ["http://one"], "provider": "anthropic",
        "price": {"input": 3_000_000, "cached_input": 300_000, "cache_write": 3_750_000, "output": 15_000_000}})
}

fn bedrock(model: &str) -> Value {
    json!({"name": "one", "urls": ["http://one"], "provider": "bedrock", "region": "us-east-1", "models": {"m": model}})
}

/// A conversation: a system prompt, and turns of user and assistant.
fn talk(system: &str, turns: &[&str]) -> Value {
    let turn = |(at, text): (usize, &&str)| {
        let role = if at % 2 == 0 { "user" } else { "assistant" };
        json!({"role": role, "content": text})
    };
    let mut messages = vec![json!({"role": "system", "content": system})];
    messages.extend(turns.iter().enumerate().map(turn));
    json!({"model": "m", "messages": messages, "max_tokens": 50})
}

fn ask(body: &Value) -> Builder {
    Request::post("/v1/chat/completions")
        .header("content-type", "application/json")
        .extension(Bytes::from(body.to_string()))
}

fn claude(usage: Value) -> String {
    json!({"id": "msg", "type": "message", "role": "assistant", "model": "up", "stop_reason": "end_turn", "stop_sequence": null,
        "content": [{"type": "text", "text": "hello"}], "usage": usage})
    .to_string()
}

fn converse() -> String {
    json!({"output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
        "stopReason": "end_turn", "usage": {"inputTokens": 5, "outputTokens": 1, "totalTokens": 6}})
    .to_string()
}

/// Sends a request, answers it, and gives the body that the upstream got.
async fn sent(rig: &mut Rig, request: Builder, answer: String) -> Value {
    let asked = rig.send(request);
    let exchange = rig.exchange().await;
    let body = exchange.json();
    exchange.whole(200, answer);
    let answer = asked.await.unwrap();
    assert_eq!(answer.status(), 200);
    rest(answer.into_body()).await;
    body
}

fn usage() -> Value {
    json!({"input_tokens": 10, "output_tokens": 5})
}

/// How often a name stands in a body.
fn count(body: &Value, name: &str) -> usize {
    body.to_string().matches(&format!("\"{name}\"")).count()
}

#[tokio::test]
async fn a_prefix_that_comes_again_is_marked_for_anthropic() {
    let mut rig = rig(anthropic());
    let first = sent(&mut rig, ask(&talk("rules", &["a"])), claude(usage())).await;
    assert_eq!(count(&first, "cache_control"), 0, "{first}");
    let second = sent(&mut rig, ask(&talk("rules", &["b"])), claude(usage())).await;
    assert_eq!(second["system"][0]["cache_control"]["type"], "ephemeral");
    assert_eq!(count(&second, "cache_control"), 1, "{second}");
    let grown = ask(&talk("rules", &["b", "hello", "c"]));
    let third = sent(&mut rig, grown, claude(usage())).await;
    for turn in [0, 2] {
        let marker = &third["messages"][turn]["content"][0]["cache_control"];
        assert_eq!(marker["type"], "ephemeral", "{third}");
    }
    assert_eq!(count(&third, "cache_control"), 3, "{third}");
}

#[tokio::test]
async fn a_clients_own_markers_go_through_as_they_are() {
    let mut rig = rig(anthropic());
    let marker = json!({"type": "ephemeral", "ttl": "1h"});
    let body = json!({"model": "m", "max_tokens": 9,
        "system": [{"type": "text", "text": "rules"}, {"type": "text", "text": "more", "cache_control": marker}],
        "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}, {"role": "user", "content": "again"}]});
    for _ in 0..3 {
        let request = Request::post("/v1/messages")
            .header("content-type", "application/json")
            .header("cache-control", "no-store")
            .extension(Bytes::from(body.to_string()));
        let sent = sent(&mut rig, request, claude(usage())).await;
        assert_eq!(sent["system"], body["system"]);
        assert!(count(&sent, "cache_control") <= 4);
    }
}

#[tokio::test]
async fn off_is_off_and_another_provider_gets_none() {
    let mut off = anthropic();
    off["prompt_cache"] = json!("off");
    let mut rig = rig(off);
    for text in ["a", "b", "c"] {
        let body = sent(&mut rig, ask(&talk("rules", &[text])), claude(usage())).await;
        assert_eq!(count(&body, "cache_control"), 0, "{body}");
    }
}

#[tokio::test]
async fn bedrock_gets_cache_points_and_a_model_that_refuses_them_gets_none_any_more() {
    let mut rig = rig(bedrock("anthropic.claude-x"));
    sent(&mut rig, ask(&talk("rules", &["a"])), converse()).await;
    let asked = rig.send(ask(&talk("rules", &["b"])));
    let exchange = rig.exchange().await;
    assert_eq!(
        exchange.json()["system"][1],
        json!({"cachePoint": {"type": "default"}})
    );
    exchange.refuse(
        403,
        &[("x-amzn-errortype", "AccessDeniedException")],
        r#"{"message":"You invoked an unsupported model or your request did not allow prompt caching. See the documentation for more information."}"#,
    );
    let again = rig.exchange().await;
    assert_eq!(count(&again.json(), "cachePoint"), 0);
    again.whole(200, converse());
    assert_eq!(asked.await.unwrap().status(), 200);
    let later = sent(&mut rig, ask(&talk("rules", &["c"])), converse()).await;
    assert_eq!(count(&later, "cachePoint"), 0);
}

#[tokio::test]
async fn a_model_without_a_cache_gets_no_points() {
    let mut rig = rig(bedrock("meta.llama3-70b"));
    for text in ["a", "b"] {
        let body = sent(&mut rig, ask(&talk("rules", &[text])), converse()).await;
        assert_eq!(count(&body, "cachePoint"), 0);
    }
}

#[tokio::test]
async fn openai_gets_one_key_for_each_tenant_and_prefix_and_the_clients_own_wins() {
    let ((a, red), (b, blue)) = (key("a", "red"), key("b", "blue"));
    let mut rig = RigBuilder {
        upstreams: vec![json!({"name": "one", "urls": ["http://one"], "provider": "openai"})],
        keys: vec![a, b],
        ..RigBuilder::default()
    }
    .build();
    let mut keys = Vec::new();
    for (secret, system, text) in [
        (&red, "rules", "a"),
        (&red, "rules", "b"),
        (&red, "others", "b"),
        (&blue, "rules", "a"),
    ] {
        let request = ask(&talk(system, &[text]));
        let request = request.header("authorization", format!("Bearer {secret}"));
        let body = sent(&mut rig, request, completion("hello")).await;
        keys.push(body["prompt_cache_key"].as_str().unwrap().to_owned());
    }
    assert_eq!(keys[0], keys[1]);
    assert!(keys[0] != keys[2] && keys[0] != keys[3] && keys[0].len() <= 64);
    let mut own = talk("rules", &["c"]);
    own["prompt_cache_key"] = json!("mine");
    let request = ask(&own).header("authorization", format!("Bearer {red}"));
    let body = sent(&mut rig, request, completion("hello")).await;
    assert_eq!(body["prompt_cache_key"], "mine");
}

#[tokio::test]
async fn a_key_that_is_refused_is_left_out_and_not_sent_again() {
    let mut rig = rig(json!({"name": "one", "urls": ["http://one"], "provider": "mistral"}));
    let asked = rig.send(ask(&talk("rules", &["a"])));
    let exchange = rig.exchange().await;
    assert!(exchange.json().get("prompt_cache_key").is_some());
    exchange.whole(
        422,
        r#"{"detail":[{"type":"extra_forbidden","loc":["body","prompt_cache_key"],"msg":"Extra inputs are not permitted"}]}"#,
    );
    let again = rig.exchange().await;
    assert!(again.json().get("prompt_cache_key").is_none());
    again.whole(200, completion("hello"));
    assert_eq!(asked.await.unwrap().status(), 200);
    let later = sent(&mut rig, ask(&talk("rules", &["b"])), completion("hello")).await;
    assert!(later.get("prompt_cache_key").is_none());
}

#[tokio::test]
async fn savings_are_counted_from_the_providers_usage() {
    let mut rig = rig(anthropic());
    let wrote = json!({"input_tokens": 0, "cache_creation_input_tokens": 1000, "cache_read_input_tokens": 0, "output_tokens": 5});
    let read = json!({"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 1000, "output_tokens": 5});
    sent(&mut rig, ask(&talk("rules", &["a"])), claude(usage())).await;
    sent(&mut rig, ask(&talk("rules", &["b"])), claude(wrote)).await;
    sent(&mut rig, ask(&talk("rules", &["c"])), claude(read)).await;
    let seen = rig.platform.seen.lock().unwrap();
    let savings: Vec<CacheSaving> = seen
        .iter()
        .filter_map(|o| match o {
            Observation::PromptCache { saving, .. } => Some(*saving),
            _ => None,
        })
        .collect();
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert_eq!(savings.len(), 2, "{savings:?}");
    assert_eq!(savings[0].written_tokens, 1000);
    assert!(near(savings[0].premium_usd, 0.000_75), "{savings:?}");
    assert_eq!(savings[1].read_tokens, 1000);
    assert!(near(savings[1].saved_usd, 0.002_7), "{savings:?}");
    let predicted = savings[1].predicted_usd;
    assert!(
        predicted > 0.0 && predicted <= 0.002_7 + 1e-9,
        "{savings:?}"
    );
}

#[tokio::test]
async fn a_client_is_told_what_keeps_its_prompts_from_beginning_alike() {
    let mut rig = rig(anthropic());
    let rules = "Answer in one sentence and name the page. ".repeat(120);
    let mut told = Vec::new();
    for second in 0..3 {
        let system = format!("It is 2026-11-26T18:43:0{second}Z. {rules}");
        let asked = rig.send(ask(&talk(&system, &["a"])));
        rig.exchange().await.whole(200, claude(usage()));
        let answer = asked.await.unwrap();
        let advice = answer.headers().get("x-forebay-prefix");
        told.push(advice.map(|advice| advice.to_str().unwrap().to_owned()));
    }
    let advice = Some("unstable; cause=timestamp".to_owned());
    assert_eq!(told, [None, advice.clone(), advice]);
    let seen = rig.platform.seen.lock().unwrap();
    let warnings = seen.iter().filter(|o| matches!(o, Observation::Warning(_)));
    assert_eq!(warnings.count(), 1, "it is logged once");
}

/// What Claude Code sends: a line about itself, tools without markers, markers behind
/// the system prompt and behind the last two of the user's turns.
fn claude_code(turns: usize) -> (&'static str, Value) {
    let mark = json!({"type": "ephemeral"});
    let text = |text: String, marked: bool| match marked {
        true => json!({"type": "text", "text": text, "cache_control": mark}),
        false => json!({"type": "text", "text": text}),
    };
    let tool = |name: &str| json!({"name": name, "description": name, "input_schema": {"type": "object", "properties": {}}});
    let mut messages = vec![json!({"role": "user", "content": [
        text("<system-reminder>brief</system-reminder>".into(), false), text("fix it".into(), turns < 2)]})];
    for turn in 1..=turns {
        let id = format!("toolu_{turn}");
        messages.push(json!({"role": "assistant", "content": [
            text(format!("step {turn}"), false), {"type": "tool_use", "id": id, "name": "Bash", "input": {"n": turn}}]}));
        let mut result =
            json!({"type": "tool_result", "tool_use_id": id, "content": format!("said {turn}")});
        if turn + 2 > turns {
            result["cache_control"] = mark.clone();
        }
        messages.push(json!({"role": "user", "content": [result]}));
    }
    let body = json!({"model": "m", "max_tokens": 32_000, "tools": [tool("Bash"), tool("Read")],
        "metadata": {"user_id": "user_1_account__session_2"},
        "system": [text("x-anthropic-billing-header: cc_version=2.1; cch=00000;".into(), false),
            text("You are Claude Code.".into(), true), text("Rules.".into(), true)],
        "messages": messages});
    ("/v1/messages", body)
}

/// What Codex sends: no markers, a key of its own for each session.
fn codex(turns: usize) -> (&'static str, Value) {
    let said = |role: &str, kind: &str, text: &str| json!({"type": "message", "role": role, "content": [{"type": kind, "text": text}]});
    let mut input = vec![
        said("developer", "input_text", "permissions"),
        said("user", "input_text", "fix it"),
    ];
    for turn in 1..=turns {
        let id = format!("call_{turn}");
        input.push(
            json!({"type": "function_call", "call_id": id, "name": "shell", "arguments": "{}"}),
        );
        input.push(json!({"type": "function_call_output", "call_id": id, "output": format!("said {turn}")}));
    }
    let body = json!({"model": "m", "instructions": "You are Codex.", "input": input, "store": false,
        "tools": [{"type": "function", "name": "shell", "parameters": {"type": "object", "properties": {}}, "strict": false}],
        "prompt_cache_key": "019-session"});
    ("/v1/responses", body)
}

/// Words of the blocks behind which a marker stands, in the body's order.
fn marked(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                if item.get("cachePoint").is_some() {
                    out.push(words(&items[at - 1]));
                }
                marked(item, out);
            }
        }
        Value::Object(members) => {
            if members.contains_key("cache_control") {
                out.push(words(value));
            }
            members.values().for_each(|member| marked(member, out));
        }
        _ => {}
    }
}

/// What a block says, in either format.
fn words(block: &Value) -> String {
    let places = [
        "/text",
        "/content",
        "/toolResult/content/0/text",
        "/name",
        "/toolSpec/name",
    ];
    let text = places
        .iter()
        .find_map(|place| block.pointer(place)?.as_str());
    text.unwrap_or_else(|| panic!("{block}")).to_owned()
}

fn marks_of(body: &Value) -> Vec<String> {
    let mut out = Vec::new();
    // A provider reads tools and system prompt first.
    for part in ["tools", "toolConfig", "system", "messages"] {
        marked(&body[part], &mut out);
    }
    out
}

#[tokio::test]
async fn agents_markers_stay_where_they_are_and_ours_stand_behind_them() {
    let upstreams = [
        ("anthropic", anthropic()),
        ("bedrock", bedrock("anthropic.claude-x")),
    ];
    for (target, upstream) in upstreams {
        for agent in [claude_code, codex] {
            let mut rig = rig(upstream.clone());
            let mut all = 0;
            for turns in 0..7 {
                let (path, body) = agent(turns);
                let request = Request::post(path)
                    .header("content-type", "application/json")
                    .extension(Bytes::from(body.to_string()));
                let answer = if target == "bedrock" {
                    converse()
                } else {
                    claude(usage())
                };
                let sent = sent(&mut rig, request, answer).await;
                let (own, marks) = (marks_of(&body), marks_of(&sent));
                assert_eq!(own, marks[..own.len()], "{target} {path} {turns}: {sent}");
                assert!(marks.len() <= 4, "{target} {path} {turns}: {marks:?}");
                all += marks.len() - own.len();
            }
            // Codex marks nothing: its conversation grows, and each request reads what the last wrote.
            let ours = agent(0).0 == "/v1/responses";
            assert_eq!(all > 0, ours, "{target} {}: {all}", agent(0).0);
        }
    }
}

#[tokio::test]
async fn agents_get_one_key_for_a_session_at_openai_and_no_markers() {
    for (agent, own) in [
        (claude_code as fn(usize) -> (&'static str, Value), None),
        (codex, Some("019-session")),
    ] {
        let mut rig = rig(json!({"name": "one", "urls": ["http://one"], "provider": "openai"}));
        let mut keys = Vec::new();
        for turns in 0..4 {
            let (path, body) = agent(turns);
            let request = Request::post(path)
                .header("content-type", "application/json")
                .extension(Bytes::from(body.to_string()));
            let asked = rig.send(request);
            let exchange = rig.exchange().await;
            let sent = exchange.json();
            exchange.whole(400, r#"{"error":{"message":"no"}}"#);
            asked.await.unwrap();
            assert_eq!(count(&sent, "cache_control"), 0, "{sent}");
            keys.push(sent["prompt_cache_key"].as_str().unwrap().to_owned());
        }
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        assert!(own.is_none_or(|own| keys[0] == own), "{keys:?}");
    }
}
