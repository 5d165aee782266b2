use bytes::Bytes;
use serde_json::{Value, json};

use crate::Request;
use crate::canonical::Operation;
use crate::door::{Door, Entered, Told};

fn told() -> Told {
    Told {
        now: 1_735_689_599,
        ..Told::default()
    }
}

fn entered(door: Door, body: Value) -> Value {
    match door.enter(&body.to_string().into(), &mut told()) {
        Ok(Entered::Request(body)) => {
            Request::parse(door.wire(), body.clone()).unwrap();
            serde_json::from_slice(&body).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

fn refused(door: Door, body: Value) -> String {
    let error = door.enter(&body.to_string().into(), &mut told());
    error.unwrap_err().param().unwrap_or_default().to_owned()
}

#[test]
fn a_conversation_with_calls_and_pictures_is_openais() {
    let sent = entered(
        Door::OllamaChat,
        json!({
            "model": "m", "keep_alive": "5m", "think": "low", "unknown": {"a": 1},
            "format": {"type": "object"},
            "options": {"num_ctx": 4096, "num_predict": 7, "temperature": 0.5, "stop": ["x"],
                "repeat_penalty": 1.1, "top_k": 3, "own": true},
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
            "messages": [
                {"role": "user", "content": "look", "images": ["/9j/aGk="]},
                {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
                    {"function": {"name": "f", "arguments": {"b": 1, "a": 2}}},
                    {"function": {"name": "g", "arguments": {}}}]},
                {"role": "tool", "tool_name": "g", "content": "2"},
                {"role": "tool", "tool_name": "f", "content": "1"},
            ],
        }),
    );
    let messages = &sent["messages"];
    assert_eq!(
        messages[0]["content"][1]["image_url"]["url"],
        "data:image/jpeg;base64,/9j/aGk="
    );
    assert_eq!(messages[1]["reasoning_content"], "hm");
    let calls = &messages[1]["tool_calls"];
    assert_eq!(calls[0]["function"]["arguments"], r#"{"a":2,"b":1}"#);
    assert_eq!(messages[2]["tool_call_id"], calls[1]["id"]);
    assert_eq!(messages[3]["tool_call_id"], calls[0]["id"]);
    for (name, value) in [
        ("stream", json!(true)),
        ("stream_options", json!({"include_usage": true})),
        ("max_tokens", json!(7)),
        ("temperature", json!(0.5)),
        ("stop", json!(["x"])),
        ("repetition_penalty", json!(1.1)),
        ("top_k", json!(3)),
        ("reasoning_effort", json!("low")),
        ("own", json!(true)),
        ("unknown", json!({"a": 1})),
    ] {
        assert_eq!(sent[name], value, "{name}");
    }
    assert_eq!(
        sent["response_format"]["json_schema"]["schema"],
        json!({"type": "object"})
    );
    assert!(sent.get("num_ctx").is_none() && sent.get("keep_alive").is_none());
}

#[test]
fn a_prompt_is_a_conversation_of_one_message() {
    let sent = entered(
        Door::OllamaGenerate,
        json!({"model": "m", "prompt": "hi", "system": "be brief", "stream": false, "format": "json"}),
    );
    assert_eq!(
        sent["messages"][0],
        json!({"role": "system", "content": "be brief"})
    );
    assert_eq!(
        sent["messages"][1],
        json!({"role": "user", "content": "hi"})
    );
    assert_eq!(sent["response_format"], json!({"type": "json_object"}));
    assert_eq!(sent["stream"], false);
}

#[test]
fn what_has_no_words_in_openais_form_is_refused_by_name() {
    let generate = |name: &str, value: Value| {
        let mut body = json!({"model": "m", "prompt": "hi"});
        body[name] = value;
        refused(Door::OllamaGenerate, body)
    };
    for (name, value) in [
        ("suffix", json!("x")),
        ("template", json!("x")),
        ("context", json!([1])),
        ("raw", json!(true)),
        ("format", json!("yaml")),
        ("think", json!("much")),
    ] {
        assert_eq!(generate(name, value), name);
    }
    assert_eq!(refused(Door::OllamaChat, json!({"messages": []})), "model");
    let odd = json!({"model": "m", "messages": 7});
    assert_eq!(refused(Door::OllamaChat, odd), "messages");
    let lone = json!({"model": "m", "messages": [{"role": "tool", "content": "1"}]});
    assert_eq!(refused(Door::OllamaChat, lone), "messages[0]");
    assert_eq!(refused(Door::OllamaEmbed, json!({"model": "m"})), "input");
}

#[test]
fn a_request_to_load_a_model_is_answered_at_the_door() {
    for (door, body, reason) in [
        (Door::OllamaChat, json!({"model": "m"}), "load"),
        (
            Door::OllamaGenerate,
            json!({"model": "m", "keep_alive": 0}),
            "unload",
        ),
    ] {
        match door.enter(&body.to_string().into(), &mut told()).unwrap() {
            Entered::Answer(body) => {
                let body: Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(
                    (&body["done"], &body["done_reason"]),
                    (&json!(true), &json!(reason))
                );
                assert_eq!(body["created_at"], "2024-12-31T23:59:59Z");
            }
            other => panic!("{other:?}"),
        }
    }
}

fn chunk(delta: Value, finish: Value) -> Bytes {
    json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
        .to_string()
        .into()
}

#[test]
fn a_stream_is_lines_and_a_call_is_told_whole() {
    let mut stream = Door::OllamaChat.stream(told()).unwrap();
    let mut out = Vec::new();
    let call = |index: u32, id: Option<&str>, name: Option<&str>, arguments: &str| {
        json!({"tool_calls": [{"index": index, "id": id,
            "function": {"name": name, "arguments": arguments}}]})
    };
    for event in [
        chunk(json!({"role": "assistant", "content": ""}), Value::Null),
        chunk(
            json!({"reasoning": "hm", "reasoning_content": "hm"}),
            Value::Null,
        ),
        chunk(json!({"content": "a"}), Value::Null),
        chunk(call(0, Some("x"), Some("f"), "{\"a\":"), Value::Null),
        chunk(call(0, None, None, "1}"), Value::Null),
        chunk(call(1, Some("y"), Some("g"), ""), Value::Null),
        chunk(json!({}), json!("tool_calls")),
        json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
            .to_string()
            .into(),
    ] {
        stream.event(&event, &mut out);
    }
    stream.end(&mut out);
    let lines: Vec<Value> = out
        .iter()
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0]["message"]["thinking"], "hm");
    assert_eq!(lines[1]["message"]["content"], "a");
    let calls = &lines[2]["message"]["tool_calls"];
    assert_eq!(calls[0]["function"]["arguments"], json!({"a": 1}));
    assert_eq!(calls[1]["function"]["arguments"], json!({}));
    assert_eq!(lines[3]["done"], true);
    assert_eq!(lines[3]["eval_count"], 4);
}

#[test]
fn a_whole_answer_says_what_its_endpoint_says() {
    let body: Bytes = json!({"choices": [{"index": 0, "finish_reason": "length",
        "message": {"role": "assistant", "content": "hi", "reasoning_content": "hm"}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
    .to_string()
    .into();
    let parsed = |door: Door| -> Value {
        serde_json::from_slice(&door.answer(&body, &told()).unwrap()).unwrap()
    };
    let chat = parsed(Door::OllamaChat);
    assert_eq!(chat["message"]["content"], "hi");
    assert_eq!(chat["done_reason"], "length");
    let generated = parsed(Door::OllamaGenerate);
    assert_eq!(
        (&generated["response"], &generated["thinking"]),
        (&json!("hi"), &json!("hm"))
    );
    assert_eq!(
        Door::OllamaChat.answer(&Bytes::from_static(b"{}"), &told()),
        None
    );
}

#[test]
fn vectors_come_in_the_order_of_their_texts() {
    let sent = entered(
        Door::OllamaEmbed,
        json!({"model": "m", "input": "a", "dimensions": 2}),
    );
    assert_eq!(sent["input"], json!(["a"]));
    assert_eq!(sent["encoding_format"], "float");
    let body: Bytes =
        json!({"data": [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}],
        "usage": {"prompt_tokens": 5}})
        .to_string()
        .into();
    let answer: Value =
        serde_json::from_slice(&Door::OllamaEmbed.answer(&body, &told()).unwrap()).unwrap();
    assert_eq!(answer["embeddings"], json!([[1], [2]]));
    assert_eq!(answer["prompt_eval_count"], 5);
    let old: Value =
        serde_json::from_slice(&Door::OllamaEmbeddings.answer(&body, &told()).unwrap()).unwrap();
    assert_eq!(old["embedding"], json!([1]));
    assert_eq!(Operation::Embedding, Door::OllamaEmbed.wire().operation());
}
