//! From a stream to a completion and back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use forebay_dialect::canonical::{Channel, Operation};
use forebay_dialect::json::{canonical_json, json_string};
use forebay_dialect::openai::convert::{ConvertError, fold, unfold};
use forebay_dialect::{Payload, Request};
use proptest::prelude::*;

fn canonical(raw: &[u8]) -> String {
    canonical_json(std::str::from_utf8(raw).unwrap()).unwrap()
}

fn chunks(deltas: &[&str]) -> Vec<Bytes> {
    let chunk = |delta: &&str| {
        format!(r#"{{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{delta}]}}"#)
            .into()
    };
    deltas.iter().map(chunk).collect()
}

/// A whole completion with all that one can have.
const RICH: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","x":{"y":[1.0]},"choices":[
    {"index":0,"message":{"role":"assistant","reasoning":"r\n","content":"a\u00e9","refusal":"no","annotations":[{"u":1}],
      "tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"},"z":null},
                    {"id":"2","type":"custom","custom":{"name":"g","input":"in"}}]},
      "logprobs":{"content":[{"token":"a","logprob":-0.10}],"refusal":null},"finish_reason":"tool_calls","stop_reason":null},
    {"index":1,"message":{"role":"assistant","content":null,"function_call":{"name":"h","arguments":"{}"}},
      "logprobs":null,"finish_reason":"function_call"}],
    "system_fingerprint":"fp","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;

#[test]
fn a_completion_survives_being_streamed_and_folded_again() {
    let recorded = [
        (Operation::Chat, include_str!("fixtures/chat.response")),
        (
            Operation::Completion,
            include_str!("fixtures/completions-token-ids.response"),
        ),
        (Operation::Chat, RICH),
    ];
    for (operation, body) in recorded {
        let events = unfold(operation, &Bytes::from(body)).unwrap();
        for event in &events {
            Payload::parse(operation, event.clone()).unwrap();
        }
        let folded = fold(operation, &events).unwrap();
        assert_eq!(canonical(&folded), canonical(body.as_bytes()));
    }
}

#[test]
fn a_streamed_completion_has_role_texts_calls_end_and_usage_in_that_order() {
    let events = unfold(Operation::Chat, &Bytes::from(RICH)).unwrap();
    let payloads: Vec<_> = events
        .into_iter()
        .map(|event| Payload::parse(Operation::Chat, event).unwrap())
        .collect();
    let said: Vec<_> = payloads
        .iter()
        .map(|payload| {
            let texts = payload.texts().iter().filter(|text| !text.text.is_empty());
            let texts: Vec<_> = texts.map(|text| (text.choice, text.channel)).collect();
            (texts, payload.finished().len(), payload.is_usage_only())
        })
        .collect();
    let text = |choice, channel| (vec![(choice, channel)], 0, false);
    let expected = [
        (vec![], 0, false),
        text(0, Channel::Reasoning),
        text(0, Channel::Content),
        text(0, Channel::Refusal),
        text(0, Channel::ToolArguments(0)),
        text(0, Channel::ToolArguments(1)),
        (vec![], 1, false),
        (vec![], 0, false),
        text(1, Channel::ToolArguments(0)),
        (vec![], 1, false),
        (vec![], 0, true),
    ];
    assert_eq!(said, expected);
    let content = String::from_utf8_lossy(&payloads[2].raw);
    assert!(
        content.contains(r#""logprobs":{"content":[{"token":"a""#),
        "{content}"
    );
    assert!(payloads.iter().all(|payload| payload.id() == Some("c")));
}

#[test]
fn a_call_in_many_fragments_comes_together() {
    let mut events = vec![
        r#"{"index":0,"delta":{"role":"assistant","content":""}}"#.to_owned(),
        r#"{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}},{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}}"#.to_owned(),
    ];
    let arguments = format!("{{\"text\":{}}}", json_string(&"é\"\\\n".repeat(100)));
    for fragment in arguments.chars() {
        let fragment = json_string(&fragment.to_string());
        events.push(format!(
            r#"{{"index":0,"delta":{{"tool_calls":[{{"index":1,"id":"","function":{{"arguments":{fragment}}}}}]}}}}"#
        ));
    }
    events.push(r#"{"index":0,"delta":{},"finish_reason":"tool_calls"}"#.to_owned());
    let events: Vec<_> = events.iter().map(String::as_str).collect();
    let folded = fold(Operation::Chat, &chunks(&events)).unwrap();
    let folded: serde_json::Value = serde_json::from_slice(&folded).unwrap();
    let message = &folded["choices"][0]["message"];
    let calls = serde_json::json!([
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": arguments}},
    ]);
    assert_eq!(message["tool_calls"], calls);
    assert_eq!(message["content"], serde_json::Value::Null);
    assert_eq!(folded["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn log_probabilities_are_joined_and_unknown_fields_are_kept() {
    let mut events = chunks(&[
        r#"{"index":0,"delta":{"role":"assistant","content":"a"},"logprobs":{"content":[{"token":"a"}]},"token_ids":[1]}"#,
        r#"{"index":0,"delta":{"content":"b"},"logprobs":{"content":[ {"token":"b"} ]},"token_ids":[2,3],"finish_reason":"stop"}"#,
    ]);
    events.push(r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":9},"x_groq":{"id":1}}"#.into());
    events.push("[DONE]".into());
    let folded = fold(Operation::Chat, &events).unwrap();
    let expected = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,
        "message":{"role":"assistant","content":"ab"},"logprobs":{"content":[{"token":"a"},{"token":"b"}]},
        "token_ids":[1,2,3],"finish_reason":"stop"}],"usage":{"prompt_tokens":9},"x_groq":{"id":1}}"#;
    assert_eq!(canonical(&folded), canonical(expected.as_bytes()));
}

#[test]
fn an_error_or_nothing_is_no_completion() {
    let error: Bytes = r#"{"error":{"message":"m"}}"#.into();
    assert_eq!(
        fold(Operation::Chat, std::slice::from_ref(&error)),
        Err(ConvertError::Upstream)
    );
    assert_eq!(unfold(Operation::Chat, &error), Err(ConvertError::Upstream));
    assert_eq!(fold(Operation::Chat, &[]), Err(ConvertError::Empty));
    let usage: Bytes = r#"{"choices":[],"usage":{}}"#.into();
    assert_eq!(fold(Operation::Chat, &[usage]), Err(ConvertError::Empty));
    for garbage in [
        "<",
        "[]",
        "{\"choices\":1}",
        "{\"choices\":[1]}",
        "{\"choices\":[{}]}",
    ] {
        let garbage = Bytes::from(garbage);
        assert!(unfold(Operation::Chat, &garbage).is_err(), "{garbage:?}");
    }
}

proptest! {
    #[test]
    fn folding_an_unfolded_text_gives_it_back(content: String, reasoning: String, arguments: String) {
        let body = format!(
            r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":{},"reasoning":{},
                "tool_calls":[{{"function":{{"arguments":{}}}}}]}},"logprobs":null,"finish_reason":"stop"}}],"object":"chat.completion"}}"#,
            json_string(&content), json_string(&reasoning), json_string(&arguments),
        );
        let body = Bytes::from(body);
        let folded = fold(Operation::Chat, &unfold(Operation::Chat, &body).unwrap()).unwrap();
        let texts = |raw| {
            let payload = Payload::parse(Operation::Chat, raw).unwrap();
            let texts = payload.texts().iter().filter(|text| !text.text.is_empty());
            texts.map(|text| (text.channel, text.text.clone())).collect::<Vec<_>>()
        };
        prop_assert_eq!(texts(folded), texts(body));
    }
}

#[test]
fn recorded_requests_go_upstream_as_they_came() {
    let recorded = [
        (Operation::Chat, include_str!("fixtures/chat.request.json")),
        (
            Operation::Chat,
            include_str!("fixtures/chat-salted.request.json"),
        ),
        (
            Operation::Chat,
            include_str!("fixtures/chat-stream.request.json"),
        ),
        (
            Operation::Chat,
            include_str!("fixtures/error-context-length.request.json"),
        ),
        (
            Operation::Completion,
            include_str!("fixtures/completions-stream.request.json"),
        ),
        (
            Operation::Completion,
            include_str!("fixtures/completions-token-ids.request.json"),
        ),
    ];
    for (operation, exchange) in recorded {
        let exchange: serde_json::Value = serde_json::from_str(exchange).unwrap();
        let body = Bytes::from(exchange["body"].to_string());
        let request = Request::parse(operation, body.clone()).unwrap();
        assert_eq!(request.prompt.model, "tiny");
        assert_eq!(request.upstream_body(&Default::default()), body);
    }
}
