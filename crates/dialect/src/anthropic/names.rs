//! Anthropic's words: why an answer ended, which blocks and citations are its own, which
//! models think in which way.

use crate::exchange::Finish;

/// Blocks that only Anthropic knows; they cross only back to Anthropic.
const OWN_BLOCKS: [&str; 11] = [
    "search_result",
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "container_upload",
    "tool_reference",
    "browser_state",
];

/// Whether a block of that type is one of Anthropic's own.
pub(super) fn is_own_block(kind: &str) -> bool {
    OWN_BLOCKS.contains(&kind)
}

/// Whether a tool of that type is one that Anthropic runs or defines: those are dated
/// (`web_search_20250305`), other vendors' are not, or with dashes.
pub(crate) fn is_own_tool(kind: &str) -> bool {
    let date = kind.rsplit('_').next().unwrap_or_default();
    date.len() == 8 && date.len() < kind.len() && date.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a citation of that type is in Anthropic's own form.
pub(super) fn is_own_citation(kind: &str) -> bool {
    matches!(
        kind,
        "char_location"
            | "page_location"
            | "content_block_location"
            | "web_search_result_location"
            | "search_result_location"
    )
}

/// The typed reason of a `stop_reason`.
pub(super) fn finish(reason: &str, sequence: Option<String>) -> Finish {
    match reason {
        "end_turn" => Finish::Stop,
        "stop_sequence" => Finish::StopSequence(sequence),
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::Refused,
        other => Finish::Other(other.to_owned()),
    }
}

/// The `stop_reason` of a typed reason.
pub(super) fn stop_reason(finish: &Finish) -> &str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::StopSequence(_) => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::Refused => "refusal",
        Finish::Other(other) => other,
    }
}

/// Which forms of `thinking` a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinking {
    /// A budget only.
    Budget,
    /// A budget or `adaptive`.
    Either,
    /// `adaptive` only: Opus 4.7 and all that came later refuse budgets.
    Adaptive,
}

/// Parts of the names of models that take no `adaptive`, also in Bedrock's and Vertex's
/// spellings. A name that is not here is taken for a newer one.
const BUDGETED: [&str; 11] = [
    "claude-3-7",
    "claude-opus-4-0",
    "claude-opus-4-1",
    "claude-opus-4-2025",
    "claude-opus-4@",
    "claude-opus-4-5",
    "claude-sonnet-4-0",
    "claude-sonnet-4-2025",
    "claude-sonnet-4@",
    "claude-sonnet-4-5",
    "claude-haiku-4-5",
];

/// How that model is asked to think (Anthropic's pages on extended and adaptive thinking).
pub(super) fn thinking_of(model: &str) -> Thinking {
    let is = |names: &[&str]| names.iter().any(|name| model.contains(name));
    if is(&BUDGETED) {
        Thinking::Budget
    } else if is(&["claude-opus-4-6", "claude-sonnet-4-6"]) {
        Thinking::Either
    } else {
        Thinking::Adaptive
    }
}

/// Whether that model thinks by budget only.
pub(crate) fn thinks_by_budget(model: &str) -> bool {
    thinking_of(model) == Thinking::Budget
}
