//! What of a request reaches the model, as one flat list: what guardrails judge.

use std::borrow::Cow;

/// What a place holds. It decides what an edit of it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaceKind {
    /// Text: a stretch of it is masked.
    Text,
    /// A JSON text: a stretch within one of its strings is masked.
    Json,
    /// A name or identifier: replaced in the whole request, and back in the answer.
    Identifier,
    /// A word of the format's vocabulary: an edit refuses the request.
    Vocabulary,
    /// Signed content: it goes up byte for byte, or the request is refused.
    Signed,
    /// What can't be read: refused where a rule applies.
    Unreadable,
}

/// One stretch of a request that reaches the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<'a> {
    /// What it holds.
    pub kind: PlaceKind,
    /// The role of the message that it belongs to, empty where it belongs to none.
    pub role: &'a str,
    /// Where it is, for people: `messages[2].content[0]`. Never prompt text.
    pub path: String,
    /// What it says, unescaped; for JSON, the JSON text; empty where it can't be read.
    pub text: Cow<'a, str>,
    /// The model reads the next place right behind this one.
    pub joins_next: bool,
}
