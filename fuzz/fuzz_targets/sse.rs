//! Any stream, cut anywhere: the same events, none larger than the limit.
#![no_main]

use bytes::Bytes;
use forebay_dialect::sse::{Decoder, Event, SseError};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 64;

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Result<Event, SseError>> {
    let mut decoder = Decoder::new(LIMIT);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        events.extend(&mut decoder);
    }
    events
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, stream) = input;
    let at_once = decode([stream]);
    assert_eq!(decode(stream.chunks(usize::from(size) + 1)), at_once);
    assert!(
        at_once
            .iter()
            .flatten()
            .all(|event| event.data.len() <= LIMIT)
    );
});
