//! Google's generateContent: what policies see, what edits change, what payloads say.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::{Bytes, BytesMut};
use forebay_dialect::canonical::{Channel, FinishKind, Part, Usage};
use forebay_dialect::error::{ErrorParts, error_body, read_error};
use forebay_dialect::exchange::WriteOptions;
use forebay_dialect::sse::{Decoder, encode};
use forebay_dialect::{
    AnswerContext, BodyChange, Payload, Request, RequestError, StreamTranslation, Target, TextEdit,
    Wire, fold, translate_answer, translate_request, unfold,
};
use proptest::prelude::*;

fn target() -> Target {
    Target {
        wire: Wire::Gemini,
        model: Some("gemini-3-pro".to_owned()),
        stream: Some(false),
    }
}

fn request(body: &str) -> Request {
    Request::parse(target(), Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn refused(body: &str) -> RequestError {
    let read = Request::parse(target(), Bytes::copy_from_slice(body.as_bytes()));
    match read {
        Err(error) => error,
        Ok(request) => {
            let options = WriteOptions::default();
            match translate_request(&request, Wire::Gemini, &options).unwrap_err() {
                forebay_dialect::TranslateError::Request(error) => error,
                other => panic!("{other}"),
            }
        }
    }
}

fn payload(raw: &str) -> Payload {
    Payload::parse(Wire::Gemini, Bytes::copy_from_slice(raw.as_bytes())).unwrap()
}

fn texts(payload: &Payload) -> Vec<(u32, Channel, &str)> {
    let texts = payload.texts().iter();
    texts
        .map(|delta| (delta.choice, delta.channel, delta.text.as_str()))
        .collect()
}

const CONVERSATION: &str = r#"{
  "systemInstruction": {"parts": [{"text": "Be \"brief\"."}]},
  "contents": [
    {"role": "user", "parts": [{"text": "Weather?"}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}}]},
    {"role": "model", "parts": [{"thought": true, "text": "Hm."},
      {"functionCall": {"name": "weather", "args": {"city": "Z\u00fcrich", "at": "now"}}, "thoughtSignature": "c2ln"}]},
    {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"output": "sun, ask bob@example.com"}}}]}
  ],
  "tools": [{"functionDeclarations": [{"name": "weather", "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}}]}],
  "generationConfig": {"temperature": 0.5, "maxOutputTokens": "100", "candidateCount": 2, "seed": 7, "responseLogprobs": true},
  "safetySettings": []
}"#;

#[test]
fn policies_see_texts_calls_and_everything_else() {
    let request = request(CONVERSATION);
    let prompt = &request.prompt;
    let roles: Vec<_> = prompt.messages.iter().map(|m| m.role.as_str()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool"]);
    assert_eq!(
        prompt.messages[0].parts,
        [Part::Text("Be \"brief\".".into())]
    );
    let Part::Opaque(image) = &prompt.messages[1].parts[1] else {
        panic!("an image is no text")
    };
    assert_eq!(image.kind, "inlineData");
    assert_eq!(prompt.messages[2].parts[0], Part::Text("Hm.".into()));
    let Part::ToolCall(call) = &prompt.messages[2].parts[1] else {
        panic!("a call is a call")
    };
    assert_eq!((&*call.id, &*call.name), ("", "weather"));
    assert_eq!(call.arguments, r#"{"at":"now","city":"Zürich"}"#);
    let form = &prompt.messages[2].extra[0];
    assert_eq!(
        form.value,
        r#"[{"thought":true},{"functionCall":{},"thoughtSignature":"c2ln"}]"#
    );
    let names: Vec<_> = prompt
        .extra
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["generationConfig", "safetySettings", "systemInstruction"]
    );
    assert_eq!(prompt.tools.len(), 1);
    assert_eq!(
        (prompt.sampling.n, prompt.sampling.max_tokens),
        (Some(2), Some(100))
    );
    assert_eq!(prompt.sampling.seed, Some(7));
    let needs = request.needs();
    assert!(needs.tools && needs.vision && needs.logprobs && needs.multiple_choices);
    assert!(!needs.streaming && !needs.json_schema);
}

#[test]
fn what_nobody_changed_goes_on_byte_for_byte() {
    let change = BodyChange {
        model: Some("other"),
        stream: Some(true),
        include_usage: true,
        ..BodyChange::default()
    };
    assert_eq!(request(CONVERSATION).upstream_body(&change), CONVERSATION);
}

#[test]
fn edits_change_their_own_bytes_and_no_other() {
    let places = [
        (0, 0, "brief", "\\\"brief\\\"", "\\\"terse\\\"", "terse"),
        (2, 1, "now", "\"now\"", "\"n\\\"w\"", "n\"w"),
        (
            3,
            0,
            "bob@example.com",
            "bob@example.com",
            "<mail>",
            "<mail>",
        ),
    ];
    for (message, part, found, raw, edited, with) in places {
        let mut request = request(CONVERSATION);
        let text = match &request.prompt.messages[message].parts[part] {
            Part::Text(text) => text.clone(),
            Part::ToolCall(call) => call.arguments.to_string(),
            Part::Opaque(part) => part.json.clone(),
        };
        let start = text.find(found).unwrap() as u32;
        let edit = TextEdit {
            message: message as u32,
            part: part as u32,
            range: start..start + found.len() as u32,
            text: with.to_owned(),
        };
        request.edit(&[edit]).unwrap();
        assert_eq!(request.body, CONVERSATION.replacen(raw, edited, 1));
    }
}

#[test]
fn both_spellings_and_lists_without_brackets_mean_the_same() {
    let camel = request(
        r#"{"systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"role":"user","parts":[{"text":"Hi"},
        {"fileData":{"mimeType":"image/png","fileUri":"gs://b/x"}}]}],"generationConfig":{"maxOutputTokens":5}}"#,
    );
    let snake = request(
        r#"{"system_instruction":{"parts":{"text":"s"}},"contents":{"role":"user","parts":[{"text":"Hi"},
        {"file_data":{"mime_type":"image/png","file_uri":"gs://b/x"}}]},"generation_config":{"max_output_tokens":"5"}}"#,
    );
    assert_eq!(camel.needs(), snake.needs());
    assert_eq!(camel.prompt.sampling, snake.prompt.sampling);
    let options = WriteOptions::default();
    let translated = |request| translate_request(request, Wire::Gemini, &options).unwrap();
    assert_eq!(translated(&camel), translated(&snake));
}

#[test]
fn requests_that_differ_in_anything_have_different_prompts() {
    let bodies = [
        r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}]}"#,
        r#"{"contents":{"role":"user","parts":[{"text":"a"}]}}"#,
        r#"{"contents":[{"role":"user","parts":{"text":"a"}}]}"#,
        r#"{"contents":[{"parts":[{"text":"a"}]}]}"#,
        r#"{"contents":[{"role":"model","parts":[{"text":"a"}]}]}"#,
        r#"{"contents":[{"role":"assistant","parts":[{"text":"a"}]}]}"#,
        r#"{"contents":[{"role":"system","parts":[{"text":"a"}]}]}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"}],"x":1}]}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a","thought":true}]}]}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a","thoughtSignature":"c2ln"}]}]}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":""},{"text":"a"}]}]}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"},{"text":""}]}]}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"},{"functionCall":{"name":"f"}}]}]}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"},{"functionCall":{"name":"f","args":{}}}]}]}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"},{"functionCall":{"name":"f","args":null}}]}]}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"},{"functionCall":{"name":"f","id":"1"}}]}]}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"},{"functionCall":{"name":"f","id":""}}]}]}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a","functionCall":{"name":"f"}}]}]}"#,
        r#"{"contents":[{"role":"user","parts":[]},{"role":"user","parts":[{"text":"a"}]}]}"#,
        r#"{"contents":[{"role":"user"},{"role":"user","parts":[{"text":"a"}]}]}"#,
        r#"{"contents":[{"role":"user","parts":null},{"role":"user","parts":[{"text":"a"}]}]}"#,
        r#"{"systemInstruction":{"parts":[{"text":"a"}]},"contents":[{"role":"user","parts":[]}]}"#,
        r#"{"systemInstruction":{"role":"system","parts":[{"text":"a"}]},"contents":[{"role":"user","parts":[]}]}"#,
        r#"{"contents":[{"role":"system","parts":[{"text":"a"}]},{"role":"user","parts":[]}]}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}],"tools":[]}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}],"tools":null}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}],"tools":[{"googleSearch":{}}]}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}],"tools":{"googleSearch":{}}}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}],"generationConfig":{}}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}],"generationConfig":{"topK":4}}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}],"toolConfig":{}}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}],"cachedContent":"c/1"}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}],"model":"models/x"}"#,
        r#"{"contents":[{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"a"}}}]}]}"#,
        r#"{"contents":[{"role":"function","parts":[{"functionResponse":{"name":"f","response":{"output":"a"}}}]}]}"#,
    ];
    let prompts: Vec<_> = bodies.iter().map(|body| request(body).prompt).collect();
    for (at, prompt) in prompts.iter().enumerate() {
        for (other, later) in prompts.iter().enumerate().skip(at + 1) {
            assert_ne!(prompt, later, "{} and {}", bodies[at], bodies[other]);
        }
    }
}

#[test]
fn each_bad_input_is_named() {
    let contents = |rest: &str| format!(r#"{{"contents":[{{"parts":[{{"text":"Hi"}}]}}]{rest}}}"#);
    let parts = |part: &str| format!(r#"{{"contents":[{{"role":"user","parts":[{part}]}}]}}"#);
    let cases = [
        ("{}".to_owned(), "contents"),
        (r#"{"contents":[]}"#.to_owned(), "contents"),
        (r#"{"contents":"Hi"}"#.to_owned(), "contents"),
        (r#"{"contents":["Hi"]}"#.to_owned(), "contents[0]"),
        (
            r#"{"contents":[{"role":1,"parts":[]}]}"#.to_owned(),
            "contents[0].role",
        ),
        (
            r#"{"contents":[{"role":"robot","parts":[]}]}"#.to_owned(),
            "contents[0].role",
        ),
        (parts("7"), "contents[0].parts[0]"),
        (parts("{}"), "contents[0].parts[0]"),
        (parts(r#"{"text":7}"#), "contents[0].parts[0].text"),
        (
            parts(r#"{"inlineData":{"mimeType":"image/png"}}"#),
            "contents[0].parts[0].inlineData.data",
        ),
        (
            parts(r#"{"fileData":{}}"#),
            "contents[0].parts[0].fileData.fileUri",
        ),
        (
            parts(r#"{"functionCall":{"args":{}}}"#),
            "contents[0].parts[0].functionCall.name",
        ),
        (
            parts(r#"{"functionCall":{"name":"f","args":"{}"}}"#),
            "contents[0].parts[0].functionCall.args",
        ),
        (
            parts(r#"{"functionResponse":{"name":"f","response":{}}}"#),
            "contents[0].parts[0].functionResponse",
        ),
        (
            parts(r#"{"inlineData":{},"inline_data":{}}"#),
            "contents[0].parts[0].inlineData",
        ),
        (
            contents(r#","systemInstruction":"Be brief""#),
            "systemInstruction",
        ),
        (
            contents(r#","toolConfig":{},"tool_config":{}"#),
            "toolConfig",
        ),
        (
            contents(r#","tools":[{"functionDeclarations":[{"description":"?"}]}]"#),
            "tools[0].functionDeclarations[0].name",
        ),
        (contents(r#","tools":["f"]"#), "tools[0]"),
        (
            contents(r#","toolConfig":{"functionCallingConfig":{"mode":"SOME"}}"#),
            "toolConfig.functionCallingConfig.mode",
        ),
        (contents(r#","generationConfig":[]"#), "generationConfig"),
        (
            contents(r#","generationConfig":{"temperature":"warm"}"#),
            "generationConfig.temperature",
        ),
        (
            contents(r#","generationConfig":{"topP":1e999}"#),
            "generationConfig.topP",
        ),
        (
            contents(r#","generationConfig":{"candidateCount":0}"#),
            "generationConfig.candidateCount",
        ),
        (
            contents(r#","generationConfig":{"seed":3000000000}"#),
            "generationConfig.seed",
        ),
        (
            contents(r#","generationConfig":{"stopSequences":["a",1]}"#),
            "generationConfig.stopSequences[1]",
        ),
        (
            contents(r#","generationConfig":{"thinkingConfig":{"thinkingBudget":-2}}"#),
            "generationConfig.thinkingConfig.thinkingBudget",
        ),
        (
            contents(r#","generationConfig":{"thinkingConfig":{"thinkingLevel":"WILD"}}"#),
            "generationConfig.thinkingConfig.thinkingLevel",
        ),
        (
            contents(r#","generationConfig":{"responseSchema":{},"responseJsonSchema":{}}"#),
            "generationConfig.responseJsonSchema",
        ),
        (contents(r#","labels":{"team":1}"#), "labels.team"),
    ];
    for (body, param) in cases {
        assert_eq!(refused(&body).param(), Some(param), "{body}");
    }
    let without = Target::new(Wire::Gemini);
    let error = Request::parse(without, contents("").into()).unwrap_err();
    assert_eq!(error.param(), Some("model"));
}

const SIGNED: &str = r#"{"candidates":[{"content":{"parts":[{"text":"Let me see.","thought":true},{"text":"Two "},
  {"functionCall":{"id":"a1","name":"add","args":{"a": 1, "b": "\u00fc"}},"thoughtSignature":"c2ln"},
  {"functionCall":{"name":"sub","args":{}}}],"role":"model"},"finishReason":"STOP","index":0,"safetyRatings":[{"category":"HARM","probability":"LOW"}]}],
  "usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":7,"toolUsePromptTokenCount":2,"totalTokenCount":24},
  "modelVersion":"gemini-3-pro","responseId":"r1"}"#;

#[test]
fn a_payload_tells_texts_calls_tokens_and_the_end() {
    let payload = payload(SIGNED);
    let whole = 1 << 31;
    let expected = [
        (0, Channel::Reasoning, "Let me see."),
        (0, Channel::Content, "Two "),
        (
            whole,
            Channel::ToolArguments(0),
            r#"{"a": 1, "b": "\u00fc"}"#,
        ),
        (whole + 1, Channel::ToolArguments(1), "{}"),
    ];
    assert_eq!(texts(&payload), expected);
    assert_eq!(payload.closed(), [whole, whole + 1, 0]);
    assert_eq!(payload.finished(), [(0, FinishKind::ToolCalls)]);
    let usage = Usage {
        input: 12,
        output: 12,
        cached_input: 4,
        cache_write: 0,
        reasoning: 7,
    };
    assert_eq!(payload.usage(), Some(&usage));
    assert_eq!(
        (payload.model(), payload.id()),
        (Some("gemini-3-pro"), Some("r1"))
    );
    assert!(payload.has_tool_calls() && !payload.is_terminal() && !payload.is_empty_delta());
    let texts = ["*", "Three ", r#"{"a": 2}"#, "no json"].map(|text| Some(text.to_owned()));
    let rewritten = SIGNED
        .replace("Let me see.", "*")
        .replace("Two ", "Three ")
        .replace(r#"{"a": 1, "b": "\u00fc"}"#, r#"{"a": 2}"#);
    assert_eq!(payload.rewrite(&texts, true), rewritten);
}

#[test]
fn what_no_list_names_is_dropped_where_a_guard_reads() {
    let raw = r#"{"candidates":[{"content":{"parts":[{"text":"a","newField":"x"},{"inlineData":{"mimeType":"image/png","data":"aGk="}},{"executableCode":{"code":"print(1)","language":"PYTHON"}}]},"index":1,"logprobsResult":{"chosenCandidates":[]},"groundingMetadata":{"webSearchQueries":["q"]},"finishMessage":"said"}],"surprise":[1]}"#;
    let payload = payload(raw);
    let code = (1 << 31, Channel::Content, "print(1)");
    assert_eq!(texts(&payload), [(1, Channel::Content, "a"), code]);
    let dropped = raw
        .replace("\"x\"", "null")
        .replace(r#"{"mimeType":"image/png","data":"aGk="}"#, "null")
        .replace(r#"{"chosenCandidates":[]}"#, "null")
        .replace(r#"{"webSearchQueries":["q"]}"#, "null")
        .replace("\"said\"", "null")
        .replace("[1]", "null");
    assert_eq!(payload.rewrite(&[], true), dropped);
    assert_eq!(payload.rewrite(&[], false), raw);
}

#[test]
fn text_that_was_held_goes_out_in_an_event_of_its_own() {
    let late = [
        (0, Channel::Content, "a".to_owned()),
        (1, Channel::Reasoning, "t".to_owned()),
        (0, Channel::Content, "b".to_owned()),
    ];
    let made = payload(SIGNED).synthesise(&late);
    assert_eq!(
        made,
        [
            r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"ab"}]},"index":0},{"content":{"role":"model","parts":[{"thought":true,"text":"t"}]},"index":1}],"modelVersion":"gemini-3-pro","responseId":"r1"}"#
        ]
    );
    let said = payload(std::str::from_utf8(&made[0]).unwrap());
    assert_eq!(
        texts(&said),
        [(0, Channel::Content, "ab"), (1, Channel::Reasoning, "t")]
    );
}

#[test]
fn a_prompt_that_google_blocks_is_a_refusal() {
    let raw = r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":8,"totalTokenCount":8}}"#;
    let blocked = payload(raw);
    assert_eq!(blocked.finished(), [(0, FinishKind::Refused)]);
    let context = AnswerContext::default();
    let body = translate_answer(Wire::Gemini, Wire::Gemini, &raw.into(), &context).unwrap();
    let again = Payload::parse(Wire::Gemini, body).unwrap();
    assert_eq!(again.finished(), [(0, FinishKind::Refused)]);
}

#[test]
fn an_event_that_counts_nothing_has_no_usage() {
    let raw = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"trafficType":"ON_DEMAND"}}"#;
    assert_eq!(payload(raw).usage(), None);
}

#[test]
fn reasons_to_finish_are_told_apart() {
    let cases = [
        ("STOP", FinishKind::Stop),
        ("MAX_TOKENS", FinishKind::Length),
        ("SAFETY", FinishKind::Refused),
        ("RECITATION", FinishKind::Refused),
        ("PROHIBITED_CONTENT", FinishKind::Refused),
        (
            "MALFORMED_FUNCTION_CALL",
            FinishKind::Other("MALFORMED_FUNCTION_CALL".to_owned()),
        ),
    ];
    for (reason, kind) in cases {
        let payload = payload(&format!(
            r#"{{"candidates":[{{"finishReason":"{reason}"}}]}}"#
        ));
        assert_eq!(payload.finished(), [(0, kind)]);
    }
}

#[test]
fn errors_are_read_as_they_are_written() {
    let error = ErrorParts {
        status: 429,
        message: "slow \"down\"",
        kind: "",
        param: Some("contents[0]"),
        code: Some("rate_limit_exceeded"),
        sequence: 0,
    };
    let body = error_body(Wire::Gemini, &error);
    let read = read_error(Wire::Gemini, &body).unwrap();
    assert_eq!(read.message, "slow \"down\"");
    assert_eq!(read.kind.as_deref(), Some("RESOURCE_EXHAUSTED"));
    assert_eq!(read.code.as_deref(), Some("429"));
    assert_eq!(read.param.as_deref(), Some("contents[0]"));
    let in_list = format!("[{}]", std::str::from_utf8(&body).unwrap());
    assert_eq!(read_error(Wire::Gemini, &in_list.into()), Some(read));
    let parsed = Payload::parse(Wire::Gemini, body).unwrap();
    assert_eq!(parsed.error().unwrap().message, "slow \"down\"");
    assert_eq!(read_error(Wire::Gemini, &"<html>".into()), None);
}

#[test]
fn tokens_are_counted_in_googles_words() {
    assert_eq!(
        forebay_dialect::gemini_count_tokens_body(31),
        r#"{"totalTokens":31}"#
    );
}

/// A stream as the third generation sends it: thoughts, text, a call with its proof, an event
/// of a kind that nobody knows, and the end with a proof in an empty text.
const STREAM: [&str; 6] = [
    r#"{"candidates":[{"content":{"parts":[{"text":"Hm, ","thought":true}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9},"modelVersion":"gemini-3-pro","responseId":"r1"}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"so.","thought":true}],"role":"model"},"index":0}],"modelVersion":"gemini-3-pro","responseId":"r1"}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"I look "}],"role":"model"}}],"modelVersion":"gemini-3-pro","responseId":"r1"}"#,
    r#"{"somethingNew":{"at":1},"responseId":"r1"}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"it up."},{"functionCall":{"name":"find","args":{"q":"x"}},"thoughtSignature":"c2ln"}],"role":"model"},"index":0}],"responseId":"r1"}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"ZW5k"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":6,"thoughtsTokenCount":3,"totalTokenCount":18},"responseId":"r1"}"#,
];

fn events() -> Vec<Bytes> {
    STREAM.map(static_bytes).to_vec()
}

fn static_bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn translated(events: &[Bytes]) -> (Vec<Bytes>, bool) {
    let mut stream = StreamTranslation::new(Wire::Gemini, Wire::Gemini, &AnswerContext::default());
    let mut out = Vec::new();
    for event in events {
        stream.push(None, event, &mut out).unwrap();
    }
    stream.end_of_body(&mut out);
    (out, stream.has_ended())
}

#[test]
fn a_stream_says_what_the_whole_answer_says() {
    let (out, ended) = translated(&events());
    assert!(ended);
    let context = AnswerContext::default();
    let whole = fold(Wire::Gemini, &out, &context).unwrap();
    let direct = fold(Wire::Gemini, &events(), &context).unwrap();
    let direct = translate_answer(Wire::Gemini, Wire::Gemini, &direct, &context).unwrap();
    let read = |body: &Bytes| {
        let payload = Payload::parse(Wire::Gemini, body.clone()).unwrap();
        let said: Vec<_> = payload
            .texts()
            .iter()
            .map(|text| text.text.clone())
            .collect();
        (said, payload.finished().to_vec(), payload.usage().copied())
    };
    assert_eq!(read(&whole), read(&direct));
    assert_eq!(
        read(&whole).0[..3],
        ["Hm, so.", "I look it up.", "{\"q\":\"x\"}"]
    );
    assert_eq!(read(&whole).1, [(0, FinishKind::ToolCalls)]);
    let id = "\"id\":\"call_r1_0\"";
    assert!(std::str::from_utf8(&whole).unwrap().contains(id));
}

#[test]
fn folding_leaves_nothing_out() {
    let events = [
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"logprobsResult":{"chosenCandidates":[{"token":"a"}]}}],"modelVersion":"m"}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"b"},{"inlineData":{"mimeType":"image/png","data":"aGk="}}]},"logprobsResult":{"chosenCandidates":[{"token":"b"}]}},{"index":1,"finishReason":"OTHER"}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"ZW5k"}]},"finishReason":"STOP","groundingMetadata":{"webSearchQueries":["q"]}}],"usageMetadata":{"promptTokenCount":1}}"#,
    ];
    let events = events.map(static_bytes);
    let folded = fold(Wire::Gemini, &events, &AnswerContext::default()).unwrap();
    assert_eq!(
        folded,
        r#"{"candidates":[{"index":0,"content":{"parts":[{"text":"ab"},{"inlineData":{"mimeType":"image/png","data":"aGk="}},{"text":"","thoughtSignature":"ZW5k"}],"role":"model"},"logprobsResult":{"chosenCandidates":[{"token":"a"},{"token":"b"}]},"finishReason":"STOP","groundingMetadata":{"webSearchQueries":["q"]}},{"index":1,"finishReason":"OTHER","content":{"role":"model","parts":[]}}],"modelVersion":"m","usageMetadata":{"promptTokenCount":1}}"#
    );
    let unfolded = unfold(Wire::Gemini, &folded, &AnswerContext::default()).unwrap();
    assert_eq!(unfolded, [folded]);
}

#[test]
fn a_stream_that_breaks_off_has_not_ended() {
    let (_, ended) = translated(&events()[..5]);
    assert!(!ended);
    let error =
        Bytes::from_static(br#"{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}"#);
    let (out, ended) = translated(&[events()[0].clone(), error]);
    assert!(!ended);
    let last = Payload::parse(Wire::Gemini, out.last().unwrap().clone()).unwrap();
    let told = last.error().unwrap();
    assert_eq!(
        (told.message.as_str(), told.kind.as_deref()),
        ("busy", Some("UNAVAILABLE"))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_split_of_the_bytes_gives_the_same_events(cuts in prop::collection::vec(0_usize..2400, 0..12)) {
        let mut bytes = BytesMut::new();
        STREAM.iter().for_each(|event| encode(event.as_bytes(), None, &mut bytes));
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut decoder = Decoder::new(4096);
        let mut stream = StreamTranslation::new(Wire::Gemini, Wire::Gemini, &AnswerContext::default());
        let mut out = Vec::new();
        for pair in cuts.windows(2) {
            decoder.push(Bytes::copy_from_slice(&bytes[pair[0]..pair[1]]));
            for event in &mut decoder {
                let event = event.unwrap();
                stream.push(event.event.as_deref(), &event.data, &mut out).unwrap();
            }
        }
        stream.end_of_body(&mut out);
        prop_assert_eq!(out, translated(&events()).0);
    }
}
