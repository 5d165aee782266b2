//! What a stream's reader keeps of the parts that have begun, and which events bring text.

/// A part that has begun.
pub(super) struct Known {
    pub(super) index: u64,
    pub(super) slot: Slot,
    pub(super) part: u32,
    /// Some of it has come.
    pub(super) said: bool,
    pub(super) open: bool,
    /// Of reasoning: whether its text or its summary is told, and up to which of its parts.
    pub(super) told: Option<(bool, u64)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// A part of a message.
    Content(u64),
    /// A reasoning item or a call as a whole.
    Item,
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

/// Events that bring text: type, what it is, the member, and whether it is the whole.
pub(super) const PIECES: [(&str, Piece, &str, bool); 12] = [
    ("response.output_text.delta", Piece::Text, "delta", false),
    ("response.output_text.done", Piece::Text, "text", true),
    ("response.refusal.delta", Piece::Refusal, "delta", false),
    ("response.refusal.done", Piece::Refusal, "refusal", true),
    (
        "response.reasoning_text.delta",
        Piece::ReasoningText,
        "delta",
        false,
    ),
    (
        "response.reasoning_text.done",
        Piece::ReasoningText,
        "text",
        true,
    ),
    (
        "response.reasoning_summary_text.delta",
        Piece::ReasoningSummary,
        "delta",
        false,
    ),
    (
        "response.reasoning_summary_text.done",
        Piece::ReasoningSummary,
        "text",
        true,
    ),
    (
        "response.function_call_arguments.delta",
        Piece::Call,
        "delta",
        false,
    ),
    (
        "response.function_call_arguments.done",
        Piece::Call,
        "arguments",
        true,
    ),
    (
        "response.custom_tool_call_input.delta",
        Piece::Call,
        "delta",
        false,
    ),
    (
        "response.custom_tool_call_input.done",
        Piece::Call,
        "input",
        true,
    ),
];
