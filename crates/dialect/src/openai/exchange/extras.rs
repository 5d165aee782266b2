//! Fields that have no place in the exchange form and yet a meaning in chat: which targets
//! take them.

/// Targets, as [`super::traits::Traits::bit`] has them.
const OPENAI: u8 = 1;
const STANDARD: u8 = 2;
const MISTRAL: u8 = 4;
const ENGINE: u8 = 8;
const ENGINES: u8 = STANDARD | ENGINE;
const HOSTED: u8 = OPENAI | STANDARD;

/// (name, targets that take it).
const REQUEST: [(&str, u8); 47] = [
    ("add_generation_prompt", ENGINE),
    ("add_special_tokens", ENGINE),
    ("allowed_token_ids", ENGINE),
    ("audio", HOSTED),
    ("bad_words", ENGINE),
    ("cache_salt", ENGINE),
    ("chat_template", ENGINE),
    ("chat_template_kwargs", ENGINE),
    ("continue_final_message", ENGINE),
    ("documents", ENGINE),
    ("echo", ENGINE),
    ("guardrails", MISTRAL),
    ("guided_choice", ENGINE),
    ("guided_grammar", ENGINE),
    ("guided_json", ENGINE),
    ("guided_regex", ENGINE),
    ("ignore_eos", ENGINES),
    ("include_reasoning", ENGINES),
    ("include_stop_str_in_output", ENGINE),
    ("length_penalty", ENGINES),
    ("min_tokens", ENGINES | MISTRAL),
    ("mm_processor_kwargs", ENGINE),
    ("modalities", HOSTED),
    ("moderation", OPENAI),
    ("prediction", HOSTED | MISTRAL),
    ("priority", ENGINE),
    ("prompt_cache_options", OPENAI),
    ("prompt_cache_retention", OPENAI),
    ("prompt_logprobs", ENGINE),
    ("prompt_mode", MISTRAL),
    ("repetition_penalty", ENGINES | MISTRAL),
    ("request_id", ENGINE),
    ("response_format", ENGINES),
    ("return_token_ids", ENGINE),
    ("return_tokens_as_token_ids", ENGINE),
    ("safe_prompt", MISTRAL),
    ("session_id", ENGINE),
    ("skip_special_tokens", ENGINE),
    ("spaces_between_special_tokens", ENGINE),
    ("stop_token_ids", ENGINE),
    ("store", HOSTED),
    ("structured_outputs", ENGINE),
    ("truncate_prompt_tokens", ENGINE),
    ("use_beam_search", ENGINE),
    ("user", HOSTED | ENGINE),
    ("verbosity", HOSTED),
    ("web_search_options", HOSTED),
];

const MESSAGE: [(&str, u8); 3] = [
    // What an earlier answer cited: no target reads it back.
    ("annotations", 0),
    ("audio", HOSTED),
    ("prefix", MISTRAL),
];

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Written,
    Lost,
}

fn fate(table: &[(&str, u8)], name: &str, target: u8) -> Fate {
    match table.iter().find(|(known, _)| *known == name) {
        Some((_, targets)) if targets & target != 0 => Fate::Written,
        _ => Fate::Lost,
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
