//! An output limit above what a model answers with, in a request that goes on as the client wrote
//! it: the number alone is replaced.

use bytes::Bytes;

use crate::formats::format;
use crate::json::{Document, Splice, Value, splice};
use crate::wire::Wire;

/// The body with the limit `most` in the place of a greater one, and the name of the member. None
/// where there is none, and where a budget for thinking would not fit below it.
pub fn clamp_output(body: &Bytes, wire: Wire, most: u64) -> Option<(Bytes, String)> {
    let document = Document::parse(body).ok()?;
    let root = document.root();
    let budget = root.get("thinking").and_then(|it| it.get("budget_tokens"));
    let budget = budget.and_then(Value::as_integer).unwrap_or(0);
    if u64::try_from(budget).is_ok_and(|budget| budget >= most) {
        return None;
    }
    let mut named = None;
    let mut splices = Vec::new();
    for (within, name) in format(wire).ways.output_limits {
        let object = match within {
            Some(within) => root.get(within),
            None => Some(root),
        };
        let Some(limit) = object.and_then(|object| object.get(name)) else {
            continue;
        };
        if limit.whole().is_some_and(|asked: u64| asked > most) {
            splices.push(Splice::new(limit.span(), most.to_string()));
            named.get_or_insert_with(|| match within {
                Some(within) => format!("{within}.{name}"),
                None => (*name).to_owned(),
            });
        }
    }
    Some((splice(body, splices), named?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::clamp_output;
    use crate::wire::Wire;

    #[test]
    fn only_a_greater_limit_changes_and_no_other_byte() {
        let cases = [
            (
                Wire::Chat,
                r#"{"max_tokens": 9,"x":1.0}"#,
                Some((r#"{"max_tokens": 8,"x":1.0}"#, "max_tokens")),
            ),
            (Wire::Chat, r#"{"max_tokens":8}"#, None),
            (Wire::Chat, r#"{"max_tokens":null}"#, None),
            (
                Wire::Responses,
                r#"{"max_output_tokens":90}"#,
                Some((r#"{"max_output_tokens":8}"#, "max_output_tokens")),
            ),
            (
                Wire::Messages,
                r#"{"max_tokens":90,"thinking":{"budget_tokens":8}}"#,
                None,
            ),
            (
                Wire::Gemini,
                r#"{"generationConfig":{"maxOutputTokens":90}}"#,
                Some((
                    r#"{"generationConfig":{"maxOutputTokens":8}}"#,
                    "generationConfig.maxOutputTokens",
                )),
            ),
            (
                Wire::Converse,
                r#"{"inferenceConfig":{"maxTokens":90}}"#,
                Some((
                    r#"{"inferenceConfig":{"maxTokens":8}}"#,
                    "inferenceConfig.maxTokens",
                )),
            ),
        ];
        for (wire, body, expected) in cases {
            let clamped = clamp_output(&body.into(), wire, 8);
            let clamped =
                clamped.map(|(body, name)| (String::from_utf8(body.to_vec()).unwrap(), name));
            let expected = expected.map(|(body, name)| (body.to_owned(), name.to_owned()));
            assert_eq!(clamped, expected, "{body}");
        }
    }
}
