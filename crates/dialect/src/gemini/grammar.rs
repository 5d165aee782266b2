//! What the members of Google's answers are; each event of a stream is one.

use super::candidate::{finish_kind, usage_of};
use crate::canonical::FinishKind;
use crate::grammar::{
    ARRAY, Axis, BOOL, Closes, Gather, List, Mark, NUMBER, OBJECT, Object, Piece, Rule, STRING,
    Said,
};

pub(super) static ANSWER: Object = Object {
    members: &[
        ("candidates", Rule::List(&CANDIDATES)),
        ("modelVersion", Rule::Model),
        ("responseId", Rule::Id),
        ("createTime", STRING),
        ("error", OBJECT),
        ("usageMetadata", Rule::Usage(|value| Ok(usage_of(value)))),
        ("promptFeedback", OBJECT),
    ],
    ..Object::EMPTY
};

static CANDIDATES: List = List {
    axis: Some(Axis::Choice),
    index: Some("index"),
    alone: true,
    keeps_index: true,
    ..List::of(&CANDIDATE)
};
/// Not listed are among others sources, and messages that quote broken calls.
static CANDIDATE: Object = Object {
    members: &[
        ("content", Rule::Object(&CONTENT)),
        ("finishReason", Rule::Finish(finish, Closes::Yes)),
        ("index", NUMBER),
        ("tokenCount", NUMBER),
        ("avgLogprobs", NUMBER),
        ("safetyRatings", ARRAY),
        ("citationMetadata", Rule::Unreadable(Gather::Lists)),
        ("logprobsResult", Rule::Unreadable(Gather::Lists)),
    ],
    ..Object::EMPTY
};
static CONTENT: Object = Object {
    members: &[("role", STRING), ("parts", Rule::List(&PARTS))],
    ..Object::EMPTY
};
static PARTS: List = List {
    alone: true,
    joins_texts: true,
    ..List::of(&PART)
};

/// A part is what its members are; a thought differs in its text.
static PART: Object = Object {
    members: &[
        ("text", Rule::Text(Said::Content, Piece::Part)),
        ("thought", BOOL),
        // Encrypted by Google, and needed in the next turn.
        ("thoughtSignature", Rule::Pointer),
        ("functionCall", Rule::Object(&CALL)),
        ("executableCode", Rule::Object(&CODE)),
        ("codeExecutionResult", Rule::Object(&CODE_RESULT)),
    ],
    tag: "thought",
    kinds: &[("true", &THOUGHT)],
    ..Object::EMPTY
};
static THOUGHT: Object = Object {
    members: &[("text", Rule::Text(Said::Reasoning, Piece::Part))],
    base: Some(&PART),
    ..Object::EMPTY
};

/// Google never sends arguments, code or its output in pieces. Not listed are pieces of arguments
/// by their paths (Vertex AI's `partialArgs`).
static CALL: Object = Object {
    members: &[
        ("id", STRING),
        ("name", STRING),
        ("willContinue", BOOL),
        ("args", Rule::Json(Piece::Whole)),
    ],
    marks: &[Mark::Structure, Mark::NextCall],
    ..Object::EMPTY
};
/// Code that Google's servers ran.
static CODE: Object = Object {
    members: &[
        ("code", Rule::Text(Said::Content, Piece::Whole)),
        ("language", STRING),
        ("id", STRING),
    ],
    marks: &[Mark::Structure],
    loose: true,
    ..Object::EMPTY
};
static CODE_RESULT: Object = Object {
    members: &[
        ("output", Rule::Text(Said::Content, Piece::Whole)),
        ("outcome", STRING),
        ("id", STRING),
    ],
    marks: &[Mark::Structure],
    loose: true,
    ..Object::EMPTY
};

fn finish(reason: &str, has_calls: bool) -> Option<FinishKind> {
    let goes_on = matches!(reason, "" | "FINISH_REASON_UNSPECIFIED");
    (!goes_on).then(|| finish_kind(reason, has_calls))
}
