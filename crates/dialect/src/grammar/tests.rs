//! What every table promises, whatever its format.

use bytes::Bytes;

use crate::payload::Payload;
use crate::wire::Wire;

/// An answer of each format, with a place for a member of its innermost objects.
const ANSWERS: [(Wire, &str); 9] = [
    (Wire::Chat, r#"{"choices":[{"message":{"content":"a"@}}]}"#),
    (
        Wire::Chat,
        r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"a"@}}]}}]}"#,
    ),
    (Wire::Completions, r#"{"choices":[{"text":"a"@}]}"#),
    (
        Wire::Responses,
        r#"{"object":"response","output":[{"type":"message","content":[{"type":"output_text","text":"a"@}]}]}"#,
    ),
    (
        Wire::Responses,
        r#"{"type":"response.output_text.delta","delta":"a"@}"#,
    ),
    (
        Wire::Messages,
        r#"{"type":"message","content":[{"type":"text","text":"a"@}]}"#,
    ),
    (
        Wire::Messages,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"@}}"#,
    ),
    (
        Wire::Gemini,
        r#"{"candidates":[{"content":{"parts":[{"text":"a"@}]}}]}"#,
    ),
    (
        Wire::Converse,
        r#"{"output":{"message":{"role":"assistant","content":[{"text":"a"@}]}}}"#,
    ),
];

fn read(wire: Wire, body: &str) -> Payload {
    Payload::parse(wire, Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

#[test]
fn what_no_table_lists_is_unreadable_and_an_empty_list_holds_nothing() {
    // The second is a member of errors.
    for (name, (wire, answer)) in ["new", "detail"]
        .into_iter()
        .flat_map(|n| ANSWERS.map(|a| (n, a)))
    {
        let member = format!(r#","{name}":"secret","none":[],"null":null"#);
        let payload = read(wire, &answer.replace('@', &member));
        let unreadable = payload.unreadable.iter().map(|span| payload.text(*span));
        assert_eq!(unreadable.collect::<Vec<_>>(), [r#""secret""#], "{answer}");
        assert_eq!(payload.texts().len(), 1, "{answer}");
    }
}

#[test]
fn what_is_not_the_object_that_a_list_promises_is_unreadable_or_refused() {
    let answers = [
        (
            Wire::Responses,
            r#"{"object":"response","output":[{"type":"message","content":["secret"]}]}"#,
        ),
        (
            Wire::Messages,
            r#"{"type":"message","content":[{"type":"text","citations":["secret"]}]}"#,
        ),
        (
            Wire::Converse,
            r#"{"output":{"message":{"content":[{"citationsContent":{"content":["secret"]}}]}}}"#,
        ),
        (
            Wire::Converse,
            r#"{"contentBlockDelta":{"delta":"secret"}}"#,
        ),
        (
            Wire::Converse,
            r#"{"contentBlockStart":{"start":{"toolUse":"secret"}}}"#,
        ),
        (Wire::Chat, r#"{"choices":["secret"]}"#),
        (
            Wire::Gemini,
            r#"{"candidates":[{"content":{"parts":["secret"]}}]}"#,
        ),
    ];
    for (wire, answer) in answers {
        if let Ok(payload) = Payload::parse(wire, Bytes::from_static(answer.as_bytes())) {
            let unreadable = payload.unreadable.iter().map(|span| payload.text(*span));
            assert_eq!(unreadable.collect::<Vec<_>>(), [r#""secret""#], "{answer}");
        }
    }
}

#[test]
fn an_error_tells_where_the_value_stands() {
    let body = r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":5}}]}}]}"#;
    let error = Payload::parse(Wire::Chat, Bytes::from_static(body.as_bytes())).unwrap_err();
    let place = "'choices[0].delta.tool_calls[0].function.arguments'";
    assert!(error.to_string().contains(place), "{error}");
}
