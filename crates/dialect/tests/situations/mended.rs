//! What passes in its own format, and what no client of that format could read of it: mended, and
//! every other byte as it came.

use bytes::Bytes;
use forebay_dialect::canonical::Part;
use forebay_dialect::{AnswerContext, BodyChange, Mender, Request, Wire, mend_answer};
use serde_json::{Value as Json, json};

use crate::agents;

fn context(echo: Json) -> AnswerContext {
    AnswerContext {
        id: "7".into(),
        model: "m".into(),
        echo: echo.to_string(),
        ..AnswerContext::default()
    }
}

fn chunk(delta: Json, finish: Json) -> Json {
    json!({"id": "x", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

fn piece(piece: Json) -> Json {
    chunk(json!({"tool_calls": [piece]}), Json::Null)
}

fn end(finish: &str) -> Json {
    chunk(json!({}), json!(finish))
}

/// A stream as OpenAI's client adds it up: strings are appended to what was told, by the numbers
/// of the calls. The calls (id, name, arguments), and why it ended.
fn added_up(chunks: &[Json]) -> (Vec<[String; 3]>, Json) {
    let mut mender = Mender::new(Wire::Chat, &context(json!({})));
    let mut calls: Vec<[String; 3]> = Vec::new();
    let mut finish = Json::Null;
    for chunk in chunks {
        let data = mender.event(chunk.to_string().into());
        let told: Json = serde_json::from_slice(&data).unwrap();
        let choice = &told["choices"][0];
        for call in choice["delta"]["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let at = call["index"].as_u64().unwrap() as usize;
            calls.resize_with(calls.len().max(at + 1), Default::default);
            let texts = [
                &call["id"],
                &call["function"]["name"],
                &call["function"]["arguments"],
            ];
            for (sum, more) in calls[at].iter_mut().zip(texts) {
                assert!(!more.is_object(), "{call}");
                sum.push_str(more.as_str().unwrap_or_default());
            }
        }
        if !choice["finish_reason"].is_null() {
            finish = choice["finish_reason"].clone();
        }
    }
    (calls, finish)
}

#[test]
fn odd_calls_in_a_stream_add_up_to_what_they_say() {
    let of = |name: &str, arguments: &str| json!({"name": name, "arguments": arguments});
    let rows = [
        (
            "no numbers",
            vec![
                piece(json!({"id": "a", "type": "function", "function": of("f", "{\"x\"")})),
                piece(json!({"function": {"arguments": ":1}"}})),
                piece(json!({"id": "b", "type": "function", "function": of("g", "{}")})),
                end("tool_calls"),
            ],
            vec![["a", "f", "{\"x\":1}"], ["b", "g", "{}"]],
        ),
        (
            "no numbers, two at once",
            vec![chunk(
                json!({"tool_calls": [{"id": "a", "function": of("f", "{}")}, {"id": "b", "function": of("g", "{}")}]}),
                json!("tool_calls"),
            )],
            vec![["a", "f", "{}"], ["b", "g", "{}"]],
        ),
        (
            "one number for two calls",
            vec![
                piece(
                    json!({"index": 0, "id": "a", "type": "function", "function": of("f", "{}")}),
                ),
                piece(
                    json!({"index": 0, "id": "b", "type": "function", "function": of("g", "{\"x\"")}),
                ),
                piece(json!({"index": 0, "function": {"arguments": ":1}"}})),
                end("stop"),
            ],
            vec![["a", "f", "{}"], ["b", "g", "{\"x\":1}"]],
        ),
        (
            "heads that come again",
            vec![
                piece(
                    json!({"index": 0, "id": "a", "type": "function", "function": of("get_it", "{")}),
                ),
                piece(
                    json!({"index": 0, "id": "a", "type": "function", "function": of("get_it", "}")}),
                ),
                end("tool_calls"),
            ],
            vec![["a", "get_it", "{}"]],
        ),
        (
            "neither ids nor types, and an object",
            vec![
                piece(json!({"index": 0, "function": {"name": "f", "arguments": {"x": 1}}})),
                end("stop"),
            ],
            vec![["call_7_0", "f", "{\"x\":1}"]],
        ),
        (
            "one number for two calls, whose pieces tell their ids",
            vec![
                piece(
                    json!({"index": 0, "id": "a", "type": "function", "function": of("f", "{\"x\"")}),
                ),
                piece(
                    json!({"index": 0, "id": "b", "type": "function", "function": of("g", "{\"y\"")}),
                ),
                piece(json!({"index": 0, "id": "a", "function": {"arguments": ":1}"}})),
                piece(json!({"index": 0, "id": "b", "function": {"arguments": ":2}"}})),
                end("tool_calls"),
            ],
            vec![["a", "f", "{\"x\":1}"], ["b", "g", "{\"y\":2}"]],
        ),
        (
            "numbers in quotes, in turns",
            vec![
                piece(
                    json!({"index": "0", "id": "a", "type": "function", "function": of("f", "{")}),
                ),
                piece(
                    json!({"index": "1", "id": "b", "type": "function", "function": of("g", "{")}),
                ),
                piece(json!({"index": "0", "function": {"arguments": "}"}})),
                piece(json!({"index": "1", "function": {"arguments": "}"}})),
                end("tool_calls"),
            ],
            vec![["a", "f", "{}"], ["b", "g", "{}"]],
        ),
        (
            "one id for two calls, numbered",
            vec![
                piece(json!({"index": 0, "id": "a", "type": "function", "function": of("f", "{")})),
                piece(json!({"index": 1, "id": "a", "type": "function", "function": of("f", "{")})),
                piece(json!({"index": 0, "id": "a", "function": {"arguments": "}"}})),
                piece(json!({"index": 1, "function": {"arguments": "}"}})),
                end("tool_calls"),
            ],
            vec![["a", "f", "{}"], ["a", "f", "{}"]],
        ),
        (
            "an id ahead of the name",
            vec![
                piece(
                    json!({"index": 0, "id": "a", "type": "function", "function": {"arguments": ""}}),
                ),
                piece(json!({"index": 0, "function": of("f", "{}")})),
                end("stop"),
            ],
            vec![["a", "f", "{}"]],
        ),
    ];
    for (name, chunks, expected) in rows {
        // What passes and what crosses agree on the calls.
        let crossed = agents::whole(Wire::Chat, Wire::Messages, &chunks);
        let calls = crossed["content"].as_array().unwrap();
        let called = calls.iter().map(|call| (&call["name"], &call["input"]));
        let named = |of: &[&str; 3]| (json!(of[1]), serde_json::from_str(of[2]).unwrap());
        let all: Vec<(Json, Json)> = expected.iter().map(named).collect();
        assert!(
            called.eq(all.iter().map(|(n, i)| (n, i))),
            "{name}: {crossed}"
        );
        let expected: Vec<[String; 3]> = expected.iter().map(|c| c.map(str::to_owned)).collect();
        assert_eq!(added_up(&chunks), (expected, json!("tool_calls")), "{name}");
    }
}

#[test]
fn what_is_as_openai_sends_it_stays_byte_for_byte() {
    let call =
        r#"{"index": 0, "id":"a","type":"function", "function":{"name":"f","arguments":""}}"#;
    let with = |inner: &str, finish: &str| {
        format!(
            r#"{{"id":"x" ,"choices":[{{"index":0,"delta":{{{inner}}},"finish_reason":{finish}}}],"x":1.50}}"#
        )
    };
    let stream = [
        with(r#""role":"assistant","content":null"#, "null"),
        with(&format!(r#""tool_calls":[{call}]"#), "null"),
        with(
            r#""tool_calls":[{"index":0,"function":{"arguments":"{}"}}]"#,
            "null",
        ),
        with("", r#""tool_calls""#),
    ];
    let mut mender = Mender::new(Wire::Chat, &context(json!({})));
    for event in stream {
        assert_eq!(mender.event(event.clone().into()), event);
    }
    // Text alone may end with any word.
    let mut mender = Mender::new(Wire::Chat, &context(json!({})));
    for event in [
        with(r#""content":"tool_calls""#, "null"),
        with("", r#""stop""#),
    ] {
        assert_eq!(mender.event(event.clone().into()), event);
    }
    let whole = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":null ,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#;
    assert_eq!(
        mend_answer(Wire::Chat, whole.into(), &context(json!({}))),
        whole
    );
}

#[test]
fn odd_calls_of_a_whole_answer_are_openais() {
    let answer = json!({"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "tool_calls": [
        {"function": {"name": "f", "arguments": {"x": 1}}}, {"id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": null}}]}}]});
    let told = mend_answer(Wire::Chat, answer.to_string().into(), &context(json!({})));
    let told: Json = serde_json::from_slice(&told).unwrap();
    let choice = &told["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    assert_eq!(calls[0]["id"], "call_7_0");
    assert_eq!(calls[0]["type"], "function");
    let arguments: Vec<_> = calls
        .iter()
        .map(|call| &call["function"]["arguments"])
        .collect();
    assert_eq!(arguments, ["{\"x\":1}", "{}", "{}"]);
}

#[test]
fn arguments_of_another_type_are_read_and_go_up_as_the_format_has_them() {
    let tools = json!([{"role": "user", "content": "hi"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {"x": [1.50, "y"]}}}]},
        {"role": "tool", "tool_call_id": "a", "content": {"deep": "result"}}]);
    let items = json!([{"role": "user", "content": "hi"}, {"type": "function_call", "call_id": "a", "name": "f", "arguments": {"x": [1.50, "y"]}},
        {"type": "function_call_output", "call_id": "a", "output": {"deep": "result"}}]);
    let blocks = json!([{"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": "{\"x\":[1.50,\"y\"]}"}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "result"}]}]);
    let rows = [
        (
            Wire::Chat,
            json!({"model": "m", "messages": tools}),
            "/messages/1/tool_calls/0/function/arguments",
        ),
        (
            Wire::Responses,
            json!({"model": "m", "input": items}),
            "/input/1/arguments",
        ),
        (
            Wire::Messages,
            json!({"model": "m", "max_tokens": 5, "messages": blocks}),
            "/messages/1/content/0/input",
        ),
    ];
    for (wire, body, place) in rows {
        let request = Request::parse(wire, body.to_string().into()).unwrap();
        let parts = request
            .prompt
            .messages
            .iter()
            .flat_map(|message| &message.parts);
        let seen = parts.filter_map(|part| match part {
            Part::ToolCall(call) => serde_json::from_str::<Json>(&call.arguments).ok(),
            _ => None,
        });
        assert_eq!(
            seen.collect::<Vec<_>>(),
            [json!({"x": [1.5, "y"]})],
            "{wire:?}"
        );
        let sent = request.upstream_body(&BodyChange::default());
        let sent: Json = serde_json::from_slice(&sent).unwrap();
        let argument = sent.pointer(place).unwrap();
        assert_eq!(argument.is_object(), wire == Wire::Messages, "{argument}");
        assert!(sent.to_string().contains("result"));
    }
    // What can't be meant stays an error.
    let body = json!({"model": "m", "messages": [{"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": 7}}]}]});
    assert!(Request::parse(Wire::Chat, body.to_string().into()).is_err());
}

#[test]
fn vectors_come_in_the_encoding_that_was_asked_for() {
    let floats = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1]}],"x":1.0}"#;
    let base64 = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AAAAPwAAgL8="}],"x":1.0}"#;
    let asked = |body: &'static str, format: Json| -> Bytes {
        let echo = json!({ "encoding_format": format });
        mend_answer(Wire::Embeddings, body.into(), &context(echo))
    };
    for same in [
        (floats, json!("float")),
        (floats, Json::Null),
        (base64, json!("base64")),
    ] {
        assert_eq!(asked(same.0, same.1), same.0);
    }
    assert_eq!(asked(floats, json!("base64")), base64);
    assert_eq!(asked(base64, json!("float")), floats);
    // What is no vector is left as it is.
    for odd in [
        r#"{"data":[{"embedding":"!!"}]}"#,
        r#"{"data":[{"embedding":"AAA="}]}"#,
        r#"{"data":"#,
    ] {
        assert_eq!(asked(odd, json!("float")), odd);
    }
}
