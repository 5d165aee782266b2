//! Any stream, from every dialect into every client's: translated or refused without a panic,
//! and what is made of it can be read.
use bytes::Bytes;
use forebay_dialect::{AnswerContext, Payload, StreamTranslation, Wire, is_done_marker};

pub(crate) const FROM: [Wire; 7] = [
    Wire::Chat,
    Wire::Responses,
    Wire::Messages,
    Wire::Gemini,
    Wire::Converse,
    Wire::Cohere,
    Wire::Oci,
];
pub(crate) const TO: [Wire; 5] = [
    Wire::Chat,
    Wire::Responses,
    Wire::Messages,
    Wire::Gemini,
    Wire::Converse,
];

/// Any stream, one event a line.
pub(crate) fn stream(input: &[u8]) {
    let events: Vec<_> = input
        .split(|byte| *byte == b'\n')
        .map(Bytes::copy_from_slice)
        .collect();
    for from in FROM {
        for to in TO {
            let mut translation = StreamTranslation::new(from, to, &AnswerContext::default());
            let mut out = Vec::new();
            for event in &events {
                if translation.push(None, event, &mut out).is_err() {
                    break;
                }
            }
            translation.end_of_body(&mut out);
            for event in out.into_iter().filter(|event| !is_done_marker(event)) {
                Payload::parse(to, event).unwrap();
            }
        }
    }
}
