//! Bedrock's Converse as policies, guards and clients see it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::{Bytes, BytesMut};
use forebay_dialect::canonical::{Channel, FinishKind, Part, Usage};
use forebay_dialect::error::{ErrorParts, error_body, error_event, error_header, read_error};
use forebay_dialect::event_stream::{EventStreamDecoder, encode_event, union_json};
use forebay_dialect::exchange::WriteOptions;
use forebay_dialect::{
    AnswerContext, BodyChange, Payload, Request, RequestError, StreamTranslation, Target, TextEdit,
    Wire, fold, translate_request, unfold,
};
use proptest::prelude::*;

const STREAM: &str = include_str!("fixtures/event-stream/converse.jsonl");
const FRAMES: &[u8] = include_bytes!("fixtures/event-stream/converse.frames");

fn target() -> Target {
    Target {
        wire: Wire::Converse,
        model: Some("anthropic.claude-sonnet-5-v1:0".to_owned()),
        stream: Some(true),
    }
}

fn parse(body: &str) -> Request {
    Request::parse(target(), Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn refused(body: &str) -> String {
    Request::parse(target(), Bytes::copy_from_slice(body.as_bytes()))
        .unwrap_err()
        .to_string()
}

const BODY: &str = r#"{
  "system": [{"text": "Be \u0062rief."}, {"cachePoint": {"type": "default"}}],
  "messages": [
    {"role": "user", "content": [{"text": "Mail a@b.ch"}, {"image": {"format": "png", "source": {"bytes": "Zm9v"}}}]},
    {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "mail", "input": {"to" : "a@b.ch", "n": 1.0}}}]},
    {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "status": "error", "content": [{"text": "no a@b.ch"}, {"json": {"who": "a@b.ch"}}]}}, {"text": "Again"}]}
  ],
  "inferenceConfig": {"maxTokens": 100, "temperature": 0.5, "topP": 0.9},
  "toolConfig": {"tools": [{"toolSpec": {"name": "mail", "inputSchema": {"json": {}}}}], "toolChoice": {"auto": {}}},
  "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}}}
}"#;

#[test]
fn policies_see_texts_calls_and_all_else() {
    let request = parse(BODY);
    let prompt = &request.prompt;
    assert_eq!(prompt.model, "anthropic.claude-sonnet-5-v1:0");
    let roles: Vec<&str> = prompt.messages.iter().map(|m| m.role.as_str()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
    let Part::ToolCall(call) = &prompt.messages[2].parts[0] else {
        panic!("a call");
    };
    assert_eq!(call.arguments, r#"{"n":1.0,"to":"a@b.ch"}"#);
    let kinds: Vec<String> = prompt.messages[3]
        .parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Opaque(part) => part.json.clone(),
            Part::ToolCall(_) => unreachable!(),
        })
        .collect();
    assert_eq!(
        kinds,
        ["no a@b.ch", r#"{"json":{"who":"a@b.ch"}}"#, "Again"]
    );
    assert_eq!(prompt.sampling.max_tokens, Some(100));
    assert_eq!(prompt.sampling.temperature, Some(0.5));
    assert_eq!(prompt.tools.len(), 1);
    let names: Vec<&str> = prompt
        .extra
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["inferenceConfig", "outputConfig", "system", "toolConfig"]
    );
    let needs = request.needs();
    assert!(needs.streaming && needs.tools && needs.vision && needs.json_schema && !needs.audio);
    assert!(request.stream);
}

#[test]
fn edits_change_their_own_bytes_and_no_others() {
    let mut request = parse(BODY);
    let mut edits = Vec::new();
    for (m, message) in (0..).zip(&request.prompt.messages) {
        for (p, part) in (0..).zip(&message.parts) {
            let text = match part {
                Part::Text(text) => text.as_str(),
                Part::ToolCall(call) => &call.arguments,
                Part::Opaque(opaque) => &opaque.json,
            };
            edits.extend(text.match_indices("a@b.ch").map(|(at, found)| TextEdit {
                message: m,
                part: p,
                range: at as u32..(at + found.len()) as u32,
                text: "<\"MAIL\">".to_owned(),
            }));
        }
    }
    assert_eq!(edits.len(), 4);
    request.edit(&edits).unwrap();
    assert_eq!(request.body, BODY.replace("a@b.ch", "<\\\"MAIL\\\">"));
}

#[test]
fn a_body_passes_through_as_it_came() {
    let request = parse(BODY);
    let change = BodyChange {
        model: Some("other"),
        stream: Some(true),
        include_usage: true,
        ..BodyChange::default()
    };
    assert_eq!(request.upstream_body(&change), BODY);
}

#[test]
fn requests_that_differ_in_anything_differ_for_policies() {
    let said =
        |content: &str| format!(r#"{{"messages":[{{"role":"user","content":[{content}]}}]}}"#);
    let bodies = [
        said(r#"{"text":"a"}"#),
        said(r#"{"text":"a"},{"text":""}"#),
        said(r#"{"text":"a","x":1}"#),
        said(r#"{"text":"a"},{"cachePoint":{"type":"default"}}"#),
        said(r#"{"toolResult":{"toolUseId":"t","content":[{"text":"a"}]}}"#),
        said(r#"{"toolResult":{"toolUseId":"u","content":[{"text":"a"}]}}"#),
        said(r#"{"toolResult":{"toolUseId":"t","content":[{"text":"a"}],"status":"error"}}"#),
        said(r#"{"toolResult":{"toolUseId":"t","content":[]}},{"text":"a"}"#),
        said(r#"{"toolUse":{"toolUseId":"t","name":"n","input":{}}}"#),
        said(r#"{"toolUse":{"toolUseId":"t","name":"n","input":"{}"}}"#),
        said(r#"{"toolUse":{"toolUseId":"t","name":"n","input":{},"type":"server_tool_use"}}"#),
        said(""),
        r#"{"system":[{"text":"a"}],"messages":[]}"#.to_owned(),
        r#"{"system":[],"messages":[{"role":"system","content":[{"text":"a"}]}]}"#.to_owned(),
        r#"{"messages":[{"role":"system","content":[{"text":"a"}]}]}"#.to_owned(),
        r#"{"system":null,"messages":[{"role":"system","content":[{"text":"a"}]}]}"#.to_owned(),
        "{}".to_owned(),
        r#"{"messages":[]}"#.to_owned(),
        r#"{"messages":null}"#.to_owned(),
        r#"{"toolConfig":{}}"#.to_owned(),
        r#"{"toolConfig":{"tools":[]}}"#.to_owned(),
        r#"{"toolConfig":{"tools":[{}]}}"#.to_owned(),
        r#"{"toolConfig":{"tools":[{}],"toolChoice":{"any":{}}}}"#.to_owned(),
        r#"{"inferenceConfig":{}}"#.to_owned(),
        r#"{"inferenceConfig":{"stopSequences":["a"]}}"#.to_owned(),
    ];
    let prompts: Vec<_> = bodies.iter().map(|body| parse(body).prompt).collect();
    for (at, prompt) in prompts.iter().enumerate() {
        for (other, body) in prompts.iter().zip(&bodies).skip(at + 1) {
            assert_ne!(prompt, other, "{} and {body}", bodies[at]);
        }
    }
}

#[test]
fn a_wrong_field_is_named_in_converses_words() {
    let cases = [
        (
            r#"{"messages":{}}"#,
            "invalid type for 'messages': expected an array, but got an object",
        ),
        (
            r#"{"messages":[{"content":[]}]}"#,
            "missing required parameter: 'messages[0].role'",
        ),
        (
            r#"{"messages":[{"role":"user","content":"Hi"}]}"#,
            "invalid type for 'messages[0].content': expected an array, but got a string",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"toolUse":{"name":"n"}}]}]}"#,
            "missing required parameter: 'messages[0].content[0].toolUse.toolUseId'",
        ),
        (
            r#"{"inferenceConfig":{"maxTokens":"9"}}"#,
            "invalid type for 'inferenceConfig.maxTokens': expected an integer, but got a string",
        ),
        (
            r#"{"toolConfig":{"tools":[7]}}"#,
            "invalid type for 'toolConfig.tools[0]': expected an object, but got a number",
        ),
    ];
    for (body, message) in cases {
        assert_eq!(refused(body), message);
    }
}

fn translated(body: &str) -> Result<forebay_dialect::exchange::Written, String> {
    let options = WriteOptions {
        model: "anthropic.claude-sonnet-5-v1:0".to_owned(),
        ..WriteOptions::default()
    };
    translate_request(&parse(body), Wire::Converse, &options).map_err(|error| error.to_string())
}

#[test]
fn a_request_that_crosses_keeps_its_meaning() {
    let written = translated(BODY).unwrap();
    // This model takes no sampling parameters; everything else crosses.
    let lost: Vec<_> = written.lost.iter().map(|lost| &*lost.param).collect();
    assert_eq!(
        lost,
        ["inferenceConfig.temperature", "inferenceConfig.topP"]
    );
    let again = translated(std::str::from_utf8(&written.body).unwrap()).unwrap();
    assert_eq!(again.body, written.body);
}

#[test]
fn what_cannot_be_read_for_a_crossing_is_named() {
    let cases = [
        (
            r#"{"messages":[{"role":"tool","content":[]}]}"#,
            "invalid value for 'messages[0].role': must be 'user', 'assistant' or 'system'",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"text":"a","cachePoint":{}}]}]}"#,
            "invalid value for 'messages[0].content[0]': must have exactly one member",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"image":{"format":"png"}}]}]}"#,
            "missing required parameter: 'messages[0].content[0].image.source'",
        ),
        (
            r#"{"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{"}}}}}"#,
            "invalid value for 'outputConfig.textFormat.structure.jsonSchema.schema': must be a JSON schema in a string",
        ),
        (
            r#"{"requestMetadata":{"a":1}}"#,
            "invalid type for 'requestMetadata.a': expected a string, but got a number",
        ),
    ];
    for (body, message) in cases {
        assert_eq!(translated(body).unwrap_err(), message);
    }
}

#[test]
fn a_target_without_a_model_is_refused() {
    let error = Request::parse(Wire::Converse, Bytes::from_static(b"{}")).unwrap_err();
    assert_eq!(
        error,
        RequestError::Missing {
            param: "modelId".to_owned()
        }
    );
}

fn payload(json: &str) -> Payload {
    Payload::parse(Wire::Converse, Bytes::copy_from_slice(json.as_bytes())).unwrap()
}

#[test]
fn a_streams_events_are_read_for_guards() {
    let read: Vec<Payload> = STREAM.lines().map(payload).collect();
    let texts: Vec<(u32, Channel, &str)> = read
        .iter()
        .flat_map(Payload::texts)
        .map(|delta| (delta.choice, delta.channel, delta.text.as_str()))
        .collect();
    assert_eq!(
        texts,
        [
            (0, Channel::Reasoning, "They greet."),
            (1, Channel::Content, "Grüße, \""),
            (1, Channel::Content, "Welt\"\n😀"),
            (2, Channel::ToolArguments(2), "{\"city\":"),
            (2, Channel::ToolArguments(2), " \"Bern\"}"),
        ]
    );
    let closed: Vec<u32> = read.iter().flat_map(Payload::closed).copied().collect();
    assert_eq!(closed, [0, 1, 2]);
    let finished: Vec<_> = read.iter().flat_map(Payload::finished).collect();
    assert_eq!(finished, [&(0, FinishKind::ToolCalls)]);
    let usage = Usage {
        input: 112,
        output: 34,
        cached_input: 90,
        cache_write: 10,
        reasoning: 0,
    };
    assert_eq!(read.last().unwrap().usage(), Some(&usage));
    let droppable: Vec<usize> = (0..read.len())
        .filter(|at| read[*at].is_empty_delta())
        .collect();
    assert_eq!(droppable, [1, 4, 5, 8, 9]);
    // Nothing of a known event is hidden from a guard: no byte changes.
    for event in &read {
        assert_eq!(event.rewrite(&[], true), event.raw);
    }
}

#[test]
fn a_whole_answer_is_read_for_guards() {
    let json = r#"{"output":{"message":{"role":"assistant","content":[{"text":"a@b.ch"},{"toolUse":{"toolUseId":"t","name":"n","input":{"to": "a@b.ch"}}},{"citationsContent":{"content":[{"text":"x"}],"citations":[{"title":"t"}]}},{"reasoningContent":{"redactedContent":"Zm9v"}}]}},"stopReason":"guardrail_intervened","usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3},"metrics":{"latencyMs":5},"trace":{"guardrail":{"modelOutput":["a@b.ch"]}}}"#;
    let read = payload(json);
    assert!(read.has_tool_calls() && !read.is_empty_delta());
    assert_eq!(read.closed(), [0, 1, 2, 3]);
    assert_eq!(read.finished(), [(0, FinishKind::Refused)]);
    let masked = |text: &str| Some(text.replace("a@b.ch", "<M>"));
    let texts: Vec<_> = read.texts().iter().map(|t| masked(&t.text)).collect();
    let expected = json
        .replace(r#"{"guardrail":{"modelOutput":["a@b.ch"]}}"#, "null")
        .replace(r#"[{"title":"t"}]"#, "null")
        .replace("\"Zm9v\"", "null")
        .replace("a@b.ch", "<M>");
    assert_eq!(read.rewrite(&texts, true), expected);
    // Arguments that a guard has cut to pieces say nothing.
    let cut = [None, Some("{\"to\": \"a".to_owned()), None];
    let cut = read.rewrite(&cut, false);
    assert!(
        std::str::from_utf8(&cut)
            .unwrap()
            .contains(r#""input":{}}"#)
    );
}

#[test]
fn what_an_unknown_field_says_does_not_pass_a_guard() {
    for (event, dropped) in [
        (
            r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"a"},"p":"secret"}}"#,
            r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"a"},"p":null}}"#,
        ),
        (
            r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"new":"a"}}}"#,
            r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"new":null}}}"#,
        ),
        (r#"{"newEvent":{"text":"a"}}"#, r#"{"newEvent":null}"#),
    ] {
        assert_eq!(payload(event).rewrite(&[], true), dropped);
    }
}

#[test]
fn late_text_goes_out_in_deltas_of_its_own_block() {
    let mould = payload(STREAM.lines().last().unwrap());
    let late = [
        (1, Channel::Content, "a\"".to_owned()),
        (1, Channel::Content, "b".to_owned()),
        (0, Channel::Reasoning, "c".to_owned()),
        (2, Channel::ToolArguments(2), "}".to_owned()),
    ];
    let events = mould.synthesise(&late);
    assert_eq!(
        events,
        [
            r#"{"contentBlockDelta":{"delta":{"text":"a\"b"},"contentBlockIndex":1}}"#,
            r#"{"contentBlockDelta":{"delta":{"reasoningContent":{"text":"c"}},"contentBlockIndex":0}}"#,
            r#"{"contentBlockDelta":{"delta":{"toolUse":{"input":"}"}},"contentBlockIndex":2}}"#,
        ]
    );
    for event in events {
        let read = Payload::parse(Wire::Converse, event).unwrap();
        assert_eq!(read.texts().len(), 1);
        assert!(read.is_empty_delta());
    }
}

#[test]
fn a_stream_folds_and_unfolds() {
    let events: Vec<Bytes> = STREAM
        .lines()
        .map(|line| Bytes::from_static(line.as_bytes()))
        .collect();
    let context = AnswerContext::default();
    let whole = fold(Wire::Converse, &events, &context).unwrap();
    let again = unfold(Wire::Converse, &whole, &context).unwrap();
    assert_eq!(fold(Wire::Converse, &again, &context).unwrap(), whole);
    let first: &[u8] = &again[0];
    assert_eq!(first, br#"{"messageStart":{"role":"assistant"}}"#);
}

#[test]
fn a_stream_ends_with_its_body_and_not_before() {
    let context = AnswerContext::default();
    let mut translation = StreamTranslation::new(Wire::Converse, Wire::Converse, &context);
    let mut out = Vec::new();
    for line in STREAM.lines() {
        let event = Bytes::from_static(line.as_bytes());
        translation.push(None, &event, &mut out).unwrap();
    }
    assert!(!translation.has_ended());
    translation.end_of_body(&mut out);
    assert!(translation.has_ended());
    let last = Payload::parse(Wire::Converse, out.pop().unwrap()).unwrap();
    assert_eq!(last.usage().unwrap().input, 112);

    let mut cut = StreamTranslation::new(Wire::Converse, Wire::Converse, &context);
    let event = Bytes::from_static(STREAM.lines().nth(4).unwrap().as_bytes());
    cut.push(None, &event, &mut out).unwrap();
    cut.end_of_body(&mut out);
    assert!(!cut.has_ended());
}

#[test]
fn errors_have_awss_shape() {
    let error = ErrorParts {
        status: 429,
        message: "slow \"down\"",
        kind: "",
        param: None,
        code: None,
        sequence: 0,
    };
    assert_eq!(
        error_body(Wire::Converse, &error),
        r#"{"message":"slow \"down\""}"#
    );
    assert_eq!(
        error_header(Wire::Converse, 429),
        Some(("x-amzn-errortype", "ThrottlingException"))
    );
    let event = error_event(Wire::Converse, &error);
    assert_eq!(
        event,
        r#"{"throttlingException":{"message":"slow \"down\""}}"#
    );
    let mut out = BytesMut::new();
    encode_event(&event, &mut out).unwrap();
    let read = Payload::parse(Wire::Converse, event).unwrap();
    assert_eq!(read.error().unwrap().message, "slow \"down\"");
    let types = [400, 401, 403, 404, 408, 413, 418, 424, 429, 500, 502, 503];
    let types = types.map(|status| error_header(Wire::Converse, status).unwrap().1);
    assert_eq!(
        types,
        [
            "ValidationException",
            "AccessDeniedException",
            "AccessDeniedException",
            "ResourceNotFoundException",
            "ModelTimeoutException",
            "ValidationException",
            "ValidationException",
            "ModelErrorException",
            "ThrottlingException",
            "InternalServerException",
            "InternalServerException",
            "ServiceUnavailableException",
        ]
    );
}

#[test]
fn an_upstreams_refusal_is_read() {
    let read =
        |body: &'static str| read_error(Wire::Converse, &Bytes::from_static(body.as_bytes()));
    let error =
        read(r#"{"__type":"com.amazon.coral.service#ThrottlingException","message":"wait"}"#);
    let error = error.unwrap();
    assert_eq!(error.message, "wait");
    assert_eq!(error.code.as_deref(), Some("ThrottlingException"));
    assert_eq!(error.kind.as_deref(), Some("rate_limit_error"));
    assert_eq!(read(r#"{"Message":"no"}"#).unwrap().message, "no");
    assert_eq!(read("<html>"), None);
    assert_eq!(read("{}"), None);
}

proptest! {
    #[test]
    fn any_split_of_the_frames_gives_the_same_answer(cuts in prop::collection::vec(0..FRAMES.len(), 0..9)) {
        let mut cuts = cuts;
        cuts.extend([0, FRAMES.len()]);
        cuts.sort_unstable();
        let mut decoder = EventStreamDecoder::new(1 << 16);
        let mut events = Vec::new();
        for cut in cuts.windows(2) {
            decoder.push(Bytes::copy_from_slice(&FRAMES[cut[0]..cut[1]]));
            events.extend(decoder.by_ref().map(|frame| union_json(&frame.unwrap())));
        }
        let lines: Vec<Bytes> = STREAM.lines().map(|l| Bytes::from_static(l.as_bytes())).collect();
        let context = AnswerContext::default();
        prop_assert_eq!(
            fold(Wire::Converse, &events, &context).unwrap(),
            fold(Wire::Converse, &lines, &context).unwrap()
        );
    }

    #[test]
    fn any_text_is_edited_where_it_stands(text in "\\PC{1,20}", escape in any::<bool>()) {
        let written = match escape {
            true => format!("\"{}\"", text.encode_utf16().map(|u| format!("\\u{u:04x}")).collect::<String>()),
            false => forebay_dialect::json_string(&text),
        };
        let with = |value: &str| format!(r#"{{"messages":[{{"role":"user","content":[{{"toolUse":{{"toolUseId":"t","name":"n","input":{{"a":{value}}}}}}}]}}]}}"#);
        let mut request = parse(&with(&written));
        let inside = forebay_dialect::json_string(&text).len() as u32 - 2;
        let edit = TextEdit { message: 0, part: 0, range: 6..6 + inside, text: "X".to_owned() };
        request.edit(&[edit]).unwrap();
        prop_assert_eq!(&request.body, &with("\"X\""));
    }
}
