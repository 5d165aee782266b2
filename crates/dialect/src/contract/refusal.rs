//! What a client is told of an error, whatever its format.

/// What a client is told of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorParts<'a> {
    /// The HTTP status; within a stream the one it would have had.
    pub status: u16,
    /// What went wrong, for people.
    pub message: &'a str,
    /// OpenAI's `type`; empty: the one that goes with the status.
    pub kind: &'a str,
    /// The field at fault.
    pub param: Option<&'a str>,
    /// A stable code for machines.
    pub code: Option<&'a str>,
    /// How many events of its stream went out before it; OpenAI's responses number theirs.
    pub sequence: u64,
}

/// OpenAI's code for a prompt that is too long, by which it is known here.
pub const CONTEXT_EXCEEDED: &str = "context_length_exceeded";
