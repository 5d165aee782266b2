//! What crosses: requests, answers and streams, to the typed form and back.

mod generate;
mod refusals;

use bytes::Bytes;
use proptest::prelude::*;

use self::generate::{answers, requests};
use super::answer::{read_answer, write_answer};
use super::read::read_request;
use super::stream_read::StreamReader;
use super::stream_write::StreamWriter;
use super::write::write_request;
use crate::contract::context::AnswerContext;
use crate::contract::stream::{ReadStream, WriteStream};
use crate::exchange::{ChatAnswer, Collector, StreamEvent, WriteOptions, replay};
use crate::json::Document;
use crate::wire::{Target, Wire};

const CLAUDE: &str = "us.anthropic.claude-opus-4-8-v1:0";

fn target(model: &str) -> Target {
    Target {
        wire: Wire::Converse,
        model: Some(model.to_owned()),
        stream: Some(false),
    }
}

fn options(model: &str) -> WriteOptions {
    WriteOptions {
        model: model.to_owned(),
        ..WriteOptions::default()
    }
}

fn stream(answer: &ChatAnswer<'_>) -> Vec<Bytes> {
    let mut writer = StreamWriter::default();
    let mut out = Vec::new();
    for event in replay(answer) {
        writer.write(&event, &mut out);
    }
    out
}

fn events(stream: &[impl AsRef<[u8]>]) -> Vec<StreamEvent> {
    let mut reader = StreamReader::default();
    let mut out = Vec::new();
    for event in stream {
        let document = Document::parse(event.as_ref()).unwrap();
        reader.read(None, document.root(), &mut out).unwrap();
    }
    reader.end(&mut out);
    out
}

fn collect(events: &[StreamEvent]) -> ChatAnswer<'static> {
    let mut collector = Collector::default();
    events.iter().for_each(|event| collector.push(event));
    collector.finish()
}

proptest! {
    #[test]
    fn what_converse_can_express_survives_it(request in requests()) {
        let written = write_request(&request, &options(CLAUDE)).unwrap();
        prop_assert_eq!(&written.lost, &[]);
        let document = Document::parse(&written.body).unwrap();
        let read = read_request(&target(CLAUDE), document.root()).unwrap();
        prop_assert_eq!(read, request);
    }

    #[test]
    fn a_whole_answer_survives_it(answer in answers()) {
        let body = write_answer(&answer, &AnswerContext::default());
        let document = Document::parse(&body).unwrap();
        prop_assert_eq!(read_answer(document.root()).unwrap(), answer);
    }

    #[test]
    fn a_replayed_answer_streams_back_to_itself(answer in answers()) {
        let steps = events(&stream(&answer));
        prop_assert_eq!(steps.last(), Some(&StreamEvent::End));
        prop_assert_eq!(collect(&steps), answer);
    }
}

/// The whole answer that the stream of the fixture amounts to.
const WHOLE: &str = r#"{"output":{"message":{"role":"assistant","content":[
    {"reasoningContent":{"reasoningText":{"text":"They greet.","signature":"c2ln"}}},
    {"text":"Grüße, \"Welt\"\n😀"},
    {"toolUse":{"toolUseId":"tooluse_kZJMlvQmRJ6eAyJE5GIl7Q","name":"weather","input":{"city": "Bern"}}}
    ]}},"stopReason":"tool_use","usage":{"inputTokens":12,"outputTokens":34,"totalTokens":146,
    "cacheReadInputTokens":90,"cacheWriteInputTokens":10},"metrics":{"latencyMs":1175}}"#;
const STREAM: &str = include_str!("../../../tests/fixtures/event-stream/converse.jsonl");

#[test]
fn a_stream_amounts_to_the_whole_answer() {
    let lines: Vec<&str> = STREAM.lines().collect();
    let document = Document::parse(WHOLE.as_bytes()).unwrap();
    let whole = read_answer(document.root()).unwrap();
    assert_eq!(collect(&events(&lines)), whole);
    let usage = whole.usage.unwrap();
    assert_eq!(
        (usage.input, usage.cached_input, usage.cache_write),
        (112, 90, 10)
    );
}

#[test]
fn a_stream_without_its_stop_has_not_ended() {
    let lines: Vec<&str> = STREAM.lines().take(6).collect();
    let steps = events(&lines);
    assert!(matches!(
        steps.last(),
        Some(StreamEvent::PartEnd { part: 1, .. })
    ));
}

#[test]
fn events_and_blocks_that_are_not_known_are_skipped() {
    let steps = events(&[
        r#"{"ping":{}}"#,
        r#"{"messageStart":{"role":"assistant"}}"#,
        r#"{"contentBlockStart":{"start":{"image":{"format":"png"}},"contentBlockIndex":0}}"#,
        r#"{"contentBlockDelta":{"delta":{"image":{"source":{"bytes":"Zm9v"}}},"contentBlockIndex":0}}"#,
        r#"{"contentBlockStop":{"contentBlockIndex":0}}"#,
        r#"{"contentBlockStart":{"start":{"toolUse":{"toolUseId":"s","name":"web","type":"server_tool_use"}},"contentBlockIndex":1}}"#,
        r#"{"contentBlockDelta":{"delta":{"toolUse":{"input":"{}"}},"contentBlockIndex":1}}"#,
        r#"{"contentBlockStop":{"contentBlockIndex":1}}"#,
        r#"{"contentBlockDelta":{"delta":{"text":"Hi"},"contentBlockIndex":2}}"#,
        r#"{"messageStop":{"stopReason":"end_turn"}}"#,
    ]);
    let answer = collect(&steps);
    assert_eq!(answer.choices[0].parts, [crate::exchange::Part::text("Hi")]);
    assert_eq!(steps.len(), 6);
}

#[test]
fn a_call_without_arguments_has_an_empty_object_of_them() {
    let steps = events(&[
        r#"{"contentBlockStart":{"start":{"toolUse":{"toolUseId":"t","name":"now"}},"contentBlockIndex":0}}"#,
        r#"{"contentBlockDelta":{"delta":{"toolUse":{"input":""}},"contentBlockIndex":0}}"#,
        r#"{"contentBlockStop":{"contentBlockIndex":0}}"#,
        r#"{"messageStop":{"stopReason":"tool_use"}}"#,
    ]);
    let answer = collect(&steps);
    let crate::exchange::Content::ToolCall(call) = &answer.choices[0].parts[0].content else {
        panic!("a call");
    };
    assert_eq!(call.arguments, "{}");
}

#[test]
fn an_exception_in_a_stream_is_an_error_step() {
    let steps = events(&[r#"{"throttlingException":{"message":"slow down"}}"#]);
    let [StreamEvent::Error(error)] = &steps[..] else {
        panic!("one error: {steps:?}");
    };
    assert_eq!(error.message, "slow down");
    assert_eq!(error.kind.as_deref(), Some("rate_limit_error"));
}
