//! What a stream's reader keeps of the parts that have begun, and which events bring text.

/// A part that has begun.
pub(super) struct Known {
    pub(super) part: u32,
    /// Some of it has come.
    pub(super) said: bool,
    pub(super) open: bool,
    /// Of reasoning: whether its text or its summary is told, and up to which of its parts.
    pub(super) told: Option<(bool, u64)>,
}

/// Which part of an item. The item as a whole comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    /// A reasoning item or a call as a whole.
    Item,
    /// A part of a message.
    Content(u64),
}

/// What an event's type says of the piece that it brings.
#[derive(Clone, Copy)]
pub(super) enum Piece {
    Text,
    Refusal,
    ReasoningText,
    ReasoningSummary,
    Call,
}

/// Texts that come in pieces, by how the types of their events begin after `response.`: what they
/// are, and the member that tells them again as a whole.
const PIECES: [(&str, Piece, &str); 6] = [
    ("output_text", Piece::Text, "text"),
    ("refusal", Piece::Refusal, "refusal"),
    ("reasoning_text", Piece::ReasoningText, "text"),
    ("reasoning_summary_text", Piece::ReasoningSummary, "text"),
    ("function_call_arguments", Piece::Call, "arguments"),
    ("custom_tool_call_input", Piece::Call, "input"),
];

/// What an event of that type brings: what it is, the member, and whether it is the whole.
pub(super) fn piece(kind: &str) -> Option<(Piece, &'static str, bool)> {
    let (name, end) = kind.strip_prefix("response.")?.rsplit_once('.')?;
    let (_, piece, whole) = PIECES.iter().find(|(known, ..)| *known == name)?;
    match end {
        "delta" => Some((*piece, "delta", false)),
        "done" => Some((*piece, whole, true)),
        _ => None,
    }
}
