//! AWS event-stream frames: read under any split, written as AWS writes them.
//!
//! The frames under `fixtures/event-stream` were checked against botocore's parser when they
//! were made (see `make.py` there).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use forebay_dialect::event_stream::{
    EventStreamDecoder, EventStreamError, Frame, chunk_bytes, encode_event, payload_part,
    union_json,
};
use proptest::prelude::*;

const CONVERSE: &[u8] = include_bytes!("fixtures/event-stream/converse.frames");
const CONVERSE_UNIONS: &str = include_str!("fixtures/event-stream/converse.jsonl");
const THROTTLED: &[u8] = include_bytes!("fixtures/event-stream/throttled.frames");
const THROTTLED_UNIONS: &str = include_str!("fixtures/event-stream/throttled.jsonl");
const INVOKE: &[u8] = include_bytes!("fixtures/event-stream/invoke.frames");
const INVOKE_EVENTS: &str = include_str!("fixtures/event-stream/invoke.jsonl");
const SAGEMAKER: &[u8] = include_bytes!("fixtures/event-stream/sagemaker.frames");
const SAGEMAKER_BODY: &[u8] = include_bytes!("fixtures/event-stream/sagemaker.body");

const LIMIT: usize = 64 * 1024;

fn decode<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Result<Frame, EventStreamError>>, bool) {
    let mut decoder = EventStreamDecoder::new(LIMIT);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        frames.extend(&mut decoder);
    }
    (frames, decoder.has_partial())
}

fn frames(stream: &[u8]) -> Vec<Frame> {
    let (frames, partial) = decode([stream]);
    assert!(!partial);
    frames.into_iter().map(Result::unwrap).collect()
}

fn error(stream: &[u8]) -> EventStreamError {
    decode([stream]).0.pop().unwrap().unwrap_err()
}

#[test]
fn frames_read_as_botocore_reads_them() {
    for (stream, unions) in [(CONVERSE, CONVERSE_UNIONS), (THROTTLED, THROTTLED_UNIONS)] {
        let read: Vec<Bytes> = frames(stream).iter().map(union_json).collect();
        assert_eq!(read, unions.lines().collect::<Vec<_>>());
    }
}

#[test]
fn frames_are_written_byte_for_byte_as_those_that_botocore_reads() {
    for (stream, unions) in [(CONVERSE, CONVERSE_UNIONS), (THROTTLED, THROTTLED_UNIONS)] {
        let mut out = BytesMut::new();
        for union in unions.lines() {
            encode_event(&Bytes::from_static(union.as_bytes()), &mut out).unwrap();
        }
        assert_eq!(out, stream);
    }
}

#[test]
fn an_exception_is_told_from_an_event() {
    let [frame] = frames(THROTTLED).try_into().unwrap();
    assert_eq!(frame.event_type, None);
    assert_eq!(frame.exception.as_deref(), Some("throttlingException"));
    assert_eq!(
        frame.payload,
        r#"{"message":"Too many tokens, please wait."}"#
    );
}

#[test]
fn a_chunk_of_invoke_carries_the_models_own_event() {
    let carried: Vec<Bytes> = frames(INVOKE)
        .iter()
        .map(|frame| chunk_bytes(frame).unwrap().unwrap())
        .collect();
    assert_eq!(carried, INVOKE_EVENTS.lines().collect::<Vec<_>>());
    assert_eq!(chunk_bytes(&frames(THROTTLED)[0]), Ok(None));
    for payload in ["", "{}", r#"{"bytes":7}"#, r#"{"bytes":"Zm9"}"#, "no JSON"] {
        let frame = Frame {
            event_type: Some("chunk".into()),
            payload: payload.into(),
            exception: None,
        };
        assert_eq!(chunk_bytes(&frame), Err(EventStreamError::NotAChunk));
    }
}

#[test]
fn parts_of_sagemaker_join_to_the_containers_body() {
    let parts: Vec<Bytes> = frames(SAGEMAKER).iter().filter_map(payload_part).collect();
    assert_eq!(parts.concat(), SAGEMAKER_BODY);
    assert_eq!(payload_part(&frames(THROTTLED)[0]), None);
}

#[test]
fn a_cut_stream_is_seen_to_be_cut() {
    let (read, partial) = decode([&CONVERSE[..CONVERSE.len() - 1]]);
    assert!(read.iter().all(Result::is_ok) && partial);
    let mut decoder = EventStreamDecoder::new(LIMIT);
    assert!(decoder.is_empty() && decoder.next().is_none());
    decoder.push(Bytes::from_static(&CONVERSE[..3]));
    assert!(decoder.next().is_none() && decoder.has_partial() && !decoder.is_empty());
}

#[test]
fn every_flipped_byte_is_an_error_or_a_frame_that_never_ends() {
    for at in 0..THROTTLED.len() {
        let mut damaged = THROTTLED.to_vec();
        damaged[at] ^= 0x11;
        let (read, partial) = decode([&damaged[..]]);
        assert!(
            read.iter().all(Result::is_err) && (partial || !read.is_empty()),
            "byte {at}"
        );
    }
    let mut damaged = THROTTLED.to_vec();
    damaged[THROTTLED.len() - 1] ^= 1;
    let message = error(&damaged).to_string();
    assert!(message.starts_with("a frame of the event stream is damaged: message checksum 0x"));
}

#[test]
fn a_frame_over_the_limit_is_refused_before_it_has_come() {
    let long = [0x7f, 0, 0, 0];
    assert_eq!(
        error(&long).to_string(),
        "a frame of the event stream is 2130706432 bytes long, over the limit of 65536 bytes"
    );
    let message = error(&[0, 0, 0, 15]).to_string();
    assert!(message.contains("15 bytes, which is not a valid frame length"));
}

#[test]
fn nothing_is_read_after_an_error() {
    let mut decoder = EventStreamDecoder::new(LIMIT);
    decoder.push(Bytes::from_static(&[0, 0, 0, 1]));
    assert!(decoder.next().unwrap().is_err());
    decoder.push(Bytes::from_static(THROTTLED));
    assert!(decoder.next().is_none());
}

#[test]
fn what_is_no_union_is_not_framed() {
    let mut out = BytesMut::new();
    for json in [
        "",
        "[]",
        "{}",
        r#"{"a":1}"#,
        r#"{"a":{},"b":{}}"#,
        r#"{"a":{}"#,
    ] {
        let refused = encode_event(&json.into(), &mut out);
        assert_eq!(refused, Err(EventStreamError::NotAUnion), "{json}");
    }
    let name = "n".repeat(40_000);
    let refused = encode_event(&format!("{{\"{name}\":{{}}}}").into(), &mut out);
    assert!(matches!(refused, Err(EventStreamError::Unwritable { .. })));
    assert!(out.is_empty());
}

#[test]
fn what_a_payload_says_is_in_no_debug_output() {
    let frame = &frames(THROTTLED)[0];
    assert!(!format!("{frame:?}").contains("tokens"));
}

#[test]
fn ten_thousand_frames_take_well_under_a_second_each_way() {
    let union = Bytes::from_static(CONVERSE_UNIONS.lines().nth(4).unwrap().as_bytes());
    let begun = Instant::now();
    let mut out = BytesMut::new();
    for _ in 0..10_000 {
        encode_event(&union, &mut out).unwrap();
    }
    let mut decoder = EventStreamDecoder::new(LIMIT);
    decoder.push(out.freeze());
    assert_eq!(decoder.by_ref().filter(Result::is_ok).count(), 10_000);
    // A hundred times what it takes when nothing else runs: this sees a quadratic buffer alone.
    assert!(begun.elapsed() < Duration::from_secs(10));
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(cuts in prop::collection::vec(0..CONVERSE.len(), 0..20)) {
        let mut cuts = cuts;
        cuts.extend([0, CONVERSE.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &CONVERSE[cut[0]..cut[1]]);
        prop_assert_eq!(decode(pieces), decode([CONVERSE]));
    }

    #[test]
    fn any_event_survives_its_frame(name in "[a-zA-Z]{1,40}", text in any::<String>()) {
        let text = forebay_dialect::json_string(&text);
        let union = Bytes::from(format!("{{\"{name}\":{{\"text\":{text}}}}}"));
        let mut out = BytesMut::new();
        encode_event(&union, &mut out).unwrap();
        let [frame] = frames(&out).try_into().unwrap();
        prop_assert_eq!(frame.exception.is_some(), name.ends_with("Exception"));
        prop_assert_eq!(union_json(&frame), union);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        decode([&bytes[..]]);
    }
}
