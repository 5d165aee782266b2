//! The dialects that shared tests and benchmarks run over.

use forebay_dialect::{Target, Wire};

/// Dialects of conversations that are not furnished yet. Take one out once its readers and
/// writers are there: all shared tests then hold for it.
pub(crate) const PENDING: [Wire; 0] = [];

const ALL: [Wire; 7] = [
    Wire::Chat,
    Wire::Responses,
    Wire::Messages,
    Wire::Gemini,
    Wire::Converse,
    Wire::Cohere,
    Wire::Oci,
];

/// The dialects that a conversation can be brought into.
pub(crate) fn targets() -> impl Iterator<Item = Wire> {
    ALL.into_iter().filter(|wire| !PENDING.contains(wire))
}

/// Those of them that clients speak, so that it can be brought back.
#[allow(dead_code, reason = "not every test that shares this needs both lists")]
pub(crate) fn clients() -> impl Iterator<Item = Wire> {
    targets().filter(|wire| Wire::CLIENTS.contains(wire))
}

/// A request in that dialect; the path of some names model and stream.
#[allow(
    dead_code,
    reason = "not every test that shares this reads requests back"
)]
pub(crate) fn target(wire: Wire, stream: bool) -> Target {
    let in_path = matches!(wire, Wire::Gemini | Wire::Converse);
    Target {
        wire,
        model: in_path.then(|| "m".to_owned()),
        stream: in_path.then_some(stream),
    }
}
