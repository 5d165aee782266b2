use super::*;
use crate::wire::Wire;

fn payload(wire: Wire, raw: &str) -> Payload {
    Payload::parse(wire, Bytes::copy_from_slice(raw.as_bytes())).unwrap()
}

fn labels(payload: &Payload) -> Vec<(String, LabelKind)> {
    let labels = payload.labels().unwrap();
    labels.into_iter().map(|l| (l.text, l.kind)).collect()
}

/// One payload of each format that holds the word in every place that is no text, and how many.
const HIDDEN: [(Wire, &str); 9] = [
    (
        Wire::Chat,
        r#"{"id":"W","object":"W","created":1,"model":"W","system_fingerprint":"W","service_tier":"W","W":1,
        "usage":{"prompt_tokens":1,"W":"W"},"choices":[{"index":0,"finish_reason":"W","stop_reason":"W","delta":
        {"role":"W","W":"x","tool_calls":[{"index":0,"id":"W","type":"W","function":{"name":"W","arguments":"{}"}}]}}]}"#,
    ),
    (
        Wire::Completions,
        r#"{"id":"W","object":"W","model":"W","choices":[{"index":0,"text":"t","finish_reason":"W","stop_reason":"W"}]}"#,
    ),
    (
        Wire::Embeddings,
        r#"{"object":"W","model":"W","data":[{"object":"W","index":0,"embedding":[1]}],"usage":{"prompt_tokens":1,"W":2}}"#,
    ),
    (
        Wire::Messages,
        r#"{"id":"W","type":"message","role":"W","model":"W","stop_reason":"W","stop_sequence":"W","container":{"id":"W","W":"W"},
        "stop_details":{"explanation":"W"},"content":[{"type":"tool_use","id":"W","name":"W","input":{},"caller":{"type":"W"}},
        {"type":"text","text":"t","citations":[{"type":"W","file_id":"W","document_title":"judged","cited_text":"judged"}]}]}"#,
    ),
    (
        Wire::Messages,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"W","name":"W","input":{}}}"#,
    ),
    (
        Wire::Responses,
        r#"{"type":"response.output_item.added","item_id":"W","item":{"type":"function_call","id":"W","call_id":"W","name":"W",
        "status":"W","arguments":""}}"#,
    ),
    (
        Wire::Responses,
        r#"{"id":"W","object":"response","status":"W","model":"W","incomplete_details":{"reason":"W"},"metadata":{"W":"W"},
        "instructions":"W","output":[]}"#,
    ),
    (
        Wire::Gemini,
        r#"{"responseId":"W","modelVersion":"W","createTime":"W","promptFeedback":{"blockReasonMessage":"W"},"candidates":
        [{"finishReason":"W","safetyRatings":[{"category":"W","W":1}],"content":{"role":"W","parts":[{"functionCall":{"id":"W","name":"W","args":{}}}]}}]}"#,
    ),
    (
        Wire::Converse,
        r#"{"output":{"message":{"role":"W","content":[{"toolUse":{"toolUseId":"W","name":"W","type":"W","input":{}}}]}},"stopReason":"W",
        "metrics":{"W":"W"},"additionalModelResponseFields":{"stop_sequence":"W"}}"#,
    ),
];

#[test]
fn every_string_that_is_no_text_is_a_label_in_every_format() {
    for (wire, raw) in HIDDEN {
        let word = "bob@mail.org";
        let payload = payload(wire, &raw.replace('W', word));
        let labels = payload.labels().unwrap();
        let hidden = labels.iter().filter(|label| label.text == word).count();
        assert_eq!(hidden, raw.matches("\"W\"").count(), "{raw}");
        // Whatever else a client would read of it has been taken out or is judged as text.
        let new: Vec<_> = labels
            .iter()
            .enumerate()
            .map(|(at, label)| (label, format!("l{at}")))
            .collect();
        let changed = payload.relabelled(&new).unwrap().rewrite(&[], true);
        let changed = String::from_utf8_lossy(&changed).into_owned();
        assert!(!changed.contains(word), "{changed}");
    }
}

#[test]
fn the_formats_own_words_and_texts_are_no_labels() {
    let payload = payload(
        Wire::Chat,
        r#"{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"logprobs":{"content":[{"token":"x"}]},
        "delta":{"role":"assistant","content":"a text","reasoning":"r","reasoning_content":"r","tool_calls":[{"index":0,"id":"call_1",
        "type":"function","function":{"name":"look","arguments":"{\"a\":1}"}}]},"finish_reason":"stop"}]}"#,
    );
    assert_eq!(
        labels(&payload),
        [
            ("c1".to_owned(), LabelKind::Identifier),
            ("m".to_owned(), LabelKind::Echo),
            ("call_1".to_owned(), LabelKind::Identifier),
            ("look".to_owned(), LabelKind::Identifier),
        ]
    );
    let all = payload.labels().unwrap();
    assert_eq!(
        all.iter().map(|l| l.is_tool_name).collect::<Vec<_>>(),
        [false, false, false, true]
    );
}

#[test]
fn only_what_is_relabelled_changes() {
    let raw = r#" {"id": "c\u0031", "model":"m" ,"choices":[ ]}"#;
    let payload = payload(Wire::Chat, raw);
    let labels = payload.labels().unwrap();
    assert_eq!(labels[0].text, "c1");
    let same = payload.relabelled(&[]).unwrap();
    assert_eq!(same.raw.as_ptr(), payload.raw.as_ptr());
    let new = payload
        .relabelled(&[(&labels[0], "x\"y".to_owned())])
        .unwrap();
    assert_eq!(new.raw, raw.replace(r"c\u0031", r#"x\"y"#));
    assert_eq!(new.id(), Some("x\"y"));
}

#[test]
fn a_signature_is_no_label_and_a_short_one_is() {
    let of = |signature: &str| {
        let raw = format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"signature_delta","signature":"{signature}"}}}}"#
        );
        labels(&payload(Wire::Messages, &raw)).len()
    };
    assert_eq!(of(&"Zm9v".repeat(40)), 0);
    assert_eq!(of("sk-live-4711"), 1);
    assert_eq!(of(&"my secret ".repeat(40)), 1);
}

#[test]
fn what_repeats_the_request_is_an_echo_with_all_its_names() {
    let payload = payload(
        Wire::Responses,
        r#"{"type":"response.created","response":{"object":"response","id":"r","model":"m","output":[],
        "tools":[{"type":"function","name":"look","parameters":{"properties":{"where":{"type":"string"}}}}]}}"#,
    );
    let echoes = labels(&payload);
    let echoes = echoes.iter().filter(|(_, kind)| *kind == LabelKind::Echo);
    let echoes: Vec<&str> = echoes.map(|(text, _)| text.as_str()).collect();
    for word in ["look", "where", "m"] {
        assert!(echoes.contains(&word), "{echoes:?}");
    }
    let strings = Strings::of(&Bytes::from_static(br#"{"a":["b","\u0063"]}"#));
    assert!(["a", "b", "c"].iter().all(|text| strings.contains(text)));
    assert!(!strings.contains("d"));
}

/// An answer that calls the tool `W`, whole and as a stream begins the call.
const CALLING: [(Wire, &str); 11] = [
    (
        Wire::Chat,
        r#"{"choices":[{"message":{"tool_calls":[{"function":{"name":"W"}}]}}]}"#,
    ),
    (
        Wire::Chat,
        r#"{"choices":[{"delta":{"tool_calls":[{"custom":{"name":"W"}}]}}]}"#,
    ),
    (
        Wire::Chat,
        r#"{"choices":[{"message":{"function_call":{"name":"W"}}}]}"#,
    ),
    (
        Wire::Messages,
        r#"{"type":"message","content":[{"type":"tool_use","name":"W"}]}"#,
    ),
    (
        Wire::Messages,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"mcp_tool_use","name":"W"}}"#,
    ),
    (
        Wire::Responses,
        r#"{"object":"response","output":[{"type":"function_call","name":"W"}]}"#,
    ),
    (
        Wire::Responses,
        r#"{"type":"response.output_item.done","item":{"type":"custom_tool_call","name":"W"}}"#,
    ),
    (
        Wire::Responses,
        r#"{"type":"response.completed","response":{"output":[{"type":"mcp_call","name":"W"}]}}"#,
    ),
    (
        Wire::Gemini,
        r#"{"candidates":[{"content":{"parts":[{"function_call":{"name":"W"}}]}}]}"#,
    ),
    (
        Wire::Converse,
        r#"{"output":{"message":{"content":[{"toolUse":{"name":"W"}}]}}}"#,
    ),
    (
        Wire::Converse,
        r#"{"contentBlockStart":{"start":{"toolUse":{"name":"W"}}}}"#,
    ),
];

#[test]
fn the_name_of_a_called_tool_is_told_as_such_in_every_format() {
    for (wire, raw) in CALLING {
        let payload = payload(wire, raw);
        let labels = payload.labels().unwrap();
        let names = labels.iter().filter(|label| label.is_tool_name);
        assert_eq!(names.map(|l| &l.text).collect::<Vec<_>>(), ["W"], "{raw}");
    }
}
