//! Classes of what agents send, against every target that is translated to.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value as Json, json};

use crate::exchange::{Grade, Profile, WriteOptions, Written};
use crate::{
    AnswerContext, Request, StreamTranslation, Target, Wire, translate_answer, translate_request,
};

const SONNET: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

/// Targets: format, profile, model.
const TARGETS: [(Wire, Profile, &str); 14] = [
    (Wire::Chat, Profile::OpenAi, "gpt-5.1"),
    (Wire::Chat, Profile::OpenAi, "gpt-4o"),
    (Wire::Chat, Profile::Azure, "deployment"),
    (Wire::Chat, Profile::Standard, "m"),
    (Wire::Chat, Profile::Engine, "m"),
    (Wire::Chat, Profile::Mistral, "m"),
    (Wire::Responses, Profile::OpenAi, "gpt-5.1"),
    (Wire::Messages, Profile::Standard, "claude-sonnet-4-5"),
    (Wire::Messages, Profile::BedrockInvoke, SONNET),
    (Wire::Messages, Profile::VertexRaw, "claude-opus-4-7"),
    (Wire::Gemini, Profile::Standard, "gemini-2.5-pro"),
    (Wire::Gemini, Profile::Standard, "gemini-3-pro-preview"),
    (Wire::Converse, Profile::Standard, SONNET),
    (Wire::Converse, Profile::Standard, "us.amazon.nova-pro-v1:0"),
];

pub(super) fn read(body: &[u8]) -> Json {
    serde_json::from_slice(body).unwrap()
}

pub(super) fn cross(from: Wire, body: &Json, to: (Wire, Profile, &str)) -> Written {
    let target = Target {
        wire: from,
        model: matches!(from, Wire::Gemini | Wire::Converse).then(|| "m".to_owned()),
        stream: None,
    };
    let request = Request::parse(target, body.to_string().into()).unwrap();
    let options = WriteOptions {
        model: to.2.to_owned(),
        profile: to.1,
        ..WriteOptions::default()
    };
    let written = translate_request(&request, to.0, &options);
    written.unwrap_or_else(|error| panic!("{} to {to:?}: {error}", from.as_str()))
}

fn context(written: &Written) -> AnswerContext {
    AnswerContext {
        id: "7".into(),
        model: "m".into(),
        back: Arc::new(written.back.clone()),
        ..AnswerContext::default()
    }
}

/// What agents send by default, each in its own format.
fn agents() -> Vec<(&'static str, Wire, Json)> {
    let schema = json!({"type": "object", "properties": {"x": {"type": "string"}}});
    vec![
        (
            "Claude Code",
            Wire::Messages,
            json!({"model": "m", "max_tokens": 128_000, "thinking": {"type": "adaptive"},
                "output_config": {"effort": "high"}, "metadata": {"user_id": "u"}, "temperature": 1,
                "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
                "mcp_servers": [], "system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "b"}],
                "tools": [{"name": "Read", "input_schema": schema, "eager_input_streaming": true},
                    {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}],
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "go"}]},
                    {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                        {"type": "text", "text": "\n\n"}, {"type": "tool_use", "id": "t1", "name": "Read", "input": {}},
                        {"type": "tool_use", "id": "t2", "name": "Read", "input": {}}]},
                    {"role": "user", "content": [
                        {"type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": "boom"},
                        {"type": "tool_result", "tool_use_id": "t2", "content": [{"type": "text", "text": "x"},
                            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}]},
                        {"type": "text", "text": "please"}]}]}),
        ),
        (
            "Codex",
            Wire::Responses,
            json!({"model": "m", "instructions": "be good", "store": false, "stream": true, "include": ["reasoning.encrypted_content"],
                "reasoning": {"effort": "medium", "summary": "auto"}, "prompt_cache_key": "k", "client_metadata": {"a": "b"},
                "parallel_tool_calls": true, "tool_choice": "auto", "text": {"verbosity": "low"},
                "tools": [{"type": "function", "name": "shell", "strict": false, "parameters": schema},
                    {"type": "custom", "name": "apply_patch", "description": "edits", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}},
                    {"type": "namespace", "name": "mcp__docs__", "description": "d", "tools": [{"type": "function", "name": "search", "parameters": schema}]},
                    {"type": "web_search", "external_web_access": false}],
                "input": [{"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "ask"}]},
                    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"}]},
                    {"type": "reasoning", "summary": [], "encrypted_content": "Zm9v"},
                    {"type": "message", "role": "assistant", "phase": "commentary", "content": [{"type": "output_text", "text": "ok"}]},
                    {"type": "custom_tool_call", "call_id": "c0", "name": "apply_patch", "input": "*** Begin Patch"},
                    {"type": "function_call", "call_id": "c1", "name": "search", "namespace": "mcp__docs__", "arguments": "{}"},
                    {"type": "custom_tool_call_output", "call_id": "c0", "output": "done"},
                    {"type": "function_call_output", "call_id": "c1", "output": "found"},
                    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "on"}]}]}),
        ),
        (
            "LangChain",
            Wire::Chat,
            json!({"model": "m", "seed": 7, "frequency_penalty": 0.1, "top_p": 0.9, "temperature": 0.2, "n": 1, "logit_bias": {},
                "user": "u", "metadata": {}, "parallel_tool_calls": false, "max_completion_tokens": 128_000, "a_new_field": {"x": 1},
                "tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters": {"type": "object"}}}],
                "messages": [{"role": "system", "content": "s", "name": "team"}, {"role": "user", "content": "hi", "name": "boss"},
                    {"role": "assistant", "content": null, "refusal": null, "annotations": [], "provider_specific_fields": {"a": 1},
                        "tool_calls": [{"id": "c.1/x", "index": 0, "type": "function", "function": {"name": "f", "arguments": "{\"a\": \"cut off"}}]},
                    {"role": "tool", "tool_call_id": "c.1/x", "content": [{"type": "text", "text": "1"}, {"type": "text", "text": "2"}]},
                    {"role": "system", "content": "late"}, {"role": "user", "content": "go"}]}),
        ),
        (
            "instructor",
            Wire::Chat,
            json!({"model": "m", "response_format": {"type": "json_object"}, "messages": [{"role": "user", "content": "JSON"}]}),
        ),
        (
            "pydantic-ai",
            Wire::Chat,
            json!({"model": "m", "response_format": {"type": "json_schema", "json_schema": {"name": "City", "description": "a city", "strict": true,
                "schema": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}}},
                "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
                "messages": [{"role": "user", "content": "a city"}]}),
        ),
        (
            "gemini-cli",
            Wire::Gemini,
            json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "safetySettings": [],
                "generationConfig": {"responseModalities": ["TEXT"], "temperature": 0, "topP": 1, "topK": 64, "thinkingConfig": {"includeThoughts": true, "thinkingBudget": -1}},
                "tools": [{"functionDeclarations": [{"name": "a.b:c", "parametersJsonSchema": schema, "response": {"type": "STRING"}}]}]}),
        ),
        (
            "boto3",
            Wire::Converse,
            json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}], "inferenceConfig": {"maxTokens": 50, "temperature": 0.5},
                "additionalModelResponseFieldPaths": ["/stop_sequence"], "requestMetadata": {"a": "b"}}),
        ),
    ]
}

#[test]
fn what_agents_send_by_default_is_refused_by_no_target() {
    let mut refused = Vec::new();
    for (agent, from, body) in agents() {
        for to in TARGETS.into_iter().filter(|to| to.0 != from) {
            let written = cross(from, &body, to);
            let _ = read(&written.body);
            let lost = written
                .lost
                .iter()
                .filter(|lost| lost.grade == Grade::Refused);
            refused.extend(
                lost.map(|lost| format!("{agent} to {to:?}: {}: {}", lost.param, lost.why)),
            );
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn a_failed_result_and_its_image_reach_every_target() {
    let (_, from, body) = agents().swap_remove(0);
    for to in TARGETS.into_iter().filter(|to| to.0 != from) {
        let written = cross(from, &body, to);
        let text = String::from_utf8(written.body.to_vec()).unwrap();
        assert!(text.contains("boom"), "{to:?}");
        assert!(text.contains("iVBORw0KGgo="), "{to:?}: the image is lost");
        assert!(
            text.to_lowercase().contains("error"),
            "{to:?}: the failure is lost"
        );
    }
}

#[test]
fn names_that_do_not_fit_come_back_as_they_were_and_do_not_collide() {
    let long = |end: &str| format!("mcp__{}{end}", "a".repeat(80));
    let names = [
        long("one"),
        long("two"),
        "with.dot".to_owned(),
        "ä".repeat(40),
        "x".repeat(10_000),
    ];
    let tools: Vec<Json> = names
        .iter()
        .map(|name| json!({"name": name, "input_schema": {"type": "object"}}))
        .collect();
    let body = json!({"model": "m", "max_tokens": 9, "tools": tools, "messages": [{"role": "user", "content": "go"}]});
    let to = (Wire::Chat, Profile::OpenAi, "gpt-4o");
    let written = cross(Wire::Messages, &body, to);
    let sent = read(&written.body);
    let sent: Vec<&str> = sent["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["function"]["name"].as_str().unwrap())
        .collect();
    let unique: std::collections::BTreeSet<_> = sent.iter().collect();
    assert_eq!(unique.len(), names.len());
    for (name, sent) in names.iter().zip(&sent) {
        assert!(
            sent.len() <= 64
                && sent
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
            "{sent}"
        );
        let answer = json!({"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": null,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": sent, "arguments": "{}"}}]}}]});
        let answer = Bytes::from(answer.to_string());
        let told =
            translate_answer(Wire::Chat, Wire::Messages, &answer, &context(&written)).unwrap();
        let told = read(&told);
        assert_eq!(told["content"][0]["name"], **name);
        assert_eq!(told["stop_reason"], "tool_use");
    }
    // The same name becomes the same in another request.
    let alone = json!({"model": "m", "max_tokens": 9, "tools": [{"name": names[1], "input_schema": {"type": "object"}}],
        "messages": [{"role": "user", "content": "go"}]});
    let alone = read(&cross(Wire::Messages, &alone, to).body);
    assert_eq!(alone["tools"][0]["function"]["name"], sent[1]);
}

/// The events of a chat stream in which the model calls that tool, in pieces.
fn calling(name: &str, arguments: &[&str], finish: &str) -> Vec<Bytes> {
    let chunk = |delta: Json, finish: Option<&str>| {
        Bytes::from(
            json!({"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
                .to_string(),
        )
    };
    let head = json!({"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": name, "arguments": ""}}]});
    let mut out = vec![
        chunk(json!({"role": "assistant", "content": ""}), None),
        chunk(head, None),
    ];
    for piece in arguments {
        out.push(chunk(
            json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}),
            None,
        ));
    }
    out.push(chunk(json!({}), Some(finish)));
    out
}

fn stream(from: Wire, to: Wire, events: &[Bytes], context: &AnswerContext) -> Vec<Json> {
    let mut translation = StreamTranslation::new(from, to, context);
    let mut out = Vec::new();
    for event in events {
        translation.push(None, event, &mut out).unwrap();
    }
    translation.end_of_body(&mut out);
    assert!(translation.has_ended());
    out.iter().map(|event| read(event)).collect()
}

#[test]
fn codexs_custom_tools_and_namespaces_come_back_in_a_stream() {
    let (_, from, body) = agents().swap_remove(1);
    let to = (Wire::Chat, Profile::Engine, "m");
    let written = cross(from, &body, to);
    let sent = read(&written.body);
    let names: Vec<&str> = sent["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["function"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["shell", "apply_patch", "mcp__docs__search"]);
    let done = |events: Vec<Json>| {
        let item = events
            .into_iter()
            .find(|event| event["type"] == "response.output_item.done");
        item.unwrap()["item"].clone()
    };
    let patch = calling(
        "apply_patch",
        &["{\"inp", "ut\": \"*** Begin\\nPa", "tch\"}"],
        "stop",
    );
    let item = done(stream(
        Wire::Chat,
        Wire::Responses,
        &patch,
        &context(&written),
    ));
    assert_eq!(item["type"], "custom_tool_call");
    assert_eq!(item["input"], "*** Begin\nPatch");
    let search = calling("mcp__docs__search", &["{}"], "tool_calls");
    let item = done(stream(
        Wire::Chat,
        Wire::Responses,
        &search,
        &context(&written),
    ));
    assert_eq!(
        (&item["name"], &item["namespace"]),
        (&json!("search"), &json!("mcp__docs__"))
    );
}

#[test]
fn tools_that_codex_declares_in_its_input_are_those_it_declares_beside_it() {
    let (_, from, mut body) = agents().swap_remove(1);
    let exec = json!({"type": "custom", "name": "exec", "description": "runs code"});
    let namespace = json!({"type": "namespace", "name": "functions", "tools": [exec]});
    body["tools"].as_array_mut().unwrap().push(namespace);
    let mut within = body.clone();
    let tools = within.as_object_mut().unwrap().remove("tools").unwrap();
    let item =
        json!({"type": "additional_tools", "id": "at_1", "role": "developer", "tools": tools});
    within["input"].as_array_mut().unwrap().insert(0, item);
    for to in TARGETS.into_iter().filter(|to| to.0 != Wire::Responses) {
        assert_eq!(cross(from, &within, to), cross(from, &body, to), "{to:?}");
    }
    let openai = read(&cross(from, &within, TARGETS[0]).body);
    assert_eq!(openai["tools"][3]["custom"]["name"], "functions__exec");
    let written = cross(from, &within, (Wire::Chat, Profile::Engine, "m"));
    let call = calling("functions__exec", &["{\"input\": \"1+", "1\"}"], "stop");
    let told = stream(Wire::Chat, Wire::Responses, &call, &context(&written));
    let done = |event: &&Json| event["type"] == "response.output_item.done";
    let item = &told.iter().find(done).unwrap()["item"];
    let named = ["type", "namespace", "name", "input"].map(|member| item[member].as_str());
    assert_eq!(
        named.map(Option::unwrap),
        ["custom_tool_call", "functions", "exec", "1+1"]
    );
}

#[test]
fn json_by_a_forced_tool_is_plain_content_whole_and_streamed() {
    let (_, from, body) = agents().swap_remove(3);
    let written = cross(
        from,
        &body,
        (Wire::Messages, Profile::Standard, "claude-sonnet-4-5"),
    );
    let sent = read(&written.body);
    let name = sent["tools"][0]["name"].as_str().unwrap();
    assert_eq!(sent["tool_choice"]["name"], name);
    let answer = json!({"id": "m", "type": "message", "role": "assistant", "model": "c", "stop_reason": "tool_use",
        "content": [{"type": "text", "text": "Here:"}, {"type": "tool_use", "id": "t", "name": name, "input": {"a": 1}}],
        "usage": {"input_tokens": 1, "output_tokens": 1}});
    let answer = Bytes::from(answer.to_string());
    let told =
        read(&translate_answer(Wire::Messages, Wire::Chat, &answer, &context(&written)).unwrap());
    let choice = &told["choices"][0];
    assert_eq!(
        read(choice["message"]["content"].as_str().unwrap().as_bytes()),
        json!({"a": 1})
    );
    assert_eq!(choice["finish_reason"], "stop");
    assert!(choice["message"].get("tool_calls").is_none());

    let events = [
        json!({"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 1, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Here:"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": name, "input": {}}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{\"a\":"}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "1}"}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 3}}),
        json!({"type": "message_stop"}),
    ];
    let events: Vec<Bytes> = events
        .iter()
        .map(|event| event.to_string().into())
        .collect();
    let told = stream(Wire::Messages, Wire::Chat, &events, &context(&written));
    let deltas = told
        .iter()
        .flat_map(|event| event["choices"].as_array().into_iter().flatten());
    let mut text = String::new();
    let mut finish = Json::Null;
    for choice in deltas {
        text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        assert!(choice["delta"].get("tool_calls").is_none());
        if !choice["finish_reason"].is_null() {
            finish = choice["finish_reason"].clone();
        }
    }
    assert_eq!((text.as_str(), finish), ("{\"a\":1}", json!("stop")));
}

#[test]
fn claude_is_asked_for_no_two_things_that_exclude_each_other() {
    let tool =
        json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    for to in TARGETS
        .into_iter()
        .filter(|to| matches!(to.0, Wire::Messages | Wire::Converse) && to.2.contains("claude"))
    {
        let base = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "reasoning_effort": "high",
            "temperature": 0.2, "top_p": 0.5, "top_k": 5, "max_tokens": 9000});
        for choice in [
            json!(null),
            json!("required"),
            json!({"type": "function", "function": {"name": "f"}}),
        ] {
            let mut body = base.clone();
            body["tools"] = tool.clone();
            body["tool_choice"] = choice.clone();
            let sent = read(&cross(Wire::Chat, &body, to).body);
            let (thinking, settings, forced) = match to.0 {
                Wire::Messages => (
                    &sent["thinking"],
                    &sent,
                    sent["tool_choice"]["type"] != "auto" && !sent["tool_choice"].is_null(),
                ),
                _ => (
                    &sent["additionalModelRequestFields"]["thinking"],
                    &sent["inferenceConfig"],
                    sent["toolConfig"]["toolChoice"].is_object(),
                ),
            };
            let thinks = matches!(thinking["type"].as_str(), Some("enabled" | "adaptive"));
            assert_eq!(thinks, choice.is_null(), "{to:?} {choice}");
            assert!(!(thinks && forced), "{to:?}");
            assert!(!(thinks && settings["temperature"].is_number()), "{to:?}");
            assert!(
                !(settings["temperature"].is_number()
                    && (settings["top_p"].is_number() || settings["topP"].is_number())),
                "{to:?}"
            );
            if let Some(budget) = thinking["budget_tokens"].as_u64() {
                assert!(
                    (1024..=9000 - 9000 / 4).contains(&budget),
                    "{to:?}: {budget}"
                );
            }
        }
    }
}

#[test]
fn a_history_with_calls_has_tools_that_must_not_be_called() {
    let body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "w?"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "t", "type": "function", "function": {"name": "w", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "t", "content": "sun"}, {"role": "user", "content": "sum up"}]});
    let sent = read(
        &cross(
            Wire::Chat,
            &body,
            (Wire::Converse, Profile::Standard, SONNET),
        )
        .body,
    );
    assert_eq!(sent["toolConfig"]["tools"][0]["toolSpec"]["name"], "w");
    assert_eq!(
        sent["additionalModelRequestFields"]["tool_choice"]["type"],
        "none"
    );
    let sent = read(
        &cross(
            Wire::Chat,
            &body,
            (Wire::Messages, Profile::Standard, "claude-sonnet-4-5"),
        )
        .body,
    );
    assert_eq!(
        (&sent["tools"][0]["name"], &sent["tool_choice"]["type"]),
        (&json!("w"), &json!("none"))
    );
}

#[test]
fn losses_are_named_by_the_clients_own_numbers() {
    let body = json!({"model": "m", "messages": [{"role": "system", "content": "a"}, {"role": "system", "content": "b"},
        {"role": "user", "content": "hi"}, {"role": "system", "content": "late"}, {"role": "user", "content": "go", "name": "boss"}]});
    let written = cross(Wire::Chat, &body, (Wire::Chat, Profile::Engine, "m"));
    let lost: Vec<&str> = written
        .lost
        .iter()
        .map(|lost| lost.param.as_str())
        .collect();
    assert_eq!(lost, ["messages[3].role"]);
    let sent = read(&written.body);
    let roles: Vec<&str> = sent["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["system", "user", "user", "user"]);
    assert_eq!(sent["messages"][0]["content"], "a\nb");
}
