//! Clients of Ollama, of Cohere and of Google's embeddings: what they send reaches every target in
//! the form that it takes, and odd answers come back whole.

use bytes::Bytes;
use forebay_dialect::door::{Door, Entered, Told};
use forebay_dialect::{Request, Wire};
use serde_json::{Value as Json, json};

use crate::answers::streams;
use crate::requests::{PNG, Situation};
use crate::{TARGETS, faults_of, wires};

fn ollama() -> Vec<(&'static str, Json, Vec<&'static str>)> {
    let tool = json!({"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}});
    let called = json!([{"role": "user", "content": "hello there"},
        {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}, {"function": {"name": "f", "arguments": {}}}]},
        {"role": "tool", "tool_name": "f", "content": "boom"}, {"role": "tool", "tool_name": "f", "content": "bang"}]);
    let said = json!([{"role": "user", "content": "hello there"}]);
    vec![
        ("plain", json!({ "messages": said }), vec!["hello there"]),
        (
            "tools",
            json!({"messages": called, "tools": [tool]}),
            vec!["hello there", "boom", "bang"],
        ),
        (
            "an image",
            json!({"messages": [{"role": "user", "content": "hello there", "images": [PNG]}]}),
            vec!["hello there", PNG],
        ),
        (
            "a format",
            json!({"messages": said, "format": "json"}),
            vec!["hello there"],
        ),
        (
            "a schema",
            json!({"messages": said, "format": {"type": "object", "properties": {}}}),
            vec!["hello there"],
        ),
        (
            "options",
            json!({"messages": said, "keep_alive": "5m", "think": true, "options": {"num_predict": 2000, "temperature": 0.5, "top_k": 3,
            "top_p": 0.9, "min_p": 0.1, "seed": 1, "stop": ["a"], "repeat_penalty": 1.1, "num_ctx": 4096}}),
            vec!["hello there"],
        ),
    ]
}

fn cohere() -> Vec<(&'static str, Json, Vec<&'static str>)> {
    let tool = json!({"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}});
    let called = json!([{"role": "user", "content": "hello there"},
        {"role": "assistant", "tool_plan": "plan", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "document", "document": {"id": "1", "data": "boom"}}]}]);
    let said = json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": [{"type": "text", "text": "hello there"}]}]);
    vec![
        (
            "plain",
            json!({ "messages": said }),
            vec!["be brief", "hello there"],
        ),
        (
            "tools",
            json!({"messages": called, "tools": [tool], "tool_choice": "NONE"}),
            vec!["hello there", "boom"],
        ),
        (
            "documents",
            json!({"messages": said, "documents": ["facts", {"data": {"title": "more"}}]}),
            vec!["facts", "more"],
        ),
        (
            "settings",
            json!({"messages": said, "k": 5, "p": 0.5, "seed": 1, "max_tokens": 2000, "stop_sequences": ["a"], "safety_mode": "OFF",
            "thinking": {"type": "enabled", "token_budget": 1024}, "frequency_penalty": 0.5}),
            vec!["hello there"],
        ),
    ]
}

fn entered(door: Door, mut body: Json) -> Bytes {
    if body.get("model").is_none() {
        body["model"] = json!("m");
    }
    let mut told = Told {
        model: "m".to_owned(),
        ..Told::default()
    };
    match door.enter(&body.to_string().into(), &mut told).unwrap() {
        Entered::Request(body) => body,
        Entered::Answer(answer) => panic!("{answer:?}"),
    }
}

#[test]
fn what_their_clients_send_reaches_every_target_in_the_form_that_it_takes() {
    let mut faults = Vec::new();
    let rows = [(Door::OllamaChat, ollama()), (Door::CohereChat, cohere())];
    for (door, rows) in rows {
        for (name, body, see) in rows {
            let made = entered(door, body.clone());
            let request = Request::parse(wires::target(Wire::Chat, false), made).unwrap();
            let situation: Situation = (name, Wire::Chat, body, see);
            for to in TARGETS {
                let found = faults_of(&situation, &request, to);
                faults.extend(
                    found
                        .into_iter()
                        .map(|fault| format!("{door:?} {name} to {}: {fault}", to.2)),
                );
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn odd_streams_are_whole_answers_for_their_clients() {
    let mut faults = Vec::new();
    for (name, chunks, text, calls) in streams() {
        for door in [Door::OllamaChat, Door::CohereChat] {
            let mut stream = door.stream(Told::default()).unwrap();
            let mut out = Vec::new();
            for chunk in &chunks {
                stream.event(&chunk.to_string().into(), &mut out);
            }
            stream.end(&mut out);
            let events: Vec<Json> = out
                .iter()
                .map(|event| serde_json::from_slice(event).unwrap())
                .collect();
            let said: String = events
                .iter()
                .filter_map(|event| match door {
                    Door::OllamaChat => event["message"]["content"].as_str(),
                    _ => event["delta"]["message"]["content"]["text"].as_str(),
                })
                .collect();
            let called = events.iter().any(|event| {
                !event
                    .pointer("/message/tool_calls")
                    .or(event.pointer("/delta/message/tool_calls/function/name"))
                    .unwrap_or(&Json::Null)
                    .is_null()
            });
            let last = events.last().unwrap();
            let ended = last["done"] == true || last["type"] == "message-end";
            if said != text || called != calls || !ended {
                faults.push(format!("{name} through {door:?}: {events:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn texts_that_are_to_be_embedded_arrive_whatever_they_stand_in() {
    let content = json!({"parts": [{"text": "hello"}]});
    let rows = [
        (Door::GeminiEmbed, json!({"content": content}), 1),
        (
            Door::GeminiEmbed,
            json!({"content": content, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 8}),
            1,
        ),
        (
            Door::GeminiEmbed,
            json!({"content": {"role": "user", "parts": [{"text": "hello"}]}, "title": null}),
            1,
        ),
        (
            Door::GeminiBatchEmbed,
            json!({"requests": [{"model": "models/m", "content": content}, {"model": "models/m", "content": content}]}),
            2,
        ),
        (Door::OllamaEmbed, json!({"input": "hello"}), 1),
        (
            Door::OllamaEmbed,
            json!({"input": ["hello", "hello"], "truncate": true}),
            2,
        ),
        (Door::OllamaEmbeddings, json!({"prompt": "hello"}), 1),
        (
            Door::CohereEmbed,
            json!({"texts": ["hello"], "input_type": "search_query", "embedding_types": ["float"]}),
            1,
        ),
    ];
    for (door, body, count) in rows {
        let made = entered(door, body.clone());
        Request::parse(wires::target(Wire::Embeddings, false), made.clone()).unwrap();
        let text = String::from_utf8(made.to_vec()).unwrap();
        assert_eq!(
            text.matches("hello").count(),
            count,
            "{door:?} {body}: {text}"
        );
        let vector = json!({"object": "embedding", "index": 0, "embedding": [0.5, 1.0]});
        let vectors: Vec<Json> = (0..count)
            .map(|index| {
                let mut one = vector.clone();
                one["index"] = json!(index);
                one
            })
            .collect();
        let answer = json!({"object": "list", "model": "u", "data": vectors, "usage": {"prompt_tokens": 1, "total_tokens": 1}});
        let told = Told {
            texts: vec!["hello".to_owned(); count],
            ..Told::default()
        };
        let back = door.answer(&answer.to_string().into(), &told).unwrap();
        let back = String::from_utf8(back.to_vec()).unwrap();
        assert_eq!(back.matches("0.5").count(), count, "{door:?}: {back}");
    }
}
