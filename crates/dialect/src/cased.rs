//! Names of members that differ from a format's own in case alone. Some servers' readers take them for that
//! member (Go's does, and takes `ſ` for `s` and the Kelvin sign for `k`), others for an unknown one: what
//! is judged and what is read would differ.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::fields::{invalid, name_of};
use crate::json::{Kind, Value};
use crate::request::RequestError;
use crate::vocabulary::{is_request_name, request_names};

/// Members that hold objects of a format's own grammar, or lists of them; sorted. What clients make up
/// (arguments, schemas, metadata) is in none of them.
const WITHIN: &[&str] = &[
    "content",
    "contents",
    "document",
    "file",
    "fileData",
    "file_data",
    "function",
    "functionCall",
    "functionDeclarations",
    "functionResponse",
    "function_call",
    "function_declarations",
    "generationConfig",
    "generation_config",
    "image",
    "image_url",
    "inferenceConfig",
    "inlineData",
    "inline_data",
    "input",
    "input_audio",
    "message",
    "messages",
    "parts",
    "reasoning",
    "source",
    "stream_options",
    "system",
    "systemInstruction",
    "system_instruction",
    "text",
    "thinking",
    "toolConfig",
    "toolResult",
    "toolSpec",
    "toolUse",
    "tool_calls",
    "tools",
];

/// The names of requests' members as a reader that knows no case has them.
static FOLDED: LazyLock<HashSet<String>> = LazyLock::new(|| {
    request_names()
        .chain(WITHIN)
        .map(|name| folded(name))
        .collect()
});

fn folded(name: &str) -> String {
    let fold = |c: char| match c {
        'ſ' => 's',
        '\u{212A}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    name.chars().map(fold).collect()
}

/// Whether a name is none of a format's, but in another case.
fn is_odd(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit();
    // No name is longer than a few words.
    !name.bytes().all(is_plain)
        && name.len() <= 64
        && !is_request_name(name)
        && WITHIN.binary_search(&name).is_err()
        && FOLDED.contains(&folded(name))
}

/// The path of the first odd name.
fn odd(value: Value<'_>) -> Option<String> {
    let join = |head: String, inner: String| match inner.starts_with('[') {
        true => head + &inner,
        false => head + "." + &inner,
    };
    if value.kind() == Kind::Array {
        return (0_u32..).zip(value.items()).find_map(|(at, item)| {
            let inner = odd(item)?;
            Some(join(format!("[{at}]"), inner))
        });
    }
    value.members().find_map(|(key, member)| {
        let name = name_of(key);
        if is_odd(&name) {
            return Some(name.into_owned());
        }
        // An object that is the input of a tool, or what it gave, is the client's own.
        let own = matches!(name.as_ref(), "input" | "system") && member.kind() == Kind::Object;
        let goes = !own && WITHIN.binary_search(&name.as_ref()).is_ok();
        let inner = goes.then(|| odd(member)).flatten()?;
        Some(join(name.into_owned(), inner))
    })
}

/// Refuses a request with a member whose name differs from one of a format's only in case.
///
/// # Errors
///
/// An invalid value, with the member's path.
pub(crate) fn check(root: Value<'_>) -> Result<(), RequestError> {
    match odd(root) {
        None => Ok(()),
        Some(path) => Err(invalid(
            &path,
            "differs from a field's name only in upper and lower case",
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use bytes::Bytes;

    use super::*;
    use crate::json::Document;

    fn found(json: &str) -> Option<String> {
        let raw = Bytes::from(json.to_owned());
        odd(Document::parse(&raw).unwrap().root())
    }

    #[test]
    fn names_in_another_case_are_found_where_a_format_has_members() {
        assert!(WITHIN.windows(2).all(|pair| pair[0] < pair[1]));
        for (json, path) in [
            (r#"{"Messages":[]}"#, "Messages"),
            (r#"{"me\u017f\u017fages":[]}"#, "meſſages"),
            (r#"{"max_to\u212aens":1}"#, "max_to\u{212A}ens"),
            (
                r#"{"messages":[{"role":"user"},{"Content":"x"}]}"#,
                "messages[1].Content",
            ),
            (
                r#"{"messages":[{"content":[{"type":"text","TEXT":"x"}]}]}"#,
                "messages[0].content[0].TEXT",
            ),
            (
                r#"{"contents":{"parts":[{"Text":"x"}]}}"#,
                "contents.parts[0].Text",
            ),
            (
                r#"{"tools":[{"function":{"Name":"x"}}]}"#,
                "tools[0].function.Name",
            ),
            (
                r#"{"input":[{"type":"message","ROLE":"user"}]}"#,
                "input[0].ROLE",
            ),
            (
                r#"{"generationConfig":{"TopP":1}}"#,
                "generationConfig.TopP",
            ),
        ] {
            assert_eq!(found(json).as_deref(), Some(path), "{json}");
        }
    }

    #[test]
    fn what_clients_make_up_has_any_names() {
        for json in [
            r#"{"metadata":{"Messages":1},"X-Own":1,"FooBar":2}"#,
            r#"{"messages":[{"content":[{"type":"tool_use","input":{"Content":"x"}}],"tool_calls":[{"function":{"arguments":{"Name":1}}}]}]}"#,
            r#"{"tools":[{"function":{"parameters":{"properties":{"Name":{}}}},"input_schema":{"properties":{"Text":{}}}}]}"#,
            r#"{"contents":[{"parts":[{"functionCall":{"args":{"Text":1}}},{"functionResponse":{"response":{"Content":1}}}]}]}"#,
            r#"{"topP":1,"top_p":1,"generationConfig":{"maxOutputTokens":1,"max_output_tokens":1}}"#,
        ] {
            assert_eq!(found(json), None, "{json}");
        }
    }
}
