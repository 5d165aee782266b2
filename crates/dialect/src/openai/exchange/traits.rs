//! What targets of the chat form do in ways of their own, as a table.

use crate::exchange::Profile;

/// How a target takes the assistant's earlier reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReasoningForm {
    /// Not at all.
    None,
    /// As `reasoning_content`.
    Field,
    /// As `reasoning_content`, and signatures as `thinking_blocks`.
    FieldAndBlocks,
    /// As `thinking` parts of the content.
    Parts,
}

/// How a target is told how much to reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EffortForm {
    /// `reasoning_effort`.
    Words,
    /// `reasoning_effort`, `thinking_token_budget` and the template's switch.
    Engine,
}

/// How a target takes audio, video and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MediaForm {
    /// OpenAI's `input_audio` and `file`.
    OpenAi,
    /// Mistral's `input_audio`, `document_url` and `file`.
    Mistral,
    /// vLLM's `input_audio`, `audio_url` and `video_url`.
    Engine,
    /// What OpenAI and vLLM have between them.
    Any,
}

/// One target's ways.
#[derive(Debug)]
pub(super) struct Traits {
    /// Bit of the target in [`super::extras`].
    pub(super) bit: u8,
    pub(super) max_tokens: &'static str,
    pub(super) seed: &'static str,
    /// The word of a tool choice that demands a call.
    pub(super) required: &'static str,
    /// The field for the end user.
    pub(super) user: Option<&'static str>,
    /// The role `developer` is known.
    pub(super) developer: bool,
    /// Messages have names.
    pub(super) names: bool,
    /// Custom tools and their calls.
    pub(super) custom_tools: bool,
    /// `tool_choice` may name several tools; else the others are left out of `tools`.
    pub(super) allowed_tools: bool,
    /// A tool without parameters must say so.
    pub(super) parameters_required: bool,
    pub(super) top_k: bool,
    pub(super) min_p: bool,
    pub(super) logit_bias: bool,
    pub(super) max_stops: usize,
    pub(super) metadata: bool,
    pub(super) service_tier: bool,
    pub(super) prompt_cache_key: bool,
    /// `prompt_cache_breakpoint` on parts.
    pub(super) breakpoints: bool,
    /// Usage in streams is asked for.
    pub(super) stream_options: bool,
    /// The assistant's `refusal`; else it is text.
    pub(super) refusal: bool,
    /// Tools' results may hold media.
    pub(super) result_media: bool,
    /// Call ids must be nine letters and digits.
    pub(super) short_ids: bool,
    /// A last message of the assistant must be marked as the answer's beginning.
    pub(super) prefix: bool,
    pub(super) reasoning: ReasoningForm,
    pub(super) effort: EffortForm,
    pub(super) media: MediaForm,
}

static OPENAI: Traits = Traits {
    bit: 1,
    max_tokens: "max_completion_tokens",
    seed: "seed",
    required: "required",
    user: Some("safety_identifier"),
    developer: true,
    names: true,
    custom_tools: true,
    allowed_tools: true,
    parameters_required: false,
    top_k: false,
    min_p: false,
    logit_bias: true,
    // "Up to 4 sequences", as OpenAI documents `stop`.
    max_stops: 4,
    metadata: true,
    service_tier: true,
    prompt_cache_key: true,
    breakpoints: true,
    stream_options: true,
    refusal: true,
    result_media: false,
    short_ids: false,
    prefix: false,
    reasoning: ReasoningForm::None,
    effort: EffortForm::Words,
    media: MediaForm::OpenAi,
};

static AZURE: Traits = Traits {
    user: Some("user"),
    breakpoints: false,
    ..OPENAI
};

/// Servers of unknown make: what most of them take.
static STANDARD: Traits = Traits {
    bit: 2,
    max_tokens: "max_tokens",
    user: Some("user"),
    developer: false,
    allowed_tools: false,
    top_k: true,
    min_p: true,
    max_stops: usize::MAX,
    breakpoints: false,
    reasoning: ReasoningForm::FieldAndBlocks,
    media: MediaForm::Any,
    ..OPENAI
};

/// As the models of Mistral's Python client have it.
static MISTRAL: Traits = Traits {
    bit: 4,
    seed: "random_seed",
    required: "any",
    user: None,
    names: false,
    custom_tools: false,
    parameters_required: true,
    min_p: false,
    logit_bias: false,
    service_tier: false,
    stream_options: false,
    refusal: false,
    result_media: true,
    short_ids: true,
    prefix: true,
    reasoning: ReasoningForm::Parts,
    media: MediaForm::Mistral,
    ..STANDARD
};

/// As vLLM's request model has it.
static ENGINE: Traits = Traits {
    bit: 8,
    custom_tools: false,
    metadata: false,
    service_tier: false,
    prompt_cache_key: false,
    refusal: false,
    result_media: true,
    reasoning: ReasoningForm::Field,
    effort: EffortForm::Engine,
    media: MediaForm::Engine,
    ..STANDARD
};

pub(super) fn of(profile: Profile) -> &'static Traits {
    match profile {
        Profile::OpenAi => &OPENAI,
        Profile::Azure => &AZURE,
        Profile::Mistral => &MISTRAL,
        Profile::Engine => &ENGINE,
        _ => &STANDARD,
    }
}
