//! Every place of every grammar is seen and can be masked; nothing else changes.

mod generate;
mod rows;
mod work;

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::edit::edited;
use super::place::of_document;
use super::*;
use crate::json::Document;
use crate::request::{Request, RequestError};
use crate::wire::Target;

/// What is looked for.
const MARK: &str = "q7Zebra";
/// What stands in its place.
const MASK: &str = "[M_1]";

fn request(wire: Wire, body: &Value) -> Result<Request, RequestError> {
    let mut target = Target::new(wire);
    if matches!(wire, Wire::Gemini | Wire::Converse) {
        target.model = Some("m".to_owned());
    }
    Request::parse(target, body.to_string().into())
}

/// The edits that a guard asks for: each occurrence of the mark, identifiers as a whole.
fn masks(places: &[Place<'_>], mark: &str) -> Vec<PlaceEdit> {
    let mut edits = Vec::new();
    for (index, place) in places.iter().enumerate() {
        let pieces = place.pieces();
        for (start, found) in place.text.match_indices(mark) {
            let (start, end) = (start as u32, (start + found.len()) as u32);
            let mut around = pieces.iter().filter(|p| p.start <= start && end <= p.end);
            let name = around.next().filter(|piece| piece.is_name);
            let (start, end) = name.map_or((start, end), |piece| (piece.start, piece.end));
            edits.push(PlaceEdit {
                place: index as u32,
                range: start..end,
                text: MASK.to_owned(),
            });
        }
    }
    edits.dedup();
    edits
}

fn chat(content: Value) -> Request {
    let message = json!({"role": "user", "content": content});
    request(Wire::Chat, &json!({"model": "m", "messages": [message]})).unwrap()
}

#[test]
fn a_word_cut_over_parts_or_messages_joins() {
    let parts = json!([
        {"type": "text", "text": "q7", "unknown": 1},
        {"type": "text", "text": "Zebra"}
    ]);
    let places = chat(parts);
    let places = places.places();
    let joined: Vec<_> = places
        .iter()
        .map(|p| (p.text.as_ref(), p.joins_next))
        .collect();
    assert!(
        joined.ends_with(&[("q7", true), ("Zebra", false)]),
        "{joined:?}"
    );

    let body = json!({"model": "m", "max_tokens": 1, "messages": [
        {"role": "user", "content": "q7"},
        {"role": "user", "content": [{"type": "text", "text": "Zebra"}]}
    ]});
    let request = request(Wire::Messages, &body).unwrap();
    let places = request.places();
    let said: Vec<_> = places.iter().filter(|p| p.turn > 0).collect();
    assert_eq!(
        (said[0].text.as_ref(), said[0].joins_next, said[0].turn),
        ("q7", true, 1)
    );
    assert_eq!((said[1].text.as_ref(), said[1].turn), ("Zebra", 2));
}

#[test]
fn texts_of_a_list_and_texts_around_a_call_stay_apart() {
    let body = json!({"model": "m", "prompt": ["q7", "Zebra"]});
    let request = request(Wire::Completions, &body).unwrap();
    assert!(request.places().iter().all(|place| !place.joins_next));
}

#[test]
fn an_edit_of_arguments_keeps_both_levels_of_json_whole() {
    let arguments = r#"{"to":"a\"q7Zebra\"b","n":1}"#;
    let body = json!({"model": "m", "messages": [{"role": "assistant", "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    ]}]});
    let mut request = request(Wire::Chat, &body).unwrap();
    let edits = masks(&request.places(), MARK);
    request.edit(&edits).unwrap();
    let edited: Value = serde_json::from_slice(&request.body).unwrap();
    let arguments = &edited["messages"][0]["tool_calls"][0]["function"]["arguments"];
    let arguments: Value = serde_json::from_str(arguments.as_str().unwrap()).unwrap();
    assert_eq!(arguments, json!({"to": "a\"[M_1]\"b", "n": 1}));
}

#[test]
fn text_that_only_looks_like_json_is_text() {
    for arguments in ["{q7Zebra", "[q7Zebra", "\"q7Zebra"] {
        let body = json!({"model": "m", "messages": [{"role": "assistant", "tool_calls": [
            {"id": "c", "function": {"name": "f", "arguments": arguments}}
        ]}]});
        let mut request = request(Wire::Chat, &body).unwrap();
        let places = request.places();
        let place = places.iter().find(|p| p.text == arguments).unwrap();
        assert_eq!(place.kind, PlaceKind::Text);
        let edits = masks(&places, MARK);
        request.edit(&edits).unwrap();
        assert!(!String::from_utf8_lossy(&request.body).contains(MARK));
    }
}

#[test]
fn a_document_in_base64_is_read_and_written_again() {
    let text = "Dear q7Zebra,\nyours — A.";
    let standard = STANDARD.encode(text);
    let url_safe = standard
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_");
    let wrapped = format!("{}\n{}", &standard[..8], &standard[8..]);
    for data in [standard.as_str(), url_safe.as_str(), wrapped.as_str()] {
        let body = json!({"contents": [{"parts": [
            {"inline_data": {"mime_type": "text/plain", "data": data}}
        ]}]});
        let mut request = request(Wire::Gemini, &body).unwrap();
        let edits = masks(&request.places(), MARK);
        assert_eq!(edits.len(), 1, "{data}");
        request.edit(&edits).unwrap();
        let places = request.places();
        assert!(
            places
                .iter()
                .any(|place| place.text == "Dear [M_1],\nyours — A.")
        );
    }
}

#[test]
fn text_that_is_not_utf8_is_unreadable_and_an_image_is_nothing() {
    let of = |media_type: &str, bytes: &[u8]| {
        let body = json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [
            {"type": "document", "source":
                {"type": "base64", "media_type": media_type, "data": STANDARD.encode(bytes)}}
        ]}]});
        let request = request(Wire::Messages, &body).unwrap();
        let places = request.places();
        places
            .iter()
            .filter(|place| place.turn > 0)
            .map(|place| place.kind)
            .collect::<Vec<_>>()
    };
    let utf16: Vec<u8> = "\u{feff}q7Zebra"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(of("text/plain", b"caf\xe9"), [PlaceKind::Unreadable]);
    assert_eq!(of("image/png", b"\x89PNG\r\n\x1a\n\0\0"), []);
    assert_eq!(of("application/pdf", &utf16), [PlaceKind::Unreadable]);
    // A text is read whatever it is said to be.
    assert_eq!(of("image/png", b"q7Zebra"), [PlaceKind::Text]);
}

#[test]
fn names_in_a_schema_are_identifiers_and_its_texts_are_not() {
    let schema = json!({"type": "object", "description": "of q7Zebra", "properties": {
        "for q7Zebra": {"enum": ["an q7Zebra"], "default": "a q7Zebra"}}, "required": ["for q7Zebra"]});
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": [
        {"type": "function", "function": {"name": "f", "parameters": schema}}]});
    let request = request(Wire::Chat, &body).unwrap();
    let places = request.places();
    let schema = places.iter().find(|place| place.is_schema).unwrap();
    let marked = schema.pieces().into_iter().filter_map(|piece| {
        let text = &schema.text[piece.start as usize..piece.end as usize];
        text.contains(MARK).then_some((text, piece.is_name))
    });
    let mut marked: Vec<_> = marked.collect();
    marked.sort_unstable();
    assert_eq!(
        marked,
        [
            ("a q7Zebra", false),
            ("an q7Zebra", true),
            ("for q7Zebra", true),
            ("for q7Zebra", true),
            ("of q7Zebra", false),
        ]
    );
}

#[test]
fn a_spelling_of_the_vendor_is_read_and_two_of_them_are_refused() {
    let part = |part: Value| request(Wire::Gemini, &json!({"contents": [{"parts": [part]}]}));
    let data = json!({"mime_type": "image/png", "data": "iVBORw0KGgo="});
    assert!(part(json!({"inline_data": data})).is_ok());
    let both =
        json!({"inlineData": {"mime_type": "image/png", "mimeType": "image/png", "data": ""}});
    let error = part(both).unwrap_err();
    assert_eq!(
        error.param(),
        Some("contents[0].parts[0].inlineData.mimeType")
    );
    assert_eq!(error.code(), "duplicate_field");
}

#[test]
fn a_member_in_another_case_is_refused_with_its_path() {
    for (content, param) in [
        (
            json!([{"type": "text", "text": "a", "Text": "b"}]),
            "messages[0].content[0].Text",
        ),
        (
            json!([{"type": "text", "text": "a", "TYPE": "b"}]),
            "messages[0].content[0].TYPE",
        ),
        (
            json!([{"type": "text", "text": "a", "cache_control": {"Type": "b"}}]),
            "messages[0].content[0].cache_control.Type",
        ),
    ] {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": content}]});
        let error = request(Wire::Chat, &body).unwrap_err();
        assert_eq!(error.param(), Some(param));
    }
    for name in ["Model", "MODEL", "meſſages", "Stream"] {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}], name: 1});
        let error = request(Wire::Chat, &body).unwrap_err();
        assert_eq!(error.param(), Some(name));
    }
}

#[test]
fn names_in_free_form_objects_are_the_clients_own() {
    let schema = json!({"properties": {"Type": {}, "type": {}, "content": {}, "Content": {}}});
    let body = json!({
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "metadata": {"Model": "a", "model": "b"},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    });
    assert!(request(Wire::Chat, &body).is_ok());
}

proptest! {
    /// A request without a match stays byte for byte, and one with matches changes only there.
    #[test]
    fn an_edit_changes_nothing_but_its_range(before in ".{0,20}", after in ".{0,20}") {
        let text = format!("{before}{MARK}{after}");
        let mut request = chat(json!(text));
        let body = request.body.clone();
        request.edit(&[]).unwrap();
        prop_assert_eq!(&request.body, &body);
        let edits = masks(&request.places(), MARK);
        request.edit(&edits).unwrap();
        let expected: Value = serde_json::from_slice(&body).unwrap();
        let expected = expected.to_string().replace(MARK, MASK);
        let edited: Value = serde_json::from_slice(&request.body).unwrap();
        prop_assert_eq!(edited.to_string(), expected);
    }
}
