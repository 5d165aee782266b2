//! Anthropic's messages from outside: what policies see, what they change, what clients get.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use forebay_dialect::canonical::{Channel, FinishKind, Part, Usage};
use forebay_dialect::error::{ErrorParts, error_body, error_event, read_error};
use forebay_dialect::exchange::WriteOptions;
use forebay_dialect::sse::Decoder;
use forebay_dialect::{
    AnswerContext, BodyChange, Payload, Request, RequestError, StreamTranslation, Target, TextEdit,
    TranslateError, Wire, count_tokens_body, fold, translate_answer, translate_request, unfold,
};
use proptest::prelude::*;

const REQUEST: &str = r#"{
  "model": "claude", "max_tokens": 64, "temperature": 0.5, "stream": true,
  "system": [{"type": "text", "text": "be k\u00efnd", "cache_control": {"type": "ephemeral"}}],
  "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
  "tools": [{"name": "f", "input_schema": {"type": "object"}}],
  "messages": [
    {"role": "user", "content": "call 555-1234"},
    {"role": "assistant", "content": [
      {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
      {"type": "tool_use", "id": "t1", "name": "f", "input": {"b": "555-1234", "a": ["x", 1]}}]},
    {"role": "user", "content": [
      {"type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": [
        {"type": "text", "text": "no 555"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}]},
      {"type": "tool_result", "tool_use_id": "t2", "content": "plain"},
      {"type": "text", "text": "and now?"}]}
  ]
}"#;

fn request(body: &str) -> Request {
    Request::parse(Wire::Messages, body.to_owned().into()).unwrap()
}

fn refused(body: &str) -> RequestError {
    Request::parse(Wire::Messages, body.to_owned().into()).unwrap_err()
}

fn payload(raw: &str) -> Payload {
    Payload::parse(Wire::Messages, raw.to_owned().into()).unwrap()
}

fn texts(payload: &Payload) -> Vec<(u32, Channel, &str)> {
    let texts = payload.texts().iter();
    texts
        .map(|delta| (delta.choice, delta.channel, delta.text.as_str()))
        .collect()
}

/// A stream's events as the gateway takes them, whatever the pieces it came in.
fn events(pieces: &[&[u8]]) -> Vec<(Option<String>, Bytes)> {
    let mut decoder = Decoder::new(1 << 20);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        events.extend(
            (&mut decoder)
                .map(Result::unwrap)
                .map(|event| (event.event, event.data)),
        );
    }
    events
}

fn translated(events: &[(Option<String>, Bytes)]) -> (Vec<Bytes>, bool) {
    let context = AnswerContext::default();
    let mut translation = StreamTranslation::new(Wire::Messages, Wire::Messages, &context);
    let mut out = Vec::new();
    for (event, data) in events {
        translation.push(event.as_deref(), data, &mut out).unwrap();
    }
    (out, translation.has_ended())
}

#[test]
fn policies_see_texts_and_calls_wherever_they_stand() {
    let request = request(REQUEST);
    let prompt = &request.prompt;
    let roles: Vec<_> = prompt
        .messages
        .iter()
        .map(|message| message.role.as_str())
        .collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
    let text = |text: &str| Part::Text(text.to_owned());
    assert_eq!(prompt.messages[0].parts, [text("be kïnd")]);
    let Part::ToolCall(call) = &prompt.messages[2].parts[1] else {
        panic!("no call");
    };
    assert_eq!((&*call.id, &*call.name), ("t1", "f"));
    assert_eq!(call.arguments, r#"{"a":["x",1],"b":"555-1234"}"#);
    let said = &prompt.messages[3].parts;
    assert_eq!(
        [&said[0], &said[2], &said[3]],
        [&text("no 555"), &text("plain"), &text("and now?")]
    );
    assert!(matches!(&said[1], Part::Opaque(image) if image.kind == "image"));
    let needs = request.needs();
    assert!(needs.streaming && needs.tools && needs.vision && needs.json_schema);
    assert_eq!(prompt.sampling.max_tokens, Some(64));
    assert_eq!(
        prompt.tools,
        [r#"{"input_schema":{"type":"object"},"name":"f"}"#]
    );
}

#[test]
fn edits_change_their_own_bytes_and_no_others() {
    let edit = |message, part, range, text: &str| TextEdit {
        message,
        part,
        range,
        text: text.to_owned(),
    };
    let mut edited = request(REQUEST);
    edited
        .edit(&[
            edit(0, 0, 3..8, "q\"t"),
            edit(1, 0, 5..13, "<P>"),
            edit(2, 1, 18..26, "<P>"),
            edit(3, 0, 3..6, "<N>"),
        ])
        .unwrap();
    let expected = REQUEST
        .replace("k\\u00efnd", "q\\\"t")
        .replace("555-1234", "<P>")
        .replace("no 555", "no <N>");
    assert_eq!(std::str::from_utf8(&edited.body).unwrap(), expected);
    assert_eq!(edited.prompt, request(&expected).prompt);
}

#[test]
fn a_body_for_the_same_format_is_the_same_bytes() {
    let request = request(REQUEST);
    let body = request.upstream_body(&BodyChange::default());
    assert_eq!(body, REQUEST);
    let change = BodyChange {
        model: Some("claude-opus-5"),
        include_usage: true,
        ..BodyChange::default()
    };
    let renamed = REQUEST.replace("\"claude\"", "\"claude-opus-5\"");
    assert_eq!(request.upstream_body(&change), renamed);
}

#[test]
fn requests_that_differ_in_anything_differ_in_the_prompt() {
    let of = |system: &str, content: &str| {
        request(&format!(
            r#"{{"model":"m","max_tokens":1{system},"messages":[{{"role":"user","content":{content}}}]}}"#
        ))
        .prompt
    };
    let prompts = [
        of("", r#""a""#),
        of("", r#"[{"type":"text","text":"a"}]"#),
        of("", r#"[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]"#),
        of("", r#"[{"type":"text","text":"a"},{"type":"text","text":""}]"#),
        of("", r#"[{"type":"tool_result","tool_use_id":"t","content":"a"}]"#),
        of("", r#"[{"type":"tool_result","tool_use_id":"u","content":"a"}]"#),
        of("", r#"[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"a"}]}]"#),
        of("", r#"[{"type":"tool_result","tool_use_id":"t"},{"type":"text","text":"a"}]"#),
        of("", r#"[{"type":"tool_result","tool_use_id":"t","content":[]},{"type":"text","text":"a"}]"#),
        of("", r#"[{"type":"tool_result","tool_use_id":"t","content":null},{"type":"text","text":"a"}]"#),
        of("", r#"[{"type":"tool_use","id":"a","name":"f","input":{}}]"#),
        of("", r#"[{"type":"tool_use","id":"a","name":"f","input":{"a":1}}]"#),
        of("", r#"[{"type":"tool_use","id":"a","name":"f","input":{},"caller":{"type":"direct"}}]"#),
        of(r#","system":"s""#, r#""a""#),
        of(r#","system":[{"type":"text","text":"s"}]"#, r#""a""#),
        of(r#","system":null"#, r#""a""#),
        of(r#","system":"""#, r#""a""#),
        of(r#","tools":[]"#, r#""a""#),
        of(r#","thinking":{"type":"adaptive"}"#, r#""a""#),
        request(r#"{"model":"m","max_tokens":1,"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"}]}"#).prompt,
    ];
    for (position, one) in prompts.iter().enumerate() {
        assert!(!prompts[position + 1..].contains(one), "{position}");
    }
}

#[test]
fn a_bad_request_is_told_which_field_is_wrong() {
    let of = |rest: &str| {
        let error = refused(&format!(r#"{{"model":"m","max_tokens":1,{rest}}}"#));
        error.param().unwrap().to_owned()
    };
    let content = |content: &str| {
        of(&format!(
            r#""messages":[{{"role":"user","content":{content}}}]"#
        ))
    };
    assert_eq!(of(r#""messages":{}"#), "messages");
    assert_eq!(of(r#""messages":[]"#), "messages");
    assert_eq!(of(r#""messages":[{"content":"a"}]"#), "messages[0].role");
    assert_eq!(of(r#""messages":[{"role":"user"}]"#), "messages[0].content");
    assert_eq!(content("[{}]"), "messages[0].content[0].type");
    assert_eq!(
        content(r#"[{"type":"text","text":1}]"#),
        "messages[0].content[0].text"
    );
    let call = r#"[{"type":"tool_use","id":"t","name":"f","input":"text"}]"#;
    assert_eq!(content(call), "messages[0].content[0].input");
    let result = r#"[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text"}]}]"#;
    assert_eq!(content(result), "messages[0].content[0].content[0].text");
    assert_eq!(
        of(r#""messages":[{"role":"user","content":"a"}],"tools":{}"#),
        "tools"
    );
    let untold = r#"{"model":"m","messages":[{"role":"user","content":"a"}]}"#;
    assert_eq!(refused(untold).param(), Some("max_tokens"));
    assert_eq!(
        refused(r#"{"messages":[],"max_tokens":1}"#).param(),
        Some("messages")
    );
}

#[test]
fn a_request_that_crosses_is_told_which_field_is_wrong() {
    let of = |rest: &str| {
        let body = format!(
            r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":"a"}}],{rest}}}"#
        );
        match translate_request(&request(&body), Wire::Messages, &WriteOptions::default()) {
            Err(TranslateError::Request(error)) => error.param().unwrap().to_owned(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(of(r#""stop_sequences":"a""#), "stop_sequences");
    assert_eq!(of(r#""stop_sequences":[1]"#), "stop_sequences[0]");
    assert_eq!(
        of(r#""thinking":{"type":"enabled"}"#),
        "thinking.budget_tokens"
    );
    assert_eq!(
        of(r#""output_config":{"effort":"huge"}"#),
        "output_config.effort"
    );
    assert_eq!(of(r#""tool_choice":{"type":"tool"}"#), "tool_choice.name");
    assert_eq!(of(r#""tools":[{"name":"f"}]"#), "tools[0].input_schema");
    assert_eq!(of(r#""metadata":{"user_id":7}"#), "metadata.user_id");
}

#[test]
fn a_count_of_tokens_is_asked_for_without_a_limit() {
    let target = Target {
        stream: Some(false),
        ..Target::new(Wire::Messages)
    };
    let body = r#"{"model":"m","messages":[{"role":"user","content":"a"}]}"#;
    let request = Request::parse(target, body.into()).unwrap();
    assert_eq!(request.prompt.sampling.max_tokens, None);
    assert_eq!(count_tokens_body(12), r#"{"input_tokens":12}"#);
    let counted = Payload::parse(Wire::Messages, count_tokens_body(12)).unwrap();
    assert_eq!(counted.rewrite(&[], true), counted.raw);
}

#[test]
fn every_text_of_an_answer_is_seen_and_replaced() {
    let answer = r#"{"id":"m","type":"message","role":"assistant","model":"c","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"text","text":"so","citations":[{"type":"char_location","cited_text":"q","document_index":0,"document_title":"d","start_char_index":0,"end_char_index":1}]},{"type":"tool_use","id":"t","name":"f","input":{"a": 1}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":3,"cache_read_input_tokens":4,"output_tokens":5}}"#;
    let read = payload(answer);
    let quoted = 1 << 31;
    let expected = [
        (0, Channel::Reasoning, "hm"),
        (1, Channel::Content, "so"),
        (quoted, Channel::Content, "q"),
        (quoted + 1, Channel::Content, "d"),
        (2, Channel::ToolArguments(2), "{\"a\": 1}"),
    ];
    assert_eq!(texts(&read), expected);
    assert_eq!(read.closed(), [0, quoted, quoted + 1, 1, 2]);
    assert_eq!(read.finished(), [(0, FinishKind::ToolCalls)]);
    assert_eq!((read.id(), read.model()), (Some("m"), Some("c")));
    assert!(read.has_tool_calls());
    let usage = Usage {
        input: 7,
        output: 5,
        cached_input: 4,
        ..Usage::default()
    };
    assert_eq!(read.usage(), Some(&usage));
    let to = |text: &str| Some(text.to_owned());
    let with = [to("1"), to("2"), to("3"), None, to("{}")];
    let replaced = answer
        .replace("\"hm\"", "\"1\"")
        .replace("\"so\"", "\"2\"")
        .replace("\"q\"", "\"3\"")
        .replace("{\"a\": 1}", "{}");
    assert_eq!(read.rewrite(&with, true), replaced);
}

#[test]
fn what_a_guard_cant_read_can_be_dropped() {
    for (raw, dropped) in [
        (
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"web_search_tool_result","tool_use_id":"s","content":[{"title":"t"}]}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"web_search_tool_result","tool_use_id":"s","content":null}}"#,
        ),
        (
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"later","data":"x"}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"later","data":null}}"#,
        ),
        (
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"later_delta","later":"x"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"later_delta","later":null}}"#,
        ),
        (
            r#"{"type":"later","what":"x"}"#,
            r#"{"type":"later","what":null}"#,
        ),
    ] {
        assert_eq!(payload(raw).rewrite(&[], true), dropped);
    }
}

#[test]
fn each_event_of_a_stream_says_what_it_is() {
    let delta = payload(
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"a"}}"#,
    );
    assert_eq!(texts(&delta), [(3, Channel::Content, "a")]);
    assert!(delta.is_empty_delta());
    let stop = payload(r#"{"type":"content_block_stop","index":3}"#);
    assert_eq!(stop.closed(), [3]);
    assert!(!stop.is_empty_delta());
    assert!(payload(r#"{"type":"ping"}"#).is_empty_delta());
    assert!(payload(r#"{"type":"message_stop"}"#).is_terminal());
    let signed = r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}"#;
    assert!(!payload(signed).is_empty_delta());
    let begun = r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#;
    assert_eq!(texts(&payload(begun)), []);
    let failed =
        r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"},"request_id":"r"}"#;
    let failed = payload(failed);
    assert_eq!(failed.error().unwrap().message, "busy");
    assert_eq!(failed.rewrite(&[], true), failed.raw);
    for (reason, kind) in [
        ("end_turn", FinishKind::Stop),
        ("stop_sequence", FinishKind::Stop),
        ("max_tokens", FinishKind::Length),
        ("tool_use", FinishKind::ToolCalls),
        ("refusal", FinishKind::Refused),
        ("pause_turn", FinishKind::Other("pause_turn".into())),
    ] {
        let end = format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}"}}}}"#);
        assert_eq!(payload(&end).finished(), [(0, kind)]);
    }
}

#[test]
fn texts_that_were_held_back_go_out_as_deltas_of_their_blocks() {
    let stop = payload(r#"{"type":"content_block_stop","index":1}"#);
    let texts = [
        (0, Channel::Reasoning, "hm".to_owned()),
        (1, Channel::Content, "a\"b".to_owned()),
        (2, Channel::ToolArguments(2), "{}".to_owned()),
    ];
    let made = stop.synthesise(&texts);
    let read: Vec<_> = made
        .iter()
        .map(|event| payload(std::str::from_utf8(event).unwrap()))
        .flat_map(|payload| payload.texts().to_vec())
        .map(|delta| (delta.choice, delta.channel, delta.text))
        .collect();
    assert_eq!(read, texts);
}

#[test]
fn vllms_recorded_stream_amounts_to_its_recorded_kind_of_answer() {
    let recorded = include_bytes!("fixtures/messages-stream.response");
    let events = events(&[recorded]);
    let (out, ended) = translated(&events);
    assert!(ended);
    let data: Vec<_> = events.iter().map(|(_, data)| data.clone()).collect();
    let context = AnswerContext::default();
    let folded = fold(Wire::Messages, &data, &context).unwrap();
    let json = |body: &Bytes| {
        let mut json: serde_json::Value = serde_json::from_slice(body).unwrap();
        // An id of chat completions is replaced.
        json["id"].take();
        json
    };
    let again = fold(Wire::Messages, &out, &context).unwrap();
    assert_eq!(json(&again), json(&folded));
    let read = payload(std::str::from_utf8(&folded).unwrap());
    assert!(read.texts()[0].text.starts_with(" '\\\\ back"));
    assert_eq!(read.finished(), [(0, FinishKind::Length)]);
    assert_eq!(read.usage().unwrap().input, 13);
    assert_eq!(read.usage().unwrap().output, 16);
}

#[test]
fn a_whole_answer_unfolds_and_folds_into_itself() {
    const RICH: &[u8] = br#"{"id":"m","type":"message","role":"assistant","model":"c","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"redacted_thinking","data":"x"},{"type":"server_tool_use","id":"s","name":"web_search","input":{"query": "a \"b\""}},{"type":"web_search_tool_result","tool_use_id":"s","content":[{"url":"u"}]},{"type":"text","text":"so\n","citations":[{"type":"later"},{"type":"char_location"}]},{"type":"text","text":"","citations":null},{"type":"tool_use","id":"t","name":"f","input":{}}],"stop_reason":"refusal","stop_sequence":null,"stop_details":{"type":"refusal"},"usage":{"input_tokens":3,"output_tokens":5,"server_tool_use":{"web_search_requests":1}},"later":[1]}"#;
    let recorded: &[u8] = include_bytes!("fixtures/messages.response");
    let context = AnswerContext::default();
    for body in [RICH, recorded].map(Bytes::from_static) {
        let events = unfold(Wire::Messages, &body, &context).unwrap();
        let terminal = |event: &Bytes| Payload::parse(Wire::Messages, event.clone()).unwrap();
        assert!(terminal(events.last().unwrap()).is_terminal());
        assert_eq!(fold(Wire::Messages, &events, &context).unwrap(), body);
        let crossed = translate_answer(Wire::Messages, Wire::Messages, &body, &context).unwrap();
        assert_eq!(
            texts(&Payload::parse(Wire::Messages, crossed).unwrap()).len(),
            texts(&Payload::parse(Wire::Messages, body.clone()).unwrap()).len()
        );
    }
}

#[test]
fn errors_have_the_type_that_goes_with_their_status() {
    let of = |status| {
        let error = ErrorParts {
            status,
            message: "no \"x\"",
            kind: "",
            param: None,
            code: None,
            sequence: 0,
        };
        assert_eq!(
            error_body(Wire::Messages, &error),
            error_event(Wire::Messages, &error)
        );
        let read = read_error(Wire::Messages, &error_body(Wire::Messages, &error)).unwrap();
        assert_eq!(read.message, "no \"x\"");
        read.kind.unwrap()
    };
    for (status, kind) in [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ] {
        assert_eq!(of(status), kind);
    }
}

#[test]
fn the_clouds_errors_are_read_too() {
    let read = |body: &'static str| read_error(Wire::Messages, &body.into());
    let google = r#"{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}"#;
    let google = read(google).unwrap();
    assert_eq!(google.kind.as_deref(), Some("RESOURCE_EXHAUSTED"));
    assert_eq!(google.code.as_deref(), Some("429"));
    assert_eq!(read(r#"{"message":"slow"}"#).unwrap().message, "slow");
    assert_eq!(read("<html>"), None);
    assert_eq!(read(r#"{"type":"message","content":[]}"#), None);
}

proptest! {
    #[test]
    fn however_a_stream_is_cut_it_says_the_same(cuts in prop::collection::vec(0..3000_usize, 0..9)) {
        let recorded: &[u8] = include_bytes!("fixtures/messages-stream.response");
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(recorded.len())).collect();
        cuts.extend([0, recorded.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &recorded[cut[0]..cut[1]]).collect();
        prop_assert_eq!(translated(&events(&pieces)), translated(&events(&[recorded])));
    }
}
