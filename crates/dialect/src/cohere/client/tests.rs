use bytes::Bytes;
use serde_json::{Value, json};

use crate::Request;
use crate::door::{Door, Entered, Told};

fn entered(door: Door, body: Value) -> Value {
    match door.enter(&body.to_string().into(), &mut Told::default()) {
        Ok(Entered::Request(body)) => {
            Request::parse(door.wire(), body.clone()).unwrap();
            serde_json::from_slice(&body).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

fn refused(door: Door, body: Value) -> String {
    let error = door.enter(&body.to_string().into(), &mut Told::default());
    error.unwrap_err().param().unwrap_or_default().to_owned()
}

#[test]
fn a_conversation_is_openais() {
    let sent = entered(
        Door::CohereChat,
        json!({
            "model": "m", "k": 3, "p": 0.5, "stop_sequences": ["x"], "max_tokens": 5,
            "safety_mode": "OFF", "tool_choice": "REQUIRED", "unknown": 1,
            "thinking": {"type": "enabled", "token_budget": 100},
            "response_format": {"type": "json_object", "schema": {"type": "object"}},
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
            "documents": ["plain", {"id": "1", "data": {"title": "t"}}],
            "messages": [
                {"role": "user", "content": "ask"},
                {"role": "assistant", "tool_plan": "look", "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c", "content": [
                    {"type": "document", "document": {"data": "found"}}]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "so"}]},
                {"role": "user", "content": [{"type": "text", "text": "and?"},
                    {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
            ],
        }),
    );
    let messages = &sent["messages"];
    assert_eq!(messages[0]["content"], "ask");
    assert_eq!(messages[1]["reasoning_content"], "look");
    assert_eq!(
        messages[2]["content"],
        json!([{"type": "text", "text": "found"}])
    );
    assert_eq!(messages[3]["reasoning_content"], "hm");
    assert_eq!(
        messages[3]["content"],
        json!([{"type": "text", "text": "so"}])
    );
    let last = messages[4]["content"].as_array().unwrap();
    assert_eq!(last[0]["text"], "Document:\nplain");
    assert_eq!(last[1]["text"], "Document:\n{\"title\":\"t\"}");
    assert_eq!(last.len(), 4);
    for (name, value) in [
        ("top_k", json!(3)),
        ("top_p", json!(0.5)),
        ("stop", json!(["x"])),
        ("tool_choice", json!("required")),
        ("thinking_token_budget", json!(100)),
        ("unknown", json!(1)),
        ("stream", json!(false)),
    ] {
        assert_eq!(sent[name], value, "{name}");
    }
    assert_eq!(
        sent["response_format"]["json_schema"]["schema"],
        json!({"type": "object"})
    );
    assert!(sent.get("safety_mode").is_none());
}

#[test]
fn what_can_not_be_read_is_refused_by_name() {
    let chat = |name: &str, value: Value| {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
        body[name] = value;
        refused(Door::CohereChat, body)
    };
    assert_eq!(chat("tool_choice", json!("AUTO")), "tool_choice");
    assert_eq!(
        chat("response_format", json!({"type": "x"})),
        "response_format.type"
    );
    assert_eq!(chat("thinking", json!({})), "thinking.type");
    assert_eq!(chat("documents", json!([1])), "documents[0]");
    assert_eq!(refused(Door::CohereChat, json!({"model": "m"})), "messages");
    let embed = |name: &str, value: Value| {
        let mut body = json!({"model": "m", "texts": ["x"]});
        body[name] = value;
        refused(Door::CohereEmbed, body)
    };
    assert_eq!(embed("images", json!(["data:"])), "images");
    assert_eq!(embed("embedding_types", json!(["int8"])), "embedding_types");
    assert_eq!(refused(Door::CohereEmbed, json!({"model": "m"})), "texts");
}

#[test]
fn answers_are_coheres_whole_and_in_events() {
    let body: Bytes = json!({"choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
        "role": "assistant", "content": "plan", "tool_calls": [{"id": "c", "type": "function",
            "function": {"name": "f", "arguments": "{}"}}]}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
    .to_string()
    .into();
    let told = Told {
        id: "1".into(),
        ..Told::default()
    };
    let whole: Value =
        serde_json::from_slice(&Door::CohereChat.answer(&body, &told).unwrap()).unwrap();
    assert_eq!(whole["finish_reason"], "TOOL_CALL");
    assert_eq!(whole["message"]["tool_plan"], "plan");
    assert_eq!(whole["message"]["tool_calls"][0]["function"]["name"], "f");
    assert_eq!(whole["usage"]["tokens"]["output_tokens"], 4);

    let mut stream = Door::CohereChat.stream(told).unwrap();
    let mut out = Vec::new();
    let mut push = |delta: Value, finish: Value| {
        let event = json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
        stream.event(&event.to_string().into(), &mut out);
    };
    push(json!({"reasoning_content": "hm"}), Value::Null);
    push(json!({"content": "a"}), Value::Null);
    push(json!({"content": "b"}), Value::Null);
    push(
        json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]}),
        Value::Null,
    );
    push(
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        Value::Null,
    );
    push(json!({}), json!("tool_calls"));
    stream.end(&mut out);
    let events: Vec<Value> = out
        .iter()
        .map(|event| serde_json::from_slice(event).unwrap())
        .collect();
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "message-start",
            "content-start",
            "content-delta",
            "content-end",
            "content-start",
            "content-delta",
            "content-delta",
            "content-end",
            "tool-call-start",
            "tool-call-delta",
            "tool-call-end",
            "message-end"
        ]
    );
    assert_eq!(events[2]["delta"]["message"]["content"]["thinking"], "hm");
    assert_eq!(events[4]["index"], 1);
    assert_eq!(events[11]["delta"]["finish_reason"], "TOOL_CALL");
}

#[test]
fn calls_whose_pieces_come_in_turns_are_told_one_after_another() {
    let mut stream = Door::CohereChat.stream(Told::default()).unwrap();
    let mut out = Vec::new();
    for (index, name, arguments) in [(0, "f", ""), (1, "g", ""), (0, "", "{}"), (1, "", "[1]")] {
        let event = json!({"choices": [{"index": 0, "delta": {"tool_calls": [
            {"index": index, "function": {"name": name, "arguments": arguments}}]}}]});
        stream.event(&event.to_string().into(), &mut out);
    }
    stream.end(&mut out);
    let told: Vec<(String, Value)> = out
        .iter()
        .map(|event| serde_json::from_slice::<Value>(event).unwrap())
        .map(|event| {
            (
                event["type"].as_str().unwrap().to_owned(),
                event["index"].clone(),
            )
        })
        .collect();
    let calls: Vec<(&str, u64)> = told
        .iter()
        .filter_map(|(kind, index)| Some((kind.strip_prefix("tool-call-")?, index.as_u64()?)))
        .collect();
    assert_eq!(
        calls,
        [
            ("start", 0),
            ("delta", 0),
            ("end", 0),
            ("start", 1),
            ("delta", 1),
            ("end", 1)
        ]
    );
}

#[test]
fn content_between_the_pieces_of_a_call_does_not_end_it() {
    let mut stream = Door::CohereChat.stream(Told::default()).unwrap();
    let mut out = Vec::new();
    let call = |index: u64, name: &str, arguments: &str| json!({"tool_calls": [{"index": index, "id": name, "function": {"name": name, "arguments": arguments}}]});
    for delta in [
        json!({"content": "a"}),
        call(0, "f", "{\"x\""),
        json!({"reasoning_content": "hm"}),
        call(1, "g", "["),
        json!({"content": "b"}),
        call(0, "", ":1}"),
        call(1, "", "]"),
    ] {
        let event = json!({"choices": [{"index": 0, "delta": delta}]});
        stream.event(&event.to_string().into(), &mut out);
    }
    stream.end(&mut out);
    let (mut calls, mut said, mut open) = (Vec::<[String; 2]>::new(), String::new(), 0);
    for event in out {
        let event: Value = serde_json::from_slice(&event).unwrap();
        let message = &event["delta"]["message"];
        let of_call = &message["tool_calls"]["function"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match event["type"].as_str().unwrap() {
            "tool-call-start" => calls.push([text(&of_call["name"]), text(&of_call["arguments"])]),
            "tool-call-delta" => {
                let at = event["index"].as_u64().unwrap() as usize;
                calls[at][1].push_str(&text(&of_call["arguments"]));
            }
            "content-start" => open += 1,
            "content-end" => open -= 1,
            "content-delta" => {
                said += &text(&message["content"]["thinking"]);
                said += &text(&message["content"]["text"]);
            }
            _ => {}
        }
        assert!(open <= 1);
    }
    assert_eq!((said.as_str(), open), ("ahmb", 0));
    assert_eq!(calls, [["f", "{\"x\":1}"], ["g", "[]"]]);
}

#[test]
fn texts_are_embedded() {
    let sent = entered(
        Door::CohereEmbed,
        json!({"model": "m", "input_type": "search_query", "embedding_types": ["float"],
            "inputs": [{"content": [{"type": "text", "text": "a"}]}], "output_dimension": 2}),
    );
    assert_eq!(sent["input"], json!(["a"]));
    assert_eq!(sent["dimensions"], 2);
    assert_eq!(sent["input_type"], "search_query");
    let body: Bytes = json!({"data": [{"embedding": [1]}], "usage": {"prompt_tokens": 5}})
        .to_string()
        .into();
    let answer = Door::CohereEmbed.answer(&body, &Told::default()).unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["embeddings"]["float"], json!([[1]]));
}

#[test]
fn googles_embeddings_are_openais_too() {
    let content = |text: &str| json!({"parts": [{"text": text}]});
    let mut told = Told {
        model: "m".into(),
        ..Told::default()
    };
    let mut enter = |door: Door, body: Value| match door.enter(&body.to_string().into(), &mut told)
    {
        Ok(Entered::Request(body)) => serde_json::from_slice::<Value>(&body).unwrap(),
        other => panic!("{other:?}"),
    };
    let one = enter(
        Door::GeminiEmbed,
        json!({"content": content("a"), "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 3}),
    );
    assert_eq!(one["input"], json!(["a"]));
    assert_eq!(
        (&one["task_type"], &one["dimensions"]),
        (&json!("RETRIEVAL_QUERY"), &json!(3))
    );
    let batch = enter(
        Door::GeminiBatchEmbed,
        json!({"requests": [{"model": "models/m", "content": content("a")}, {"content": content("b")}]}),
    );
    assert_eq!(batch["input"], json!(["a", "b"]));
    for (body, param) in [
        (json!({"requests": []}), "requests"),
        (
            json!({"requests": [{"content": content("a"), "title": "x"}, {"content": content("b")}]}),
            "requests",
        ),
        (json!({"requests": [{}]}), "requests[0].content"),
        (
            json!({"requests": [{"content": {"parts": [{"inlineData": {}}]}}]}),
            "requests[0].content.parts[0]",
        ),
    ] {
        assert_eq!(refused(Door::GeminiBatchEmbed, body), param);
    }
    let body: Bytes = json!({"data": [{"embedding": [1]}]}).to_string().into();
    let answer = |door: Door| door.answer(&body, &Told::default()).unwrap();
    assert_eq!(answer(Door::GeminiEmbed), r#"{"embedding":{"values":[1]}}"#);
    assert_eq!(
        answer(Door::GeminiBatchEmbed),
        r#"{"embeddings":[{"values":[1]}]}"#
    );
}

#[test]
fn what_is_not_known_keeps_its_name_at_every_door() {
    let name = "a\"b\\c";
    let message = json!([{"role": "user", "content": "x", name: 1}]);
    let content = json!({"parts": [{"text": "x"}]});
    for (door, body) in [
        (
            Door::CohereChat,
            json!({"model": "m", "messages": message, name: 1}),
        ),
        (
            Door::CohereEmbed,
            json!({"model": "m", "texts": ["x"], name: 1}),
        ),
        (
            Door::OllamaChat,
            json!({"model": "m", "messages": message, name: 1}),
        ),
        (
            Door::OllamaGenerate,
            json!({"model": "m", "prompt": "x", name: 1}),
        ),
        (
            Door::OllamaEmbed,
            json!({"model": "m", "input": "x", name: 1}),
        ),
        (Door::GeminiEmbed, json!({"content": content, name: 1})),
    ] {
        let sent = entered(door, body);
        assert_eq!(sent[name], 1, "{door:?}: {sent}");
        let message = sent
            .get("messages")
            .filter(|_| door != Door::OllamaGenerate);
        if let Some(message) = message {
            assert_eq!(message[0][name], 1, "{door:?}: {sent}");
        }
    }
}
