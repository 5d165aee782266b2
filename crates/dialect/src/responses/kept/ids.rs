//! Ids of responses and of their items.

/// Hexadecimal digits of the token that a response's id and the ids of its items share: 128
/// random bits.
pub const TOKEN: usize = 32;

/// The id of the response with this token.
pub fn response_id(token: &str) -> String {
    format!("resp_{token}")
}

/// The id of the item at a place: its kind's prefix, the response's token, the place.
pub(super) fn item_id(prefix: &str, token: &str, place: usize) -> String {
    format!("{prefix}_{token}{place:04x}")
}

/// What an item's id begins with, by the item's type (OpenAI's own prefixes).
pub(super) fn prefix_of(kind: &str) -> &'static str {
    match kind {
        "message" | "" => "msg",
        "reasoning" => "rs",
        "function_call" => "fc",
        "function_call_output" => "fco",
        "custom_tool_call" => "ctc",
        "custom_tool_call_output" => "ctco",
        _ => "item",
    }
}

/// The same of the item that an event of this type is about.
pub(super) fn prefix_of_event(kind: &str) -> &'static str {
    let kind = kind.strip_prefix("response.").unwrap_or(kind);
    let about = |words: &[&str]| words.iter().any(|word| kind.starts_with(word));
    if about(&["output_text", "content_part", "refusal"]) {
        prefix_of("message")
    } else if about(&["reasoning"]) {
        prefix_of("reasoning")
    } else if about(&["function_call"]) {
        prefix_of("function_call")
    } else if about(&["custom_tool_call"]) {
        prefix_of("custom_tool_call")
    } else {
        prefix_of(kind)
    }
}

/// The prefix of an id that somebody else gave, where it has a plain one.
pub(super) fn prefix_in(id: &str) -> Option<&str> {
    let (prefix, _) = id.split_once('_')?;
    // 16: longer ones are no prefixes.
    let plain = (1..=16).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_lowercase());
    plain.then_some(prefix)
}
