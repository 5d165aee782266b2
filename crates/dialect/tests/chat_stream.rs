//! Streams of chat completion chunks: what servers send, and what clients are sent.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use forebay_dialect::sse::Decoder;
use forebay_dialect::{
    AnswerContext, Payload, PayloadError, StreamTranslation, Wire, fold, is_done_marker,
    translate_answer,
};
use serde_json::{Value, json};

fn context() -> AnswerContext {
    AnswerContext {
        id: "7f".to_owned(),
        model: "asked".to_owned(),
        created: 5,
        ..AnswerContext::default()
    }
}

fn translate(events: &[Bytes]) -> Result<(Vec<Bytes>, bool), PayloadError> {
    let mut translation = StreamTranslation::new(Wire::Chat, Wire::Chat, &context());
    let mut out = Vec::new();
    for event in events {
        translation.push(None, event, &mut out)?;
    }
    translation.end_of_body(&mut out);
    Ok((out, translation.has_ended()))
}

/// Chunks with these deltas of choice 0, then `finish_reason` and `[DONE]`.
fn stream(deltas: &[Value]) -> Vec<Bytes> {
    let chunk = |delta: &Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        let chunk = json!({"id": "s1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
        Bytes::from(chunk.to_string())
    };
    let mut out: Vec<_> = deltas
        .iter()
        .map(|delta| chunk(delta, Value::Null))
        .collect();
    out.push(chunk(&json!({}), json!("stop")));
    out.push(Bytes::from_static(b"[DONE]"));
    out
}

/// The message that these deltas amount to after a crossing.
fn message(deltas: &[Value]) -> Value {
    let (events, ended) = translate(&stream(deltas)).unwrap();
    assert!(ended);
    let folded = fold(Wire::Chat, &events, &context()).unwrap();
    let folded: Value = serde_json::from_slice(&folded).unwrap();
    folded["choices"][0]["message"].clone()
}

fn calls(fragments: &[Value]) -> Vec<(String, String, String)> {
    let deltas: Vec<_> = fragments
        .iter()
        .map(|fragment| json!({"tool_calls": [fragment]}))
        .collect();
    let message = message(&deltas);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let calls = message["tool_calls"].as_array().unwrap();
    calls
        .iter()
        .map(|call| {
            let function = &call["function"];
            (
                text(&call["id"]),
                text(&function["name"]),
                text(&function["arguments"]),
            )
        })
        .collect()
}

fn expected(calls: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    let owned = calls.iter().map(|(id, name, arguments)| {
        (
            (*id).to_owned(),
            (*name).to_owned(),
            (*arguments).to_owned(),
        )
    });
    owned.collect()
}

fn recorded(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
}

fn decoded<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Bytes> {
    let mut decoder = Decoder::new(1 << 20);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        events.extend(decoder.by_ref().map(|event| event.unwrap().data));
    }
    events
}

#[test]
fn a_recorded_stream_of_vllm_crosses_whatever_its_pieces() {
    let body = recorded("chat-stream.response");
    let whole = decoded([&body[..]]);
    let (events, ended) = translate(&whole).unwrap();
    assert!(ended);
    for size in [1, 7, 1000] {
        assert_eq!(translate(&decoded(body.chunks(size))).unwrap().0, events);
    }
    let read = |events: &[Bytes]| -> Value {
        serde_json::from_slice(&fold(Wire::Chat, events, &context()).unwrap()).unwrap()
    };
    let (before, after) = (read(&whole), read(&events));
    for name in ["id", "created", "model"] {
        assert_eq!(before[name], after[name]);
    }
    let choice = |answer: &Value| {
        let choice = &answer["choices"][0];
        json!([choice["message"]["content"], choice["finish_reason"]])
    };
    assert_eq!(choice(&before), choice(&after));
    let last = Payload::parse(Wire::Chat, events.last().unwrap().clone()).unwrap();
    assert!(last.is_usage_only());
    let usage = last.usage().unwrap();
    assert_eq!(
        (usage.input, usage.output, usage.cached_input),
        (823, 24, 800)
    );
}

#[test]
fn a_recorded_answer_of_vllm_crosses() {
    let body = Bytes::from(recorded("chat.response"));
    let crossed = translate_answer(Wire::Chat, Wire::Chat, &body, &context()).unwrap();
    let [before, after] =
        [&body, &crossed].map(|body| -> Value { serde_json::from_slice(body).unwrap() });
    for name in ["id", "object", "created", "model"] {
        assert_eq!(before[name], after[name]);
    }
    for pointer in [
        "/choices/0/message/content",
        "/choices/0/finish_reason",
        "/usage/prompt_tokens",
        "/usage/total_tokens",
    ] {
        assert_eq!(before.pointer(pointer), after.pointer(pointer));
    }
}

#[test]
fn each_chunk_is_complete_and_none_repeats_the_role() {
    let deltas = [
        json!({"role": "assistant", "content": ""}),
        json!({"role": "assistant", "content": "A"}),
        json!({"content": "B"}),
    ];
    let (events, _) = translate(&stream(&deltas)).unwrap();
    let events: Vec<Value> = events
        .iter()
        .map(|event| serde_json::from_slice(event).unwrap())
        .collect();
    for event in &events {
        assert_eq!(event["id"], "s1");
        assert_eq!(event["object"], "chat.completion.chunk");
        assert_eq!(event["created"], 1);
        assert_eq!(event["model"], "m");
    }
    let deltas: Vec<_> = events
        .iter()
        .map(|event| &event["choices"][0]["delta"])
        .collect();
    let expected = [
        json!({"role": "assistant", "content": "", "refusal": null}),
        json!({"content": "A"}),
        json!({"content": "B"}),
        json!({}),
    ];
    assert_eq!(deltas, expected.iter().collect::<Vec<_>>());
}

#[test]
fn what_the_upstream_does_not_say_is_the_requests() {
    let (events, _) = translate(&[
        Bytes::from_static(br#"{"choices":[{"delta":{"content":"A"}}]}"#),
        Bytes::from_static(b"[DONE]"),
    ])
    .unwrap();
    let last: Value = serde_json::from_slice(events.last().unwrap()).unwrap();
    assert_eq!(last["id"], "chatcmpl-7f");
    assert_eq!(last["model"], "asked");
    assert_eq!(last["created"], 5);
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
}

#[test]
fn fragments_find_their_calls_by_number() {
    let fragments = [
        json!({"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}),
        json!({"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{"}}),
        json!({"index": 0, "function": {"arguments": "{\"x\":"}}),
        json!({"index": 1, "id": "", "function": {"name": "", "arguments": "}"}}),
        json!({"index": 0, "id": "new-each-time", "function": {"arguments": "1}"}}),
    ];
    assert_eq!(
        calls(&fragments),
        expected(&[("a", "f", "{\"x\":1}"), ("b", "g", "{}")])
    );
}

#[test]
fn fragments_without_numbers_find_their_calls_by_id_or_order() {
    let by_id = [
        json!({"id": "a", "function": {"name": "f", "arguments": "{"}}),
        json!({"id": "b", "function": {"name": "g", "arguments": "{"}}),
        json!({"id": "a", "function": {"arguments": "1}"}}),
        json!({"id": "b", "function": {"arguments": "2}"}}),
    ];
    assert_eq!(
        calls(&by_id),
        expected(&[("a", "f", "{1}"), ("b", "g", "{2}")])
    );
    let by_order = [
        json!({"function": {"name": "f", "arguments": "{"}}),
        json!({"function": {"arguments": "1}"}}),
        json!({"function": {"name": "g", "arguments": "{}"}}),
    ];
    assert_eq!(
        calls(&by_order),
        expected(&[("call_7f_0", "f", "{1}"), ("call_7f_1", "g", "{}")])
    );
}

#[test]
fn parallel_calls_under_one_number_stay_apart() {
    let fragments = [
        json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}),
        json!({"index": 0, "id": "b", "function": {"name": "f", "arguments": "{}"}}),
    ];
    assert_eq!(
        calls(&fragments),
        expected(&[("a", "f", "{}"), ("b", "f", "{}")])
    );
}

#[test]
fn a_name_that_comes_late_is_waited_for() {
    let fragments = [
        json!({"index": 0, "id": "a", "function": {"arguments": "{"}}),
        json!({"index": 0, "function": {"name": "f", "arguments": "}"}}),
    ];
    assert_eq!(calls(&fragments), expected(&[("a", "f", "{}")]));
}

#[test]
fn whole_calls_and_arguments_as_objects_are_calls() {
    let deltas = [json!({"tool_calls": [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}},
        {"index": 1, "id": "b", "type": "custom", "custom": {"name": "g", "input": "free"}},
    ]})];
    let message = message(&deltas);
    assert_eq!(
        message["tool_calls"],
        json!([
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
            {"id": "b", "type": "custom", "custom": {"name": "g", "input": "free"}},
        ])
    );
    assert_eq!(message["content"], Value::Null);
}

#[test]
fn reasoning_text_and_calls_in_any_order_keep_their_text() {
    let message = message(&[
        json!({"reasoning": "R1", "reasoning_content": "R1"}),
        json!({"reasoning": "R2"}),
        json!({"reasoning_content": "", "thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "S"}]}),
        json!({"content": "T1"}),
        json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}),
        json!({"content": "T2"}),
    ]);
    assert_eq!(message["reasoning_content"], "R1R2");
    assert_eq!(
        message["thinking_blocks"],
        json!([{"type": "thinking", "thinking": "", "signature": "S"}])
    );
    assert_eq!(message["content"], "T1T2");
}

#[test]
fn mistrals_parts_are_text_and_reasoning() {
    let message = message(&[
        json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "R"}]}]}),
        json!({"content": [{"type": "text", "text": "T"}, {"type": "reference", "reference_ids": [1]}]}),
    ]);
    assert_eq!(message["reasoning_content"], "R");
    assert_eq!(message["content"], "T");
}

#[test]
fn azures_first_chunk_is_no_beginning() {
    let mut events = vec![Bytes::from_static(
        br#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}"#,
    )];
    events.extend(stream(&[json!({"content": "A"})]));
    let (events, ended) = translate(&events).unwrap();
    assert!(ended);
    assert!(
        events
            .iter()
            .all(|event| event.starts_with(br#"{"id":"s1""#))
    );
}

#[test]
fn an_error_in_the_middle_reaches_the_client_and_ends_nothing() {
    let mut events = stream(&[json!({"content": "A"})]);
    events.truncate(1);
    events.push(Bytes::from_static(
        br#"{"error":{"message":"out of memory","type":"server_error","code":500}}"#,
    ));
    let (events, ended) = translate(&events).unwrap();
    assert!(!ended);
    let last = Payload::parse(Wire::Chat, events.last().unwrap().clone()).unwrap();
    assert_eq!(last.error().unwrap().message, "out of memory");
    assert_eq!(last.error().unwrap().code.as_deref(), Some("500"));
}

#[test]
fn a_stream_that_is_cut_off_has_not_ended() {
    let mut events = stream(&[json!({"content": "A"})]);
    // The marker alone is missing: the reason to finish has come.
    events.pop();
    assert!(translate(&events).unwrap().1);
    // Without a reason to finish it was cut off.
    events.truncate(1);
    assert!(!translate(&events).unwrap().1);
    assert!(!translate(&[Bytes::from_static(b"[DONE]")]).unwrap().1);
}

#[test]
fn several_choices_keep_apart() {
    let chunk = |index: u32, text: &str| {
        let choices = json!({"choices": [{"index": index, "delta": {"content": text}, "finish_reason": null}]});
        Bytes::from(choices.to_string())
    };
    let events = [
        chunk(1, "b"),
        chunk(0, "a"),
        chunk(1, "B"),
        chunk(0, "A"),
        Bytes::from_static(b"[DONE]"),
    ];
    let (events, _) = translate(&events).unwrap();
    let folded: Value =
        serde_json::from_slice(&fold(Wire::Chat, &events, &context()).unwrap()).unwrap();
    assert_eq!(folded["choices"][0]["message"]["content"], "aA");
    assert_eq!(folded["choices"][1]["message"]["content"], "bB");
    let roles = events
        .iter()
        .filter(|event| String::from_utf8_lossy(event).contains("\"role\""));
    assert_eq!(roles.count(), 2);
}

#[test]
fn what_is_no_chunk_is_refused_without_its_text() {
    for data in [
        r#"{"choices":{}}"#,
        r#"{"choices":["secret"]}"#,
        r#"{"choices":[{"delta":{"content":5}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":"secret"}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":-1}]}}]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":1}]}"#,
        r#"["secret"]"#,
    ] {
        let error = translate(&[Bytes::from_static(data.as_bytes())]).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn payloads_made_here_hold_nothing_that_a_guard_has_not_seen() {
    let (events, _) = translate(&stream(&[
        json!({"reasoning_content": "R"}),
        json!({"content": "C", "refusal": "N"}),
        json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}),
    ]))
    .unwrap();
    let texts: Vec<_> = events
        .iter()
        .map(|event| Payload::parse(Wire::Chat, event.clone()).unwrap())
        .inspect(|payload| assert!(!is_done_marker(&payload.raw)))
        .flat_map(|payload| payload.texts().to_vec())
        .map(|delta| delta.text)
        .filter(|text| !text.is_empty())
        .collect();
    assert_eq!(texts, ["R", "C", "N", "{}"]);
}
