//! Where text stands in a chat request and in its answer.

use serde_json::Value;

/// The texts of a request that this app lets a model read; nothing for what is no such request. One
/// streamed text is put back at a time, so only one choice is taken.
pub(crate) fn places(body: &mut Value) -> Option<Vec<&mut String>> {
    if body.get("n").is_some_and(|n| n.as_u64() != Some(1)) {
        return None;
    }
    let mut found = Vec::new();
    for message in body.get_mut("messages")?.as_array_mut()? {
        match message.get_mut("content") {
            Some(Value::String(text)) => found.push(text),
            Some(Value::Array(parts)) => {
                found.extend(
                    parts
                        .iter_mut()
                        .filter_map(|part| text_of(part.get_mut("text"))),
                );
            }
            _ => {}
        }
    }
    Some(found)
}

/// The texts of a whole answer.
pub(crate) fn answers(body: &mut Value) -> Vec<&mut String> {
    let choices = body.get_mut("choices").and_then(Value::as_array_mut);
    choices
        .into_iter()
        .flatten()
        .filter_map(|choice| text_of(choice.get_mut("message")?.get_mut("content")))
        .collect()
}

fn text_of(value: Option<&mut Value>) -> Option<&mut String> {
    match value {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}
