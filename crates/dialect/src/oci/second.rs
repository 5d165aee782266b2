//! Cohere's second form, `COHEREV2`: its own chat in Oracle's words.

use crate::cohere::{Body, Names, chat, unlabelled};
use crate::exchange::{ChatRequest, Inexpressible};

/// Oracle's words, as `CohereChatRequestV2` and its kin have them.
pub(super) static NAMES: Names = Names {
    system: "SYSTEM",
    user: "USER",
    assistant: "ASSISTANT",
    tool: "TOOL",
    bare_text: false,
    needs_content: true,
    text: "TEXT",
    thinking: "THINKING",
    document: "DOCUMENT",
    image: ("IMAGE_URL", "imageUrl"),
    image_limits: None,
    details: [("auto", "AUTO"), ("low", "LOW"), ("high", "HIGH")],
    function: "FUNCTION",
    tool_calls: "toolCalls",
    tool_plan: "toolPlan",
    tool_call_id: "toolCallId",
    tool_choice: "toolsChoice",
    strict_tools: "isStrictToolsEnabled",
    response_format: "responseFormat",
    json_object: "JSON_OBJECT",
    schema: "schema",
    max_tokens: "maxTokens",
    stop: "stopSequences",
    top_k: "topK",
    top_p: "topP",
    frequency_penalty: "frequencyPenalty",
    presence_penalty: "presencePenalty",
    logprobs: "isLogProbsEnabled",
    enabled: "ENABLED",
    disabled: "DISABLED",
    token_budget: "tokenBudget",
    stream: "isStream",
    own: [
        ("safety_mode", "safetyMode"),
        ("citation_options", "citationOptions"),
        ("priority", "priority"),
    ],
};

pub(super) fn write(request: &ChatRequest<'_>, body: &mut Body<'_>) -> Result<(), Inexpressible> {
    body.text("apiFormat", Some("COHEREV2"));
    chat(request, body)?;
    unlabelled(request, &mut body.lost);
    Ok(())
}
