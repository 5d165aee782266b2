//! Payloads: what an answer says, and how its texts are replaced.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use forebay_dialect::canonical::{Channel, FinishKind, Operation, Usage};
use forebay_dialect::{Payload, PayloadError, StreamItem};

fn chat(raw: &str) -> Payload {
    Payload::parse(Operation::Chat, Bytes::copy_from_slice(raw.as_bytes())).unwrap()
}

fn texts(payload: &Payload) -> Vec<(u32, Channel, &str)> {
    payload
        .texts()
        .iter()
        .map(|delta| (delta.choice, delta.channel, delta.text.as_str()))
        .collect()
}

/// A chat chunk with this delta.
fn delta(delta: &str) -> Payload {
    chat(&format!(
        r#"{{"id":"c1","object":"chat.completion.chunk","created":17,"model":"m","choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":null}}]}}"#
    ))
}

#[test]
fn every_kind_of_text_is_seen_in_deltas_and_messages() {
    for form in ["delta", "message"] {
        let payload = chat(&format!(
            r#"{{"choices":[{{"index":1,"{form}":{{"role":"assistant","reasoning_content":"r","content":"c\u00e9",
                "refusal":"no","tool_calls":[{{"index":0,"function":{{"name":"f","arguments":"{{"}}}},
                {{"index":1,"type":"custom","custom":{{"name":"g","input":"x"}}}}]}}}}]}}"#
        ));
        let expected = [
            (1, Channel::Reasoning, "r"),
            (1, Channel::Content, "cé"),
            (1, Channel::Refusal, "no"),
            (1, Channel::ToolArguments(0), "{"),
            (1, Channel::ToolArguments(1), "x"),
        ];
        assert_eq!(texts(&payload), expected);
        assert!(payload.has_tool_calls());
    }
    let legacy = delta(r#"{"function_call":{"name":"f","arguments":"{}"}}"#);
    assert_eq!(texts(&legacy), [(0, Channel::ToolArguments(0), "{}")]);
    let raw = r#"{"choices":[{"text":"t","index":0},{"text":"u","index":3}]}"#;
    let completion = Payload::parse(Operation::Completion, raw.into()).unwrap();
    assert_eq!(
        texts(&completion),
        [(0, Channel::Content, "t"), (3, Channel::Content, "u")]
    );
}

#[test]
fn reasoning_under_two_names_is_one_text_and_both_are_replaced() {
    let payload = delta(r#"{"reasoning":"hm","reasoning_content":"hm"}"#);
    assert_eq!(texts(&payload), [(0, Channel::Reasoning, "hm")]);
    let rewritten = payload.rewrite(&[Some("*".into())], false);
    assert!(!String::from_utf8_lossy(&rewritten).contains("hm"));
    let differing = delta(r#"{"reasoning":"a","reasoning_content":"b"}"#);
    assert_eq!(differing.texts().len(), 2);
}

#[test]
fn how_a_choice_ends_is_told() {
    let finish = |reason: &str| {
        let raw =
            format!(r#"{{"choices":[{{"index":2,"delta":{{}},"finish_reason":"{reason}"}}]}}"#);
        chat(&raw).finished().to_vec()
    };
    assert_eq!(finish("stop"), [(2, FinishKind::Stop)]);
    assert_eq!(finish("length"), [(2, FinishKind::Length)]);
    assert_eq!(finish("tool_calls"), [(2, FinishKind::ToolCalls)]);
    assert_eq!(finish("function_call"), [(2, FinishKind::ToolCalls)]);
    assert_eq!(finish("content_filter"), [(2, FinishKind::Refused)]);
    assert_eq!(finish("abort"), [(2, FinishKind::Other("abort".into()))]);
}

#[test]
fn usage_counts_what_is_there() {
    let payload = chat(
        r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14,
            "prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":3}}}"#,
    );
    let expected = Usage {
        input: 10,
        output: 4,
        cached_input: 8,
        cache_write: 0,
        reasoning: 3,
    };
    assert_eq!(payload.usage(), Some(&expected));
    assert!(payload.is_usage_only());
    assert!(!payload.is_empty_delta());
    let sparse = chat(r#"{"choices":[],"usage":{"prompt_tokens":1,"prompt_tokens_details":null}}"#);
    assert_eq!(
        sparse.usage(),
        Some(&Usage {
            input: 1,
            ..Usage::default()
        })
    );
}

#[test]
fn every_form_of_error_is_seen() {
    let error = |raw: &str| chat(raw).error().cloned().unwrap();
    let whole = error(r#"{"error":{"message":"m","type":"t","param":"p","code":"c"}}"#);
    assert_eq!(whole.message, "m");
    assert_eq!(
        (whole.kind.as_deref(), whole.param.as_deref()),
        (Some("t"), Some("p"))
    );
    assert_eq!(whole.code.as_deref(), Some("c"));
    let old = error(r#"{"object":"error","message":"m","type":"t","param":null,"code":404}"#);
    assert_eq!(
        (old.message.as_str(), old.param, old.code.as_deref()),
        ("m", None, Some("404"))
    );
    assert_eq!(error(r#"{"error":"m"}"#).message, "m");
    assert_eq!(error(r#"{"detail":"Not Found"}"#).message, "Not Found");
    assert_eq!(chat(r#"{"error":null,"choices":[]}"#).error(), None);
}

#[test]
fn a_delta_is_empty_when_only_text_would_be_lost() {
    assert!(delta(r#"{"content":"x","tool_calls":null}"#).is_empty_delta());
    assert!(delta(r#"{"tool_calls":[{"index":0,"function":{"arguments":"x"}}]}"#).is_empty_delta());
    assert!(
        delta(r#"{"tool_calls":[{"index":0,"id":"","function":{"name":"","arguments":"x"}}]}"#)
            .is_empty_delta()
    );
    assert!(!delta(r#"{"role":"assistant","content":""}"#).is_empty_delta());
    assert!(
        !delta(r#"{"tool_calls":[{"index":0,"id":"1","function":{"arguments":""}}]}"#)
            .is_empty_delta()
    );
    assert!(
        !chat(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#).is_empty_delta()
    );
    assert!(!chat(r#"{"error":"x"}"#).is_empty_delta());
}

#[test]
fn a_rewrite_changes_only_the_texts_named() {
    let raw = r#" {"choices": [{"index":0,"delta":{"content":"a\u0041" , "refusal":"b"},"x": 1.50}],"y":[ ]}"#;
    let payload = chat(raw);
    assert_eq!(
        payload.rewrite(&[None, None], false).as_ptr(),
        payload.raw.as_ptr()
    );
    assert_eq!(payload.rewrite(&[Some("aA".into())], false), raw);
    assert_eq!(
        payload.rewrite(&[None, Some("\"".into())], false),
        raw.replace("\"b\"", r#""\"""#)
    );
}

#[test]
fn what_cannot_be_judged_becomes_null() {
    let payload = chat(
        r#"{"id":"c","citations":["s3cret"],"choices":[{"index":0,"delta":{"content":"x","audio":{"data":"s3cret"},
            "tool_calls":[{"index":0,"more":"s3cret","function":{"name":"f","arguments":"","note":"s3cret"}}]},
            "logprobs":{"content":[{"token":"s3cret"}]},"token_ids":[1],"finish_reason":null}],
            "usage":{"prompt_tokens":1}}"#,
    );
    let rewritten = String::from_utf8(payload.rewrite(&[], true).to_vec()).unwrap();
    assert!(!rewritten.contains("s3cret"), "{rewritten}");
    assert!(rewritten.contains(r#""token_ids":null"#) && rewritten.contains(r#""content":"x""#));
    let again = chat(&rewritten);
    assert_eq!(again.rewrite(&[], true).as_ptr(), again.raw.as_ptr());
    assert_eq!(texts(&again), texts(&payload));
}

#[test]
fn a_known_name_does_not_carry_output_past_a_guard() {
    let payload = chat(
        r#"{"id":["s3cret"],"model":{"a":"s3cret"},"created":"s3cret","service_tier":["s3cret"],"choices":[
            {"index":0,"delta":{"role":["s3cret"],"tool_calls":[{"id":["s3cret"]}]},"stop_reason":["s3cret"]}]}"#,
    );
    let rewritten = payload.rewrite(&[], true);
    assert!(!String::from_utf8_lossy(&rewritten).contains("s3cret"));
    assert!(payload.is_empty_delta());
    for odd in ["\"s3cret\"", "[\"s3cret\"]"] {
        let groq = format!(r#"{{"id":{odd},"usage":{odd},"error":{odd}}}"#);
        let payload = chat(&format!(
            r#"{{"usage":{odd},"x_groq":{},"choices":[{{"index":0,"usage":{odd},"delta":{{}}}}]}}"#,
            if odd.starts_with('[') { &groq } else { odd }
        ));
        let rewritten = payload.rewrite(&[], true);
        assert!(!String::from_utf8_lossy(&rewritten).contains("s3cret"));
    }
    let error = chat(r#"{"object":"error","message":"m","more":"s3cret"}"#);
    let rewritten = error.rewrite(&[], true);
    assert_eq!(rewritten, r#"{"object":"error","message":"m","more":null}"#);
}

#[test]
fn lists_in_the_place_of_text_cannot_be_judged() {
    let payload = delta(r#"{"content":[{"type":"text","text":"s3cret"}]}"#);
    assert!(payload.texts().is_empty());
    assert!(!String::from_utf8_lossy(&payload.rewrite(&[], true)).contains("s3cret"));
}

#[test]
fn synthesised_chunks_carry_exactly_the_released_texts() {
    let payload = delta(r#"{"reasoning":"hm"}"#);
    let released = [
        (0, Channel::Content, "a\n".to_owned()),
        (1, Channel::Refusal, "no".to_owned()),
        (0, Channel::Content, "b".to_owned()),
        (0, Channel::Reasoning, "r".to_owned()),
        (0, Channel::ToolArguments(2), "{".to_owned()),
    ];
    let raw = payload.synthesise(&released).remove(0);
    let made = Payload::parse(Operation::Chat, raw.clone()).unwrap();
    let expected = [
        (0, Channel::Content, "a\nb"),
        (0, Channel::Reasoning, "r"),
        (0, Channel::ToolArguments(2), "{"),
        (1, Channel::Refusal, "no"),
    ];
    assert_eq!(texts(&made), expected);
    assert_eq!((made.id(), made.model()), (Some("c1"), Some("m")));
    let text = String::from_utf8(raw.to_vec()).unwrap();
    assert!(
        text.contains(r#""created":17"#) && text.contains(r#""reasoning":"r""#),
        "{text}"
    );
    assert!(made.is_empty_delta());
}

#[test]
fn garbage_is_refused_with_the_field_at_fault() {
    let refused = |raw: &str| {
        let bytes = Bytes::copy_from_slice(raw.as_bytes());
        Payload::parse(Operation::Chat, bytes).unwrap_err()
    };
    assert!(matches!(refused("<html>"), PayloadError::Json(_)));
    assert!(matches!(
        refused(r#"{"id":"a","id":"b"}"#),
        PayloadError::Json(_)
    ));
    assert!(refused("[]").to_string().contains("payload"));
    assert!(refused(r#"{"choices":{}}"#).to_string().contains("choices"));
    let content = refused(r#"{"choices":[{"delta":{}},{"delta":{"content":5}}]}"#).to_string();
    assert!(content.contains("choices[1].delta.content"), "{content}");
    let arguments = refused(
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":1}}]}}]}"#,
    );
    assert!(
        arguments
            .to_string()
            .contains("choices[0].delta.tool_calls[0].function.arguments")
    );
    assert!(
        refused(r#"{"usage":{"prompt_tokens":-1}}"#)
            .to_string()
            .contains("usage.prompt_tokens")
    );
}

#[test]
fn the_terminal_marker_is_no_payload() {
    let item = StreamItem::parse(Operation::Chat, Bytes::from_static(b" [DONE]")).unwrap();
    assert!(matches!(item, StreamItem::Done));
    assert!(StreamItem::parse(Operation::Chat, Bytes::from_static(b"[DONE")).is_err());
}
