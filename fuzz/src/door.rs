//! Any body at any door, and as an answer on its way out; and any body as a request that refers to
//! what is kept: read or refused, without a panic.

use bytes::Bytes;
use forebay_dialect::Request;
use forebay_dialect::door::{Door, Entered, Told};
use forebay_dialect::kept::{self, Stamp, State};

/// Any body.
pub(crate) fn door(body: &[u8]) {
    let body = Bytes::copy_from_slice(body);
    for door in Door::ALL {
        let mut told = Told::default();
        if let Ok(Entered::Request(entered)) = door.enter(&body, &mut told) {
            // It may lack what the other format needs, or have too much; it is JSON.
            is_json(&entered);
            let _ = Request::parse(door.wire(), entered);
        }
        if let Some(answer) = door.answer(&body, &told) {
            is_json(&answer);
        }
        if let Some(mut stream) = door.stream(told) {
            let mut out = Vec::new();
            stream.event(&body, &mut out);
            stream.end(&mut out);
            for event in out {
                is_json(&event);
            }
        }
    }
    if let Ok(Some(_)) = kept::read(&body)
        && let Some(composed) = kept::compose(&body, Vec::new(), &[])
    {
        let state = State {
            response: Bytes::from_static(b"{}"),
            items: composed.items,
        };
        let written = state.write(&"0".repeat(kept::TOKEN));
        assert_eq!(
            State::read(&written).unwrap().items.len(),
            state.items.len()
        );
    }
    let stamp = Stamp {
        token: Some("0".repeat(kept::TOKEN)),
        previous: None,
    };
    let _ = stamp.event(&body);
    if let Some(stamped) = stamp.whole(&body) {
        is_json(&stamped);
    }
}

fn is_json(bytes: &[u8]) {
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes).unwrap();
}
