//! Fields that have no place in the exchange form and yet a meaning in chat: which targets
//! take them, and whether a target that does not can do without.

/// Targets, as [`super::traits::Traits::bit`] has them.
const OPENAI: u8 = 1;
const STANDARD: u8 = 2;
const MISTRAL: u8 = 4;
const ENGINE: u8 = 8;
const ENGINES: u8 = STANDARD | ENGINE;
const HOSTED: u8 = OPENAI | STANDARD;

/// (name, targets that take it, leaving it out can't change the answer).
const REQUEST: [(&str, u8, bool); 47] = [
    ("add_generation_prompt", ENGINE, false),
    ("add_special_tokens", ENGINE, false),
    ("allowed_token_ids", ENGINE, false),
    ("audio", HOSTED, false),
    ("bad_words", ENGINE, false),
    ("cache_salt", ENGINE, true),
    ("chat_template", ENGINE, false),
    ("chat_template_kwargs", ENGINE, false),
    ("continue_final_message", ENGINE, false),
    ("documents", ENGINE, false),
    ("echo", ENGINE, false),
    ("guardrails", MISTRAL, false),
    ("guided_choice", ENGINE, false),
    ("guided_grammar", ENGINE, false),
    ("guided_json", ENGINE, false),
    ("guided_regex", ENGINE, false),
    ("ignore_eos", ENGINES, false),
    ("include_reasoning", ENGINES, true),
    ("include_stop_str_in_output", ENGINE, false),
    ("length_penalty", ENGINES, false),
    ("min_tokens", ENGINES | MISTRAL, false),
    ("mm_processor_kwargs", ENGINE, false),
    ("modalities", HOSTED, false),
    ("moderation", OPENAI, false),
    ("prediction", HOSTED | MISTRAL, true),
    ("priority", ENGINE, true),
    ("prompt_cache_options", OPENAI, true),
    ("prompt_cache_retention", OPENAI, true),
    ("prompt_logprobs", ENGINE, false),
    ("prompt_mode", MISTRAL, false),
    ("repetition_penalty", ENGINES | MISTRAL, false),
    ("request_id", ENGINE, true),
    ("response_format", ENGINES, false),
    ("return_token_ids", ENGINE, false),
    ("return_tokens_as_token_ids", ENGINE, false),
    ("safe_prompt", MISTRAL, false),
    ("session_id", ENGINE, true),
    ("skip_special_tokens", ENGINE, false),
    ("spaces_between_special_tokens", ENGINE, false),
    ("stop_token_ids", ENGINE, false),
    ("store", HOSTED, true),
    ("structured_outputs", ENGINE, false),
    ("truncate_prompt_tokens", ENGINE, false),
    ("use_beam_search", ENGINE, false),
    ("user", HOSTED | ENGINE, true),
    ("verbosity", HOSTED, false),
    ("web_search_options", HOSTED, false),
];

const MESSAGE: [(&str, u8, bool); 2] = [
    // What an earlier answer cited: no target reads it back.
    ("annotations", 0, true),
    ("prefix", MISTRAL, false),
];

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Written,
    /// With whether that is harmless.
    Lost(bool),
}

fn fate(table: &[(&str, u8, bool)], name: &str, target: u8) -> Fate {
    match table.iter().find(|(known, ..)| *known == name) {
        Some((_, targets, _)) if targets & target != 0 => Fate::Written,
        Some((_, _, harmless)) => Fate::Lost(*harmless),
        None => Fate::Lost(false),
    }
}

/// Of a field of the request.
pub(super) fn of_request(name: &str, target: u8) -> Fate {
    fate(&REQUEST, name, target)
}

/// Of a field of a message.
pub(super) fn of_message(name: &str, target: u8) -> Fate {
    fate(&MESSAGE, name, target)
}
