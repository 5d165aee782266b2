//! What the members of Google's answers are; each event of a stream is one.

use super::candidate::{self, usage_of};
use super::names::{integer, number};
use crate::canonical::FinishKind;
use crate::grammar::drawn::{Drawn, Sample};
use crate::grammar::{
    ARRAY, Axis, BOOL, CONTENT, Closes, Gather, List, Mark, NUMBER, OBJECT, Object, Piece,
    REASONING, Rule, STRING, Said,
};

/// What a request's `generationConfig` says of sampling.
pub(super) static DRAWN: Drawn = Drawn::of(&[
    ("generationConfig.temperature", Sample::Temperature),
    ("generationConfig.topP", Sample::TopP),
    ("generationConfig.topK", Sample::TopK),
    ("generationConfig.candidateCount", Sample::Choices),
    ("generationConfig.maxOutputTokens", Sample::MaxTokens),
    ("generationConfig.seed", Sample::ShortSeed),
    (
        "generationConfig.frequencyPenalty",
        Sample::FrequencyPenalty,
    ),
    ("generationConfig.presencePenalty", Sample::PresencePenalty),
    ("generationConfig.responseLogprobs", Sample::Logprobs),
    ("generationConfig.logprobs", Sample::TopLogprobs),
    ("generationConfig.stopSequences", Sample::StopOrStops),
])
.numbers(number, integer);

pub(super) static ANSWER: Object = Object::of(&[
    ("candidates", Rule::List(&CANDIDATES)),
    ("modelVersion", Rule::Model),
    ("responseId", Rule::Id),
    ("createTime", STRING),
    ("error", OBJECT),
    ("usageMetadata", Rule::Usage(|value| Ok(usage_of(value)))),
    ("promptFeedback", OBJECT),
]);

static CANDIDATES: List = List::of(&CANDIDATE)
    .numbered(Axis::Choice, "index")
    .alone()
    .keeps_index();
/// Not listed are among others sources, and messages that quote broken calls.
static CANDIDATE: Object = Object::of(&[
    ("content", Rule::Object(&SAID)),
    ("finishReason", Rule::Finish(finish, Closes::Yes)),
    ("index", NUMBER),
    ("tokenCount", NUMBER),
    ("avgLogprobs", NUMBER),
    ("safetyRatings", ARRAY),
    ("citationMetadata", Rule::Unreadable(Gather::Lists)),
    ("logprobsResult", Rule::Unreadable(Gather::Lists)),
]);
static SAID: Object = Object::of(&[("role", STRING), ("parts", Rule::List(&PARTS))]);
static PARTS: List = List::of(&PART).alone().joins_texts();

/// A part is what its members are; a thought differs in its text.
static PART: Object = Object::of(&[
    ("text", CONTENT),
    ("thought", BOOL),
    // Encrypted by Google, and needed in the next turn.
    ("thoughtSignature", Rule::Pointer),
    ("functionCall", Rule::Object(&CALL)),
    ("executableCode", Rule::Object(&CODE)),
    ("codeExecutionResult", Rule::Object(&CODE_RESULT)),
])
.kinds("thought", &[("true", &THOUGHT)]);
static THOUGHT: Object = Object::of(&[("text", REASONING)]).base(&PART);

/// Google never sends arguments, code or its output in pieces. Not listed are pieces of arguments
/// by their paths (Vertex AI's `partialArgs`).
static CALL: Object = Object::of(&[
    ("id", STRING),
    ("name", Rule::ToolName),
    ("willContinue", BOOL),
    ("args", Rule::Json(Piece::Whole)),
])
.marks(&[Mark::Structure, Mark::NextCall]);
/// Code that Google's servers ran.
static CODE: Object = Object::of(&[
    ("code", Rule::Text(Said::Content, Piece::Whole)),
    ("language", STRING),
    ("id", STRING),
])
.marks(&[Mark::Structure])
.loose();
static CODE_RESULT: Object = Object::of(&[
    ("output", Rule::Text(Said::Content, Piece::Whole)),
    ("outcome", STRING),
    ("id", STRING),
])
.marks(&[Mark::Structure])
.loose();

fn finish(reason: &str, has_calls: bool) -> Option<FinishKind> {
    let goes_on = matches!(reason, "" | "FINISH_REASON_UNSPECIFIED");
    (!goes_on).then(|| candidate::finish(reason, has_calls).plain())
}
