//! Event streams: framing under any split, and vLLM's recorded streams.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::{Bytes, BytesMut};
use forebay_dialect::canonical::{FinishKind, Operation};
use forebay_dialect::openai::convert::fold;
use forebay_dialect::sse::{Decoder, Event, SseError, encode};
use forebay_dialect::{Payload, StreamItem};
use proptest::prelude::*;

fn decode<'a>(
    limit: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Result<Event, SseError>> {
    let mut decoder = Decoder::new(limit);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        events.extend(&mut decoder);
    }
    events
}

fn whole(stream: &str) -> Vec<Event> {
    decode(1000, [stream.as_bytes()])
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

fn data(text: &'static str) -> Event {
    Event {
        data: text.into(),
        ..Event::default()
    }
}

#[test]
fn fields_are_read_as_the_standard_says() {
    assert_eq!(whole("data: a\n\n"), [data("a")]);
    assert_eq!(whole("data:a\r\ndata:  b\r\n\r\n"), [data("a\n b")]);
    assert_eq!(whole("data: a\rdata\r\r"), [data("a\n")]);
    assert_eq!(
        whole("\u{feff}data: a\n\n: comment\n\nretry: 5\n\ndata: b\n\n"),
        [data("a"), data("b")]
    );
    assert_eq!(whole("event: ping\n\ndata\n\n"), [data("")]);
    assert_eq!(whole("dat: a\n\ndata: unfinished\n"), []);
    let named = Event {
        event: Some("e".into()),
        data: "d".into(),
        id: Some("7".into()),
    };
    assert_eq!(
        whole("id: 7\nevent: e\ndata: d\n\ndata: x\n\n"),
        [named, data("x")]
    );
    assert_eq!(whole("id: a\0b\ndata: d\n\n"), [data("d")]);
    assert_eq!(whole("\u{feff}\u{feff}data: no\n\n"), []);
}

#[test]
fn a_cut_stream_is_seen_to_be_cut() {
    let mut decoder = Decoder::new(100);
    assert!(!decoder.is_mid_event());
    decoder.push("data: a\n".into());
    assert!(decoder.next().is_none() && decoder.is_mid_event());
    decoder.push("\n".into());
    assert!(decoder.next().is_some() && !decoder.is_mid_event());
    decoder.push("da".into());
    assert!(decoder.next().is_none() && decoder.is_mid_event());
}

#[test]
fn an_event_over_the_limit_ends_the_stream() {
    let endless = [b'x'; 50];
    let events = decode(
        20,
        [b"data: ok\n\ndata: ", &endless[..], b"\n\ndata: ok\n\n"],
    );
    assert_eq!(
        events,
        [Ok(data("ok")), Err(SseError::TooLarge { limit: 20 })]
    );
    let many_lines = "data: abc\n".repeat(10);
    assert_eq!(
        decode(30, [many_lines.as_bytes()]),
        [Err(SseError::TooLarge { limit: 30 })]
    );
    // What is replaced for being no UTF-8 grows, and counts as it is held.
    let stream = [b"data: a\nevent: ".as_slice(), &[0xff; 20], b"\n\n"].concat();
    assert_eq!(decode(40, [&stream[..]]), decode(40, stream.chunks(1)));
    assert_eq!(
        decode(40, [&stream[..]]),
        [Err(SseError::TooLarge { limit: 40 })]
    );
    // Comments that keep an idle stream alive are not held.
    let comments = ": still here\n".repeat(1000);
    assert_eq!(
        decode(20, [comments.as_bytes(), b"data: a\n\n"]),
        [Ok(data("a"))]
    );
}

/// A stream of odd lines.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("data: é😀".to_owned()),
        Just("data".to_owned()),
        Just(": comment".to_owned()),
        Just("id: 5".to_owned()),
        Just("event: x".to_owned()),
        Just("\u{feff}data: b".to_owned()),
        Just(String::new()),
        Just(String::new()),
        "[ -~]{0,12}",
    ];
    let end = prop_oneof![Just("\n"), Just("\r"), Just("\r\n")];
    prop::collection::vec((line, end), 0..40).prop_map(|lines| {
        lines
            .into_iter()
            .map(|(line, end)| line + end)
            .collect::<String>()
            .into()
    })
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(stream in stream(), cuts in prop::collection::vec(0_usize..400, 0..30), limit in 4_usize..60) {
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]);
        let at_once = decode(limit, [&stream[..]]);
        prop_assert_eq!(&decode(limit, pieces), &at_once);
        prop_assert_eq!(decode(limit, stream.chunks(1)), at_once);
    }

    #[test]
    fn what_is_encoded_is_decoded(text: String, id in "[a-z0-9]{1,9}") {
        let mut out = BytesMut::new();
        encode(text.as_bytes(), Some(&id), &mut out);
        encode(b"next", None, &mut out);
        let events = decode(100_000, [&out[..]]);
        let lines = text.replace("\r\n", "\n").replace('\r', "\n");
        let expected = Event { data: lines.into(), id: Some(id), event: None };
        prop_assert_eq!(events, [Ok(expected), Ok(data("next"))]);
    }
}

/// A recorded stream's items, read in pieces of seven bytes.
fn recorded(operation: Operation, stream: &str) -> (Vec<Payload>, Vec<Bytes>, usize) {
    let mut payloads = Vec::new();
    let mut raw = Vec::new();
    let mut done = 0;
    for event in decode(100_000, stream.as_bytes().chunks(7)) {
        match StreamItem::parse(operation, event.unwrap().data).unwrap() {
            StreamItem::Done => done += 1,
            StreamItem::Payload(payload) => {
                raw.push(payload.raw.clone());
                payloads.push(payload);
            }
        }
    }
    (payloads, raw, done)
}

#[test]
fn a_recorded_chat_stream_says_what_the_recorded_completion_says() {
    let stream = include_str!("fixtures/chat-stream.response");
    let (payloads, raw, done) = recorded(Operation::Chat, stream);
    assert_eq!(done, 1);
    let text: String = payloads
        .iter()
        .flat_map(Payload::texts)
        .map(|delta| delta.text.as_str())
        .collect();
    assert_eq!(text, " Repr\n".repeat(12));
    let ends: Vec<_> = payloads
        .iter()
        .flat_map(Payload::finished)
        .cloned()
        .collect();
    assert_eq!(ends, [(0, FinishKind::Length)]);
    assert!(!payloads[0].is_empty_delta());
    assert!(payloads[1].is_empty_delta());
    let usage = payloads.last().unwrap();
    assert!(usage.is_usage_only());
    assert_eq!(usage.usage().unwrap().output, 24);

    let folded = Payload::parse(Operation::Chat, fold(Operation::Chat, &raw).unwrap()).unwrap();
    let completion = include_str!("fixtures/chat.response");
    let completion = Payload::parse(Operation::Chat, completion.into()).unwrap();
    assert_eq!(folded.texts()[0].text, completion.texts()[0].text);
    assert_eq!(folded.finished(), completion.finished());
    assert_eq!(
        folded.usage().unwrap().output,
        completion.usage().unwrap().output
    );
}

#[test]
fn a_recorded_completion_stream_is_read() {
    let stream = include_str!("fixtures/completions-stream.response");
    let (payloads, raw, done) = recorded(Operation::Completion, stream);
    assert_eq!((payloads.len(), done), (8, 1));
    let folded = fold(Operation::Completion, &raw).unwrap();
    let folded = Payload::parse(Operation::Completion, folded).unwrap();
    assert_eq!(folded.texts()[0].text, "gether():".repeat(4));
    assert_eq!(folded.finished(), [(0, FinishKind::Length)]);
    assert!(String::from_utf8_lossy(&folded.raw).contains("vllm-0.32.0-e5ccba4e"));
}

#[test]
fn recorded_streams_encode_to_the_bytes_that_came() {
    for stream in [
        include_str!("fixtures/chat-stream.response"),
        include_str!("fixtures/completions-stream.response"),
    ] {
        let mut out = BytesMut::new();
        for event in whole_stream(stream) {
            encode(&event.data, None, &mut out);
        }
        assert_eq!(std::str::from_utf8(&out).unwrap(), stream);
    }
}

fn whole_stream(stream: &str) -> Vec<Event> {
    decode(100_000, [stream.as_bytes()])
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn recorded_errors_are_read() {
    let error = |raw: &'static str| {
        Payload::parse(Operation::Chat, raw.into())
            .unwrap()
            .error()
            .cloned()
            .unwrap()
    };
    let unknown = error(include_str!("fixtures/error-unknown-model.response"));
    assert_eq!(unknown.code.as_deref(), Some("404"));
    assert_eq!(unknown.param.as_deref(), Some("model"));
    let length = error(include_str!("fixtures/error-context-length.response"));
    assert!(length.message.contains("maximum context length is 4096"));
    let messages = error(include_str!("fixtures/error-bad-messages.response"));
    assert_eq!(messages.kind.as_deref(), Some("Bad Request"));
}
