//! OpenAI's responses: the policies' view, payloads, a recorded server, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use forebay_dialect::canonical::{Channel, FinishKind, Part};
use forebay_dialect::error::{ErrorParts, error_event, read_error};
use forebay_dialect::exchange::{Profile, WriteOptions};
use forebay_dialect::sse::Decoder;
use forebay_dialect::{
    AnswerContext, BodyChange, Payload, Request, StreamTranslation, TextEdit, Wire, fold,
    translate_answer, translate_request, unfold,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const STREAM: &[u8] = include_bytes!("fixtures/responses-stream.response");
const WHOLE: &[u8] = include_bytes!("fixtures/responses.response");

fn request(body: &Value) -> Request {
    Request::parse(Wire::Responses, body.to_string().into()).unwrap()
}

fn read(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap()
}

fn payload(body: &Value) -> Payload {
    Payload::parse(Wire::Responses, body.to_string().into()).unwrap()
}

fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Bytes> {
    let mut decoder = Decoder::new(1 << 20);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        events.extend((&mut decoder).map(|event| event.unwrap().data));
    }
    events
}

fn everything() -> Value {
    json!({
        "model": "m",
        "instructions": "be brief",
        "input": [
            {"role": "user", "content": "hi"},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
            ]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}],
             "encrypted_content": "c2VhbGVk"},
            {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{\"a\":1}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "sun"},
            {"type": "custom_tool_call", "call_id": "call_2", "name": "sh", "input": "ls"},
            {"type": "custom_tool_call_output", "call_id": "call_2", "output": [
                {"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": true},
                  {"type": "custom", "name": "sh"}],
        "top_logprobs": 2,
        "text": {"format": {"type": "json_schema", "name": "r", "schema": {"type": "object"}}},
        "stream": true,
    })
}

#[test]
fn each_item_is_a_message_that_policies_can_read() {
    let request = request(&everything());
    let seen: Vec<_> = request
        .prompt
        .messages
        .iter()
        .map(|message| {
            let parts: Vec<_> = message
                .parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => text.clone(),
                    Part::ToolCall(call) => {
                        format!("{}:{}({})", call.id, call.name, call.arguments)
                    }
                    Part::Opaque(part) => format!("<{}>", part.kind),
                })
                .collect();
            format!("{}: {}", message.role, parts.join(" "))
        })
        .collect();
    assert_eq!(
        seen,
        [
            "system: be brief",
            "user: hi",
            "user: see <input_image> <input_file>",
            "assistant: hm",
            "assistant: call_1:f({\"a\":1})",
            "tool: sun",
            "assistant: call_2:sh(ls)",
            "tool: a b",
        ]
    );
    let needs = request.needs();
    assert!(needs.tools && needs.vision && needs.logprobs && needs.json_schema && needs.streaming);
    assert!(request.stream);
}

#[test]
fn two_requests_that_differ_in_anything_differ_to_policies() {
    let base = everything();
    let mut all = vec![request(&base).prompt];
    let changes: [(&str, Value); 9] = [
        ("/instructions", json!(null)),
        (
            "/input/0/content",
            json!([{"type": "input_text", "text": "hi"}]),
        ),
        ("/input/1/content/1/detail", json!("high")),
        ("/input/2/encrypted_content", json!("other")),
        ("/input/3/call_id", json!("call_9")),
        ("/input/4/call_id", json!("call_9")),
        ("/input/5/type", json!("unknown_call")),
        ("/tools/0/strict", json!(false)),
        ("/top_logprobs", json!(3)),
    ];
    for (pointer, value) in changes {
        let mut changed = base.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        all.push(request(&changed).prompt);
    }
    let said_as_text = request(&json!({"model": "m", "input": "hi"})).prompt;
    let said_as_item =
        request(&json!({"model": "m", "input": [{"role": "user", "content": "hi"}]}));
    all.extend([said_as_text, said_as_item.prompt]);
    for (at, one) in all.iter().enumerate() {
        assert!(all[..at].iter().all(|other| other != one), "{at}");
    }
}

#[test]
fn edits_change_their_bytes_alone() {
    let body = everything().to_string();
    let edits = [
        (0, 0, 0..2, "don't be"),
        (2, 0, 0..3, "look"),
        (3, 0, 0..2, "thus"),
        (4, 0, 5..6, "2"),
        (7, 1, 0..1, "c"),
    ];
    let edits = edits.map(|(message, part, range, text)| TextEdit {
        message,
        part,
        range,
        text: text.into(),
    });
    let mut request = Request::parse(Wire::Responses, body.clone().into()).unwrap();
    request.edit(&edits).unwrap();
    let expected = body
        .replace("be brief", "don't be brief")
        .replace("\"see\"", "\"look\"")
        .replace("\"hm\"", "\"thus\"")
        .replace("{\\\"a\\\":1}", "{\\\"a\\\":2}")
        .replace("\"text\":\"b\"", "\"text\":\"c\"");
    assert_eq!(request.body, expected);
}

#[test]
fn a_body_passes_as_it_came_to_an_upstream_of_the_same_format() {
    let body = r#"{ "model": "m", "previous_response_id":"resp_1", "new": [1.0] }"#;
    let request = Request::parse(Wire::Responses, body.into()).unwrap();
    assert_eq!(request.upstream_body(&BodyChange::default()), body);
    let change = BodyChange {
        include_usage: true,
        stream: Some(true),
        ..BodyChange::default()
    };
    assert!(
        !request
            .upstream_body(&change)
            .windows(7)
            .any(|w| w == b"options")
    );
}

fn cross(body: &Value) -> Result<Value, String> {
    let options = WriteOptions {
        model: "up".into(),
        profile: Profile::OpenAi,
        ..WriteOptions::default()
    };
    match translate_request(&request(body), Wire::Responses, &options) {
        Ok(written) => Ok(read(&written.body)),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn state_that_is_kept_elsewhere_is_refused_by_name() {
    for (name, value) in [
        ("previous_response_id", json!("resp_1")),
        ("conversation", json!("conv_1")),
        ("prompt", json!({"id": "pmpt_1"})),
        ("background", json!(true)),
    ] {
        let mut body = json!({"model": "m", "input": "hi"});
        body[name] = value;
        let error = cross(&body).unwrap_err();
        assert!(
            error.contains(name) && error.contains("keeps no state"),
            "{error}"
        );
    }
    let reference = json!({"model": "m", "input": [{"type": "item_reference", "id": "msg_1"}]});
    let error = cross(&reference).unwrap_err();
    assert!(
        error.contains("input[0]") && error.contains("keeps no state"),
        "{error}"
    );
    for harmless in [json!({"background": false}), json!({"store": null})] {
        let mut body = json!({"model": "m", "input": "hi"});
        body.as_object_mut()
            .unwrap()
            .extend(harmless.as_object().unwrap().clone());
        assert_eq!(cross(&body).unwrap()["store"], false);
    }
}

#[test]
fn a_written_request_is_what_openai_documents() {
    let mut body = everything();
    body["reasoning"] = json!({"effort": "max", "summary": "auto"});
    body["user"] = json!("u");
    let written = cross(&body).unwrap();
    assert_eq!(
        written,
        json!({
            "model": "up",
            "instructions": "be brief",
            "input": [
                {"type": "message", "role": "user", "content": "hi"},
                {"type": "message", "role": "user", "content": [
                    {"type": "input_text", "text": "see"},
                    {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
                ]},
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}],
                 "encrypted_content": "c2VhbGVk"},
                {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{\"a\":1}"},
                {"type": "function_call_output", "call_id": "call_1", "output": "sun"},
                {"type": "custom_tool_call", "call_id": "call_2", "name": "sh", "input": "ls"},
                {"type": "custom_tool_call_output", "call_id": "call_2", "output": [
                    {"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
            ],
            "store": false,
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": true},
                      {"type": "custom", "name": "sh"}],
            "top_logprobs": 2,
            "text": {"format": {"type": "json_schema", "name": "r", "schema": {"type": "object"}}},
            "reasoning": {"effort": "xhigh", "summary": "auto"},
            "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
            "safety_identifier": "u",
        })
    );
}

#[test]
fn bad_values_are_named_as_the_client_knows_them() {
    for (pointer, value, named) in [
        ("/input", json!(5), "input"),
        ("/input/0/role", json!("judge"), "input[0].role"),
        (
            "/input/1/content/1/image_url",
            json!("data:image/png;base64,?"),
            "input[1].content[1].image_url",
        ),
        (
            "/input/1/content/2/file_data",
            json!("data:x,y"),
            "input[1].content[2].file_data",
        ),
        ("/input/3/name", json!(null), "input[3].name"),
        ("/input/4/call_id", json!("call_9"), "input[4]"),
        ("/input/5/input", json!({}), "input[5].input"),
        ("/tools/0/type", json!(null), "tools[0].type"),
        ("/tools/0/parameters", json!([]), "tools[0].parameters"),
        ("/text/format/type", json!("xml"), "text.format.type"),
        ("/top_logprobs", json!(-1), "top_logprobs"),
        ("/stream", json!("yes"), "stream"),
    ] {
        let mut body = everything();
        *body.pointer_mut(pointer).unwrap() = value;
        let parsed = Request::parse(Wire::Responses, body.to_string().into());
        let error = match parsed {
            Err(error) => error.to_string(),
            Ok(_) => cross(&body).unwrap_err(),
        };
        assert!(error.contains(&format!("'{named}'")), "{pointer}: {error}");
    }
}

#[test]
fn text_that_is_told_again_is_a_stretch_of_its_own() {
    let delta = payload(
        &json!({"type": "response.output_text.delta", "sequence_number": 4,
        "item_id": "msg_1", "output_index": 2, "content_index": 0, "delta": "Hi", "logprobs": []}),
    );
    assert_eq!(delta.texts()[0].choice, 2);
    assert!(delta.closed().is_empty() && delta.is_empty_delta());
    let done = payload(
        &json!({"type": "response.output_text.done", "sequence_number": 5,
        "item_id": "msg_1", "output_index": 2, "content_index": 0, "text": "Hi", "logprobs": []}),
    );
    let own = done.texts()[0].choice;
    assert_ne!(own, 2);
    assert_eq!(done.closed(), [2, own]);
    assert!(!done.is_empty_delta());
    let last = payload(
        &json!({"type": "response.completed", "sequence_number": 9, "response": {
        "id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
                {"type": "output_text", "text": "Hi", "annotations": []},
                {"type": "refusal", "refusal": "no"}]},
            {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}],
        "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7,
                  "input_tokens_details": {"cached_tokens": 3}}}}),
    );
    assert!(last.is_terminal() && last.has_tool_calls());
    assert_eq!(last.finished(), [(0, FinishKind::ToolCalls)]);
    assert_eq!(last.usage().unwrap().cached_input, 3);
    let mut told: Vec<_> = last.texts().iter().map(|text| text.choice).collect();
    told.extend([own, 2]);
    let count = told.len();
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), count);
    let channels: Vec<_> = last.texts().iter().map(|text| text.channel).collect();
    let arguments = Channel::ToolArguments(1);
    assert_eq!(channels, [Channel::Content, Channel::Refusal, arguments]);
}

#[test]
fn what_no_guard_can_read_is_dropped_on_demand() {
    let body = json!({"type": "response.output_item.done", "output_index": 0, "item": {
        "type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "secret"}});
    let without = payload(&body).rewrite(&[], true);
    assert_eq!(
        read(&without)["item"],
        json!({"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": null})
    );
    let body = json!({"type": "response.code_interpreter_call_code.delta", "output_index": 0,
        "item_id": "ci_1", "delta": "secret"});
    assert_eq!(
        read(&payload(&body).rewrite(&[], true))["delta"],
        json!(null)
    );
}

#[test]
fn held_text_goes_out_in_an_event_of_its_kind() {
    let mould = payload(
        &json!({"type": "response.output_text.done", "sequence_number": 5,
        "item_id": "msg_1", "output_index": 0, "content_index": 0, "text": "Hi", "logprobs": []}),
    );
    let own = mould.texts()[0].choice;
    let texts = [
        (0, Channel::Content, "late".to_owned()),
        (own, Channel::Content, "told again".to_owned()),
        (1, Channel::ToolArguments(1), "{".to_owned()),
    ];
    let made: Vec<_> = mould.synthesise(&texts).iter().map(read).collect();
    assert_eq!(made.len(), 2);
    assert_eq!(
        made[0],
        json!({"type": "response.output_text.delta", "sequence_number": 5, "item_id": "msg_1",
               "output_index": 0, "content_index": 0, "delta": "late", "logprobs": []})
    );
    assert_eq!(made[1]["type"], "response.function_call_arguments.delta");
    for event in mould.synthesise(&texts[..1]) {
        let read = Payload::parse(Wire::Responses, event).unwrap();
        assert_eq!(
            (read.texts()[0].choice, read.texts()[0].text.as_str()),
            (0, "late")
        );
    }
}

#[test]
fn a_recorded_stream_is_the_answer_that_it_ends_with() {
    let recorded = events([STREAM]);
    let context = AnswerContext::default();
    let folded = read(&fold(Wire::Responses, &recorded, &context).unwrap());
    let last = read(recorded.last().unwrap());
    assert_eq!(
        folded["output"][0]["content"][0]["text"],
        last["response"]["output"][0]["content"][0]["text"]
    );
    assert_eq!(folded["status"], "incomplete");
    assert_eq!(
        folded["usage"]["output_tokens"],
        last["response"]["usage"]["output_tokens"]
    );
    assert_eq!(folded["id"], last["response"]["id"]);
    let mut said = String::new();
    for event in &recorded {
        let payload = Payload::parse(Wire::Responses, event.clone()).unwrap();
        for text in payload.texts().iter().filter(|text| text.choice == 0) {
            said.push_str(&text.text);
        }
        assert_eq!(payload.rewrite(&[], true), *event);
    }
    assert_eq!(said, folded["output"][0]["content"][0]["text"]);
    let finished = Payload::parse(Wire::Responses, recorded.last().unwrap().clone()).unwrap();
    assert_eq!(finished.finished(), [(0, FinishKind::Length)]);
}

#[test]
fn a_recorded_answer_unfolds_and_folds_to_the_same() {
    let body = Bytes::from_static(WHOLE);
    let context = AnswerContext::default();
    let unfolded = unfold(Wire::Responses, &body, &context).unwrap();
    let folded = fold(Wire::Responses, &unfolded, &context).unwrap();
    let rewritten = translate_answer(Wire::Responses, Wire::Responses, &body, &context).unwrap();
    assert_eq!(read(&folded), read(&rewritten));
    let numbers: Vec<_> = unfolded
        .iter()
        .map(|e| read(e)["sequence_number"].clone())
        .collect();
    assert_eq!(
        numbers,
        (0..numbers.len()).map(|n| json!(n)).collect::<Vec<_>>()
    );
}

#[test]
fn an_answer_repeats_its_request() {
    let request = request(&everything());
    let context = AnswerContext {
        echo: request.answer_echo(),
        id: "abc".into(),
        model: "m".into(),
        created: 7,
        ..AnswerContext::default()
    };
    let body = Bytes::from_static(br#"{"object":"response","status":"completed","output":[]}"#);
    let answer = translate_answer(Wire::Responses, Wire::Responses, &body, &context).unwrap();
    let answer = read(&answer);
    assert_eq!(answer["id"], "resp_abc");
    assert_eq!(answer["tools"], everything()["tools"]);
    assert_eq!(answer["instructions"], "be brief");
    assert_eq!(answer["tool_choice"], "auto");
    assert_eq!(answer["parallel_tool_calls"], true);
}

#[test]
fn reasoning_of_engines_streams_through() {
    let stream = [
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "m", "output": []}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "r", "summary": []}}),
        json!({"type": "response.reasoning_part.added", "output_index": 0, "content_index": 0, "item_id": "r", "part": {"type": "reasoning_text", "text": ""}}),
        json!({"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "item_id": "r", "delta": "so"}),
        json!({"type": "response.some_new_event", "delta": "?"}),
        json!({"type": "response.reasoning_text.done", "output_index": 0, "content_index": 0, "item_id": "r", "text": "so"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text", "text": "so"}]}}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": ""}}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 1, "item_id": "fc", "delta": "{\"a\""}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 1, "item_id": "fc", "delta": ":1}"}),
        json!({"type": "response.function_call_arguments.done", "output_index": 1, "item_id": "fc", "arguments": "{\"a\":1}"}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": "{\"a\":1}"}}),
        json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "model": "m", "output": []}}),
    ];
    let stream: Vec<Bytes> = stream
        .iter()
        .map(|event| event.to_string().into())
        .collect();
    let answer = read(&fold(Wire::Responses, &stream, &AnswerContext::default()).unwrap());
    assert_eq!(
        answer["output"][0]["summary"],
        json!([{"type": "summary_text", "text": "so"}])
    );
    assert_eq!(answer["output"][1]["arguments"], "{\"a\":1}");
    assert_eq!(answer["output"].as_array().unwrap().len(), 2);
}

#[test]
fn an_error_in_a_stream_ends_it() {
    let parts = ErrorParts {
        status: 500,
        message: "gone",
        kind: "",
        param: None,
        code: None,
        sequence: 0,
    };
    let event = error_event(Wire::Responses, &parts);
    let payload = Payload::parse(Wire::Responses, event.clone()).unwrap();
    assert!(payload.is_terminal());
    assert_eq!(payload.error().unwrap().message, "gone");
    assert_eq!(
        read_error(Wire::Responses, &event).unwrap().code.unwrap(),
        "server_error"
    );
    let context = AnswerContext::default();
    let mut translation = StreamTranslation::new(Wire::Responses, Wire::Responses, &context);
    let mut out = Vec::new();
    translation.push(None, &event, &mut out).unwrap();
    assert!(!translation.has_ended());
    let failed = Payload::parse(Wire::Responses, out.last().unwrap().clone()).unwrap();
    assert_eq!(read(&failed.raw)["type"], "response.failed");
    assert_eq!(failed.error().unwrap().message, "gone");
    assert!(failed.is_terminal() && failed.finished().is_empty());
}

proptest! {
    #[test]
    fn any_split_of_a_stream_gives_the_same_events(cuts in prop::collection::vec(0..STREAM.len(), 0..8)) {
        let mut cuts = cuts;
        cuts.extend([0, STREAM.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &STREAM[pair[0]..pair[1]]);
        let context = AnswerContext::default();
        let folded = |events: Vec<Bytes>| {
            let mut translation = StreamTranslation::new(Wire::Responses, Wire::Responses, &context);
            let mut out = Vec::new();
            for event in events {
                translation.push(None, &event, &mut out).unwrap();
            }
            assert!(translation.has_ended());
            fold(Wire::Responses, &out, &context).unwrap()
        };
        prop_assert_eq!(folded(events(pieces)), folded(events([STREAM])));
    }
}
