//! Any body: read or refused, and what is read goes upstream byte for byte.
#![no_main]

use bytes::Bytes;
use forebay_dialect::canonical::{Operation, Part};
use forebay_dialect::{BodyChange, Request, TextEdit};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for operation in [Operation::Chat, Operation::Completion] {
        let Ok(mut request) = Request::parse(operation, Bytes::copy_from_slice(body)) else {
            continue;
        };
        let none = BodyChange::default();
        assert_eq!(request.upstream_body(&none), body);
        let change = BodyChange {
            model: Some("other"),
            stream: Some(true),
            include_usage: true,
            set: &[("cache_salt", "\"s\"")],
            remove: &["user"],
        };
        let changed = Request::parse(operation, request.upstream_body(&change)).unwrap();
        assert!(changed.prompt.model == "other" && changed.stream && changed.include_usage);
        assert_eq!(changed.prompt.messages, request.prompt.messages);
        assert_eq!(changed.upstream_body(&change), changed.body);

        // The first character of the first part, replaced.
        let Some(part) = request
            .prompt
            .messages
            .first()
            .and_then(|m| m.parts.first())
        else {
            continue;
        };
        let text = match part {
            Part::Text(text) => text,
            Part::ToolCall(call) => &call.arguments,
            Part::Opaque(part) => &part.json,
        };
        let Some(first) = text.chars().next() else {
            continue;
        };
        let range = 0..first.len_utf8() as u32;
        let edit = TextEdit {
            message: 0,
            part: 0,
            range,
            text: "\"\u{1f600}\n".to_owned(),
        };
        let opaque = matches!(part, Part::Opaque(_));
        assert_eq!(request.edit(&[edit]).is_err(), opaque);
    }
});
