//! Any payload: read or refused; rewritten as told; folded and unfolded without a panic.
#![no_main]

use bytes::Bytes;
use forebay_dialect::Payload;
use forebay_dialect::canonical::Operation;
use forebay_dialect::openai::convert::{fold, unfold};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    for operation in [Operation::Chat, Operation::Completion] {
        let raw = Bytes::copy_from_slice(raw);
        if let Ok(events) = unfold(operation, &raw) {
            for event in &events {
                Payload::parse(operation, event.clone()).unwrap();
            }
            fold(operation, &events).unwrap();
        }
        let _ = fold(operation, std::slice::from_ref(&raw));
        let Ok(payload) = Payload::parse(operation, raw) else {
            continue;
        };
        let released: Vec<_> = payload
            .texts()
            .iter()
            .map(|delta| (delta.choice, delta.channel, delta.text.clone()))
            .collect();
        Payload::parse(operation, payload.synthesise(&released)).unwrap();
        let hidden: Vec<_> = released.iter().map(|_| Some(String::new())).collect();
        let guarded = Payload::parse(operation, payload.rewrite(&hidden, true)).unwrap();
        assert!(guarded.texts().iter().all(|delta| delta.text.is_empty()));
        assert_eq!(guarded.rewrite(&[], true), guarded.raw);
    }
});
