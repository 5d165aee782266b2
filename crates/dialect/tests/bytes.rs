//! The promise that only what was edited changes, for any text and any way to write it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use forebay_dialect::canonical::{Operation, Part};
use forebay_dialect::json::json_string;
use forebay_dialect::{Payload, Request, TextEdit};
use proptest::prelude::*;

/// Characters, each with one of the ways to write it in a JSON string.
fn written() -> impl Strategy<Value = Vec<(char, String)>> {
    let character = (any::<char>(), any::<bool>()).prop_map(|(character, escape)| {
        let written = if escape {
            let mut units = [0; 2];
            let units = character.encode_utf16(&mut units);
            units.iter().map(|unit| format!("\\u{unit:04X}")).collect()
        } else {
            let quoted = json_string(&character.to_string());
            quoted[1..quoted.len() - 1].to_owned()
        };
        (character, written)
    });
    prop::collection::vec(character, 1..30)
}

fn raw(characters: &[(char, String)]) -> String {
    characters
        .iter()
        .map(|(_, written)| written.as_str())
        .collect()
}

fn decoded(characters: &[(char, String)]) -> String {
    characters.iter().map(|(character, _)| character).collect()
}

proptest! {
    #[test]
    fn an_edit_changes_only_the_edited_bytes(
        text in written(), cuts in (0_usize..30, 0_usize..30), replacement: String, form in 0..3,
    ) {
        let (from, to) = (cuts.0.min(text.len()), cuts.1.min(text.len()));
        let (from, to) = (from.min(to), from.max(to));
        // A text, a call's arguments, a string in an opaque part.
        let (before, after) = match form {
            0 => (r#"{"z" : 1,"messages":[{"role":"user","content":""#, r#"" }],"model":"m"}"#),
            1 => (r#"{"model":"m","messages":[{"role":"a","tool_calls":[{"id":"1","function":{"arguments":""#, r#"","name":"f"}}]} ]}"#),
            _ => (r#"{"model":"m","messages":[{"role":"a","content":[{"type":"file", "b":[0,{"k":""#, r#""}],"a":"\u0061"}]}]}"#),
        };
        let body = format!("{before}{}{after}", raw(&text));
        let mut request = Request::parse(Operation::Chat, Bytes::from(body)).unwrap();
        let (start, end) = match &request.prompt.messages[0].parts[0] {
            Part::Opaque(part) => {
                let content = |characters| {
                    let quoted = json_string(&decoded(characters));
                    quoted.len() - 2
                };
                let base = part.json.find("\"k\":\"").unwrap() + 5;
                (base + content(&text[..from]), base + content(&text[..to]))
            }
            _ => (decoded(&text[..from]).len(), decoded(&text[..to]).len()),
        };
        let edit = TextEdit { message: 0, part: 0, range: start as u32..end as u32, text: replacement.clone() };
        request.edit(&[edit]).unwrap();
        let quoted = json_string(&replacement);
        let expected = format!(
            "{before}{}{}{}{after}", raw(&text[..from]), &quoted[1..quoted.len() - 1], raw(&text[to..]),
        );
        prop_assert_eq!(&request.body, &expected);
        prop_assert_eq!(request.upstream_body(&Default::default()), expected);
        let expected = decoded(&text[..from]) + &replacement + &decoded(&text[to..]);
        match &request.prompt.messages[0].parts[0] {
            Part::Text(text) => prop_assert_eq!(text, &expected),
            Part::ToolCall(call) => prop_assert_eq!(&call.arguments, &expected),
            Part::Opaque(part) => prop_assert!(part.json.contains(&json_string(&expected))),
        }
    }

    #[test]
    fn a_rewrite_changes_only_the_rewritten_text(one in written(), other in written(), replacement: String) {
        let body = |one: &str| format!(
            r#"{{"choices" : [{{"delta":{{"content":{one},"refusal":"{}" }},"index":0}} ],"x":1e2}}"#, raw(&other),
        );
        let payload = Payload::parse(Operation::Chat, body(&format!("\"{}\"", raw(&one))).into()).unwrap();
        prop_assert_eq!(&payload.texts()[0].text, &decoded(&one));
        prop_assert_eq!(&payload.texts()[1].text, &decoded(&other));
        prop_assume!(replacement != decoded(&one));
        let rewritten = payload.rewrite(&[Some(replacement.clone()), None], false);
        prop_assert_eq!(rewritten, body(&json_string(&replacement)));
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes: Vec<u8>, json in "[{}\\[\\]\":,a\\\\u0-9. truefalsn-]{0,60}") {
        for bytes in [bytes, json.into_bytes()] {
            for operation in [Operation::Chat, Operation::Completion] {
                let _ = Request::parse(operation, bytes.clone().into());
                let _ = Payload::parse(operation, bytes.clone().into());
            }
        }
    }
}
