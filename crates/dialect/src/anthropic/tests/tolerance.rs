//! Streams and answers that are not as they should be, on both sides.

use super::*;
use crate::exchange::{Delta, PartKind, StreamEvent};
use crate::payload::UpstreamErrorBody;

fn steps(events: &[&str]) -> Vec<StreamEvent> {
    let mut reader = StreamReader::default();
    let mut steps = Vec::new();
    for event in events {
        let document = Document::parse(event.as_bytes()).unwrap();
        reader.read(None, document.root(), &mut steps).unwrap();
    }
    steps
}

const START: &str = r#"{"type":"message_start","message":{"id":"m","model":"c","content":[],"usage":{"input_tokens":3,"cache_read_input_tokens":5,"cache_creation_input_tokens":2,"output_tokens":1}}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

fn started() -> StreamEvent {
    StreamEvent::Start {
        id: "m".into(),
        model: "c".into(),
        created: None,
        usage: Some(Usage {
            input: 10,
            output: 1,
            cached_input: 5,
            cache_write: 2,
            reasoning: 0,
        }),
    }
}

#[test]
fn counts_of_the_start_stay_where_the_end_tells_only_its_own() {
    let end = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":7,"output_tokens_details":{"thinking_tokens":4}}}"#;
    let usage = Usage {
        input: 10,
        output: 7,
        cached_input: 5,
        cache_write: 2,
        reasoning: 4,
    };
    let finish = StreamEvent::Finish {
        choice: 0,
        finish: Finish::Stop,
    };
    let expected = [
        started(),
        finish,
        StreamEvent::Usage(usage),
        StreamEvent::End,
    ];
    assert_eq!(steps(&[START, end, STOP]), expected);
}

#[test]
fn pings_and_unknown_events_and_blocks_say_nothing() {
    let unknown = [
        START,
        r#"{"type":"ping"}"#,
        r#"{"type":"later"}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_delta","index":9,"delta":{"type":"text_delta","text":"x"}}"#,
        r#"{"type":"content_block_stop","index":9}"#,
    ];
    assert_eq!(steps(&unknown), [started()]);
}

#[test]
fn a_call_without_arguments_has_an_empty_object_of_them() {
    let events = steps(&[
        r#"{"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
        r#"{"type":"content_block_delta","index":4,"delta":{"type":"input_json_delta","partial_json":""}}"#,
        r#"{"type":"content_block_stop","index":4}"#,
    ]);
    let delta = StreamEvent::PartDelta {
        choice: 0,
        part: 0,
        delta: Delta::Text("{}".into()),
    };
    assert_eq!(
        events[1..],
        [delta, StreamEvent::PartEnd { choice: 0, part: 0 }]
    );
}

#[test]
fn a_stream_ends_well_only_with_a_reason_and_its_own_last_event() {
    let end = r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"}}"#;
    assert!(steps(&[START, end, STOP]).contains(&StreamEvent::End));
    assert!(!steps(&[START, end]).contains(&StreamEvent::End));
    assert!(!steps(&[START, STOP]).contains(&StreamEvent::End));
}

#[test]
fn an_error_within_a_stream_is_told() {
    let overloaded =
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let error = UpstreamErrorBody {
        message: "Overloaded".into(),
        kind: Some("overloaded_error".into()),
        param: None,
        code: None,
    };
    let read = steps(&[START, overloaded, STOP]);
    assert_eq!(read[1..], [StreamEvent::Error(error)]);
    let mut out = Vec::new();
    StreamWriter::new(&AnswerContext::default()).write(&read[1], &mut out);
    let told: serde_json::Value = serde_json::from_slice(&out[0]).unwrap();
    assert_eq!(told["error"]["type"], "overloaded_error");
}

#[test]
fn calls_side_by_side_keep_their_fragments_apart() {
    let begin = |part: u32| StreamEvent::PartStart {
        choice: 0,
        part,
        kind: PartKind::ToolCall {
            id: format!("c{part}"),
            name: "f".into(),
            custom: false,
        },
    };
    let piece = |part, text: &str| StreamEvent::PartDelta {
        choice: 0,
        part,
        delta: Delta::Text(text.into()),
    };
    let mut writer = StreamWriter::new(&AnswerContext::default());
    let mut events = Vec::new();
    let finish = StreamEvent::Finish {
        choice: 0,
        finish: Finish::ToolCalls,
    };
    for step in [
        begin(0),
        begin(1),
        piece(0, "{\"a\""),
        piece(1, "{}"),
        piece(0, ":1}"),
        finish,
        StreamEvent::End,
    ] {
        writer.write(&step, &mut events);
    }
    let (answer, ended) = collected(&events);
    assert!(ended);
    let arguments: Vec<_> = answer.choices[0]
        .parts
        .iter()
        .map(|part| match &part.content {
            Content::ToolCall(call) => call.arguments.as_ref(),
            _ => "",
        })
        .collect();
    assert_eq!(arguments, ["{\"a\":1}", "{}"]);
}

#[test]
fn a_refusal_of_openais_ends_as_one() {
    let answer = ChatAnswer {
        choices: vec![Choice {
            parts: vec![Part::new(Content::Refusal("no".into()))],
            finish: Some(Finish::Stop),
            logprobs: None,
        }],
        ..ChatAnswer::default()
    };
    let context = AnswerContext {
        id: "7".into(),
        model: "fast".into(),
        ..AnswerContext::default()
    };
    let body: serde_json::Value = serde_json::from_slice(&write_answer(&answer, &context)).unwrap();
    assert_eq!(body["stop_reason"], "refusal");
    assert_eq!(body["id"], "msg_7");
    assert_eq!(body["model"], "fast");
    assert_eq!(
        body["content"],
        serde_json::json!([{"type": "text", "text": "no"}])
    );
}

/// Claude Code takes messages of one id for one, and servers such as Ollama give an id again.
#[test]
fn only_an_id_of_anthropics_stays_one() {
    let context = AnswerContext {
        id: "7".into(),
        ..AnswerContext::default()
    };
    let cases = [
        ("msg_01", "msg_01"),
        ("chatcmpl-5", "msg_7"),
        ("resp_5", "msg_7"),
        ("", "msg_7"),
    ];
    for (id, told) in cases {
        let answer = ChatAnswer {
            id: id.into(),
            ..ChatAnswer::default()
        };
        let whole = write_answer(&answer, &context);
        let body: serde_json::Value = serde_json::from_slice(&whole).unwrap();
        assert_eq!(body["id"], told);
    }
}
