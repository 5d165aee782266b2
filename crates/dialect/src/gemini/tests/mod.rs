//! What can be expressed goes through Google's format and comes back as it was.
#![allow(clippy::unwrap_used, reason = "a test that fails says so")]

mod foreign;
mod generator;

use proptest::prelude::*;

use super::answer::{read_answer, write_answer};
use super::read::read_request;
use super::stream_read::StreamReader;
use super::stream_write::StreamWriter;
use super::write::write_request;
use crate::contract::context::AnswerContext;
use crate::contract::stream::{ReadStream, WriteStream};
use crate::exchange::{ChatAnswer, Collector, Content, StreamEvent, WriteOptions, replay};
use crate::json::Document;
use crate::wire::{Target, Wire};

fn target(model: &str, stream: bool) -> Target {
    Target {
        wire: Wire::Gemini,
        model: Some(model.to_owned()),
        stream: Some(stream),
    }
}

/// Reads a stream to its end, and gives what it amounts to.
fn collected(events: &[bytes::Bytes]) -> (ChatAnswer<'static>, Vec<StreamEvent>) {
    let mut reader = StreamReader::default();
    let mut steps = Vec::new();
    for event in events {
        let document = Document::parse(event).unwrap();
        reader.read(None, document.root(), &mut steps).unwrap();
    }
    reader.end(&mut steps);
    let mut collector = Collector::default();
    steps.iter().for_each(|step| collector.push(step));
    (collector.finish(), steps)
}

fn written(answer: &ChatAnswer<'_>) -> Vec<bytes::Bytes> {
    let mut writer = StreamWriter::new(&AnswerContext::default());
    let mut events = Vec::new();
    for step in replay(answer) {
        writer.write(&step, &mut events);
    }
    events
}

/// The contract of [`StreamEvent`]: parts are numbered, open before they go on, and closed
/// before their choice ends.
fn refuse_disorder(steps: &[StreamEvent]) {
    let mut open = Vec::new();
    for step in steps {
        match step {
            StreamEvent::PartStart { choice, part, .. } => open.push((*choice, *part)),
            StreamEvent::PartEnd { choice, part } => {
                assert!(open.contains(&(*choice, *part)));
                open.retain(|known| known != &(*choice, *part));
            }
            StreamEvent::Finish { choice, .. } => {
                assert!(open.iter().all(|(of, _)| of != choice));
            }
            _ => {}
        }
    }
    assert!(matches!(steps.first(), Some(StreamEvent::Start { .. })));
    assert_eq!(steps.last(), Some(&StreamEvent::End));
}

#[test]
fn results_without_ids_belong_to_the_last_turns_calls() {
    let call = r#"{"role":"model","parts":[{"functionCall":{"name":"f"}}]}"#;
    let result = r#"{"functionResponse":{"name":"f","response":{"output":"x"}}}"#;
    let results = format!(r#"{{"role":"user","parts":[{result},{result}]}}"#);
    // The first call's result is missing; two contents of the model are one turn.
    let go = r#"{"role":"user","parts":[{"text":"go on"}]}"#;
    let body = format!(r#"{{"contents":[{call},{go},{call},{call},{results}]}}"#);
    let document = Document::parse(body.as_bytes()).unwrap();
    let request = read_request(&target("m", false), document.root()).unwrap();
    let last = request.messages.last().unwrap();
    let answered: Vec<_> = last
        .parts
        .iter()
        .map(|part| match &part.content {
            Content::ToolResult(result) => result.call_id.as_ref(),
            _ => "",
        })
        .collect();
    assert_eq!(answered, ["call_1", "call_2"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_request_comes_back_as_it_was(request in generator::request()) {
        let options = WriteOptions { model: request.model.to_string(), ..WriteOptions::default() };
        let written = write_request(&request, &options).unwrap();
        prop_assert_eq!(&written.lost, &[]);
        let document = Document::parse(&written.body).unwrap();
        let again = read_request(&target(&request.model, request.stream), document.root()).unwrap();
        prop_assert_eq!(again, request);
    }

    #[test]
    fn an_answer_comes_back_as_it_was(answer in generator::answer()) {
        let body = write_answer(&answer, &AnswerContext::default());
        let document = Document::parse(&body).unwrap();
        prop_assert_eq!(read_answer(document.root()).unwrap(), answer);
    }

    #[test]
    fn a_stream_comes_back_as_it_was(answer in generator::answer()) {
        let (again, steps) = collected(&written(&answer));
        refuse_disorder(&steps);
        prop_assert_eq!(again, answer);
    }

    #[test]
    fn a_stream_of_one_event_is_the_whole_answer(answer in generator::answer()) {
        let body = write_answer(&answer, &AnswerContext::default());
        let (again, steps) = collected(&[body]);
        refuse_disorder(&steps);
        prop_assert_eq!(again, answer);
    }
}
