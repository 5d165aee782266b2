//! Whether an answer says anything at all: a 200 without content is an upstream's bad minute, not
//! an answer to keep.

use forebay_dialect::Payload;
use serde_json::{Map, Value};

use super::meter::Meter;
use crate::policy::Ending;

/// The members that carry what an answer says, over all formats.
const CARRIERS: [&str; 7] = [
    "choices",
    "content",
    "output",
    "candidates",
    "data",
    "embeddings",
    "message",
];

/// Members that say how an answer is put together, not what it says.
const STRUCTURE: [&str; 16] = [
    "role",
    "index",
    "type",
    "id",
    "object",
    "status",
    "created",
    "model",
    "name",
    "finish_reason",
    "finishReason",
    "stop_reason",
    "stop_sequence",
    "token_count",
    "safetyRatings",
    "matched_stop",
];

/// How deep an answer is looked into. Deeper ones say something.
const DEEPEST: usize = 16;

/// Whether this whole answer, or all of these events, say nothing. An answer that was cut off,
/// refused, or that cost tokens of output is one: the model did work, perhaps unseen.
pub(super) fn is_empty<'a>(meter: &Meter, mut payloads: impl Iterator<Item = &'a Payload>) -> bool {
    if meter.spoke || matches!(meter.ending, Some(Ending::Length | Ending::Refused)) {
        return false;
    }
    if meter.usage.is_some_and(|usage| usage.output > 0) {
        return false;
    }
    !payloads.any(|payload| {
        serde_json::from_slice::<Value>(&payload.raw).is_ok_and(|value| carries(&value))
    })
}

/// Whether a whole answer that is empty does not even have a place for content: an error page, or another API's
/// own words.
pub(super) fn is_foreign(payload: &Payload) -> bool {
    serde_json::from_slice::<Value>(&payload.raw).is_ok_and(|value| match &value {
        Value::Object(members) => carriers(members).next().is_none(),
        _ => true,
    })
}

fn carriers(members: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let carriers = members.iter().filter(|(name, value)| {
        // A message in words is what an error has.
        CARRIERS.contains(&name.as_str()) && !(*name == "message" && value.is_string())
    });
    carriers.map(|(_, value)| value)
}

fn carries(value: &Value) -> bool {
    match value {
        Value::Object(members) => carriers(members).any(|value| speaks(value, DEEPEST)),
        _ => true,
    }
}

fn speaks(value: &Value, depth: usize) -> bool {
    if depth == 0 {
        return true;
    }
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(|item| speaks(item, depth - 1)),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| !STRUCTURE.contains(&name.as_str()) && speaks(value, depth - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_dialect::Wire;

    fn empty(wire: Wire, body: &str) -> bool {
        let payload = Payload::parse(wire, body.to_owned().into()).unwrap();
        let mut meter = Meter::default();
        let _ = meter.read(&payload, "a", std::time::Instant::now());
        is_empty(&meter, std::iter::once(&payload))
    }

    #[test]
    fn a_200_without_content_is_empty_in_every_format() {
        for (wire, body) in [
            (Wire::Chat, r#"{"choices":[]}"#),
            (
                Wire::Chat,
                r#"{"choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"stop"}]}"#,
            ),
            (
                Wire::Chat,
                r#"{"choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":null,"annotations":[]},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":0,"total_tokens":3}}"#,
            ),
            (
                Wire::Messages,
                r#"{"id":"m","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":0}}"#,
            ),
            (
                Wire::Gemini,
                r#"{"candidates":[{"content":{"role":"model","parts":[]},"index":0}]}"#,
            ),
            (Wire::Embeddings, r#"{"object":"list","data":[]}"#),
        ] {
            assert!(empty(wire, body), "{body}");
            let payload = Payload::parse(wire, body.to_owned().into()).unwrap();
            assert!(!is_foreign(&payload), "{body}");
        }
    }

    #[test]
    fn what_has_no_place_for_content_is_foreign_in_every_format() {
        for body in [
            r#"{"message":"Internal server error"}"#,
            r#"{"code":"1113","msg":"balance","success":false}"#,
            r#"{"detail":"Not authenticated"}"#,
            r#"{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#,
            "{}",
        ] {
            for wire in [
                Wire::Chat,
                Wire::Completions,
                Wire::Responses,
                Wire::Messages,
                Wire::Embeddings,
                Wire::Gemini,
                Wire::Converse,
            ] {
                let Ok(payload) = Payload::parse(wire, body.to_owned().into()) else {
                    continue;
                };
                let name = wire.as_str();
                assert!(empty(wire, body) && is_foreign(&payload), "{name}: {body}");
            }
        }
    }

    #[test]
    fn an_answer_of_any_kind_is_not_empty() {
        for (wire, body) in [
            (
                Wire::Chat,
                r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}]}"#,
            ),
            (
                Wire::Chat,
                r#"{"choices":[{"index":0,"message":{"role":"assistant","content":null,"audio":{"data":"QUJD"}},"finish_reason":"stop"}]}"#,
            ),
            (
                Wire::Chat,
                r#"{"choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"length"}]}"#,
            ),
            (
                Wire::Chat,
                r#"{"choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#,
            ),
            (
                Wire::Embeddings,
                r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}]}"#,
            ),
        ] {
            assert!(!empty(wire, body), "{body}");
        }
    }
}
