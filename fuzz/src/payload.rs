//! Any payload of any dialect: read or refused; rewritten as told; folded and unfolded without
//! a panic.
use bytes::Bytes;
use forebay_dialect::{AnswerContext, Payload, Wire, fold, unfold};

/// Any payload.
pub(crate) fn payload(raw: &[u8]) {
    let context = AnswerContext::default();
    for wire in Wire::CLIENTS {
        let raw = Bytes::copy_from_slice(raw);
        if let Ok(events) = unfold(wire, &raw, &context) {
            for event in &events {
                Payload::parse(wire, event.clone()).unwrap();
            }
            fold(wire, &events, &context).unwrap();
        }
        let _ = fold(wire, std::slice::from_ref(&raw), &context);
        let Ok(payload) = Payload::parse(wire, raw) else {
            continue;
        };
        let released: Vec<_> = payload
            .texts()
            .iter()
            .map(|delta| (delta.choice, delta.channel, delta.text.clone()))
            .collect();
        for event in payload.synthesise(&released) {
            Payload::parse(wire, event).unwrap();
        }
        let hidden: Vec<_> = released.iter().map(|_| Some(String::new())).collect();
        let guarded = Payload::parse(wire, payload.rewrite(&hidden, true)).unwrap();
        // Arguments that are a JSON value are none when nothing is left of them.
        let says_nothing = |text: &str| text.is_empty() || text == "{}";
        assert!(
            guarded
                .texts()
                .iter()
                .all(|delta| says_nothing(&delta.text))
        );
        assert_eq!(guarded.rewrite(&[], true), guarded.raw);
    }
}
