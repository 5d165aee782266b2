//! Any bytes as AWS event-stream frames, cut anywhere: the same events, within the limit.

use bytes::Bytes;
use forebay_dialect::event_stream::EventStreamDecoder;

const LIMIT: usize = 256;

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut decoder = EventStreamDecoder::new(LIMIT);
    let mut seen = String::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        for event in &mut decoder {
            seen += &format!("{event:?}\n");
        }
    }
    seen
}

/// Any stream, in pieces of the size that its first byte says.
pub(crate) fn frames(input: &[u8]) {
    let Some((size, stream)) = input.split_first() else {
        return;
    };
    assert_eq!(
        decode(stream.chunks(usize::from(*size) + 1)),
        decode([stream])
    );
}
