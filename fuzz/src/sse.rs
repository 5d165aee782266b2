//! Any stream, cut anywhere: the same events, none larger than the limit.
use bytes::Bytes;
use forebay_dialect::sse::{Decoder, Event, SseError};

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

/// Any stream, in pieces of the size that its first byte says.
pub(crate) fn sse(input: &[u8]) {
    let Some((size, stream)) = input.split_first() else {
        return;
    };
    let at_once = decode([stream]);
    assert_eq!(decode(stream.chunks(usize::from(*size) + 1)), at_once);
    assert!(
        at_once
            .iter()
            .flatten()
            .all(|event| event.data.len() <= LIMIT)
    );
}
