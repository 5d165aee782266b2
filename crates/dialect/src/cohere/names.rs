//! What Cohere's chat names things: in its own words, and in those in which Oracle serves it.

use crate::exchange::Role;

/// The names of one of the two. Values of both words stand side by side in [`COHERE`] and
/// `oci::second::NAMES`.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) system: &'static str,
    pub(crate) user: &'static str,
    pub(crate) assistant: &'static str,
    pub(crate) tool: &'static str,
    /// A content of one text may be that text instead of a list of blocks.
    pub(crate) bare_text: bool,
    /// A message of the assistant must have content.
    pub(crate) needs_content: bool,
    pub(crate) text: &'static str,
    pub(crate) thinking: &'static str,
    pub(crate) document: &'static str,
    /// A block's type, and its member.
    pub(crate) image: (&'static str, &'static str),
    /// How many images a request may have, and how many bytes they may have together.
    pub(crate) image_limits: Option<(usize, usize)>,
    /// OpenAI's words for an image's detail, and these.
    pub(crate) details: [(&'static str, &'static str); 3],
    pub(crate) function: &'static str,
    pub(crate) tool_calls: &'static str,
    pub(crate) tool_plan: &'static str,
    pub(crate) tool_call_id: &'static str,
    pub(crate) tool_choice: &'static str,
    pub(crate) strict_tools: &'static str,
    pub(crate) response_format: &'static str,
    pub(crate) json_object: &'static str,
    pub(crate) schema: &'static str,
    pub(crate) max_tokens: &'static str,
    pub(crate) stop: &'static str,
    pub(crate) top_k: &'static str,
    pub(crate) top_p: &'static str,
    pub(crate) frequency_penalty: &'static str,
    pub(crate) presence_penalty: &'static str,
    pub(crate) logprobs: &'static str,
    pub(crate) enabled: &'static str,
    pub(crate) disabled: &'static str,
    pub(crate) token_budget: &'static str,
    pub(crate) stream: &'static str,
    /// Fields of Cohere's own that a client may send in any dialect, and their names here.
    pub(crate) own: [(&'static str, &'static str); 3],
}

/// Cohere's own words, as the types of its Python SDK have them (`cohere` 7.3.1, `v2.chat`).
pub(crate) static COHERE: Names = Names {
    system: "system",
    user: "user",
    assistant: "assistant",
    tool: "tool",
    bare_text: true,
    needs_content: false,
    text: "text",
    thinking: "thinking",
    document: "document",
    image: ("image_url", "image_url"),
    // https://docs.cohere.com/docs/image-inputs: twenty images, twenty megabytes in all; which
    // megabytes is not said, so the larger ones.
    image_limits: Some((20, 20 << 20)),
    details: [("auto", "auto"), ("low", "low"), ("high", "high")],
    function: "function",
    tool_calls: "tool_calls",
    tool_plan: "tool_plan",
    tool_call_id: "tool_call_id",
    tool_choice: "tool_choice",
    strict_tools: "strict_tools",
    response_format: "response_format",
    json_object: "json_object",
    schema: "json_schema",
    max_tokens: "max_tokens",
    stop: "stop_sequences",
    top_k: "k",
    top_p: "p",
    frequency_penalty: "frequency_penalty",
    presence_penalty: "presence_penalty",
    logprobs: "logprobs",
    enabled: "enabled",
    disabled: "disabled",
    token_budget: "token_budget",
    stream: "stream",
    own: [
        ("safety_mode", "safety_mode"),
        ("citation_options", "citation_options"),
        ("priority", "priority"),
    ],
};

impl Names {
    /// The word for who speaks.
    pub(crate) fn role(&self, role: Role) -> &'static str {
        match role {
            Role::System | Role::Developer => self.system,
            Role::User => self.user,
            Role::Assistant => self.assistant,
            Role::Tool => self.tool,
        }
    }
}
