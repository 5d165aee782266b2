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
        relabelled(&payload);
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

/// Labels written as they are change nothing that is read; others leave nothing of the old ones.
fn relabelled(payload: &Payload) {
    let labels = payload.labels().unwrap();
    let same: Vec<_> = labels
        .iter()
        .map(|label| (label, label.text.clone()))
        .collect();
    let again = payload.relabelled(&same).unwrap();
    assert_eq!(again.texts().len(), payload.texts().len());
    assert_eq!(again.labels().unwrap().len(), labels.len());
    let other: Vec<_> = (0..)
        .zip(&labels)
        .map(|(at, label)| (label, format!("label {at}")))
        .collect();
    // A payload whose type is another one may be none of its format any more.
    let _ = payload.relabelled(&other);
}
