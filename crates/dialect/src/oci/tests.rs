//! What Oracle's dialect promises.

use proptest::prelude::*;

use super::answer::{read_answer, read_error};
use super::stream::StreamReader;
use super::write::write_request;
use crate::canonical::Usage;
use crate::cohere::tests::shared::*;
use crate::exchange::{
    ChatAnswer, ChatRequest, Content, Effort, Finish, Lost, OutputFormat, Part, Profile, Reasoning,
    Role, Source, StreamEvent, ToolChoice, WriteOptions,
};
use crate::json::Document;

fn options(model: &str, profile: Profile) -> WriteOptions {
    WriteOptions {
        model: model.to_owned(),
        profile,
        set: vec![("compartmentId".into(), r#""ocid1.c""#.into())],
        ..WriteOptions::default()
    }
}

fn written(request: &ChatRequest<'_>, options: &WriteOptions) -> (String, Vec<Lost>) {
    let written = write_request(request, options).unwrap();
    (
        String::from_utf8(written.body.to_vec()).unwrap(),
        written.lost,
    )
}

fn params(lost: &[Lost]) -> Vec<&str> {
    lost.iter().map(|lost| lost.param.as_str()).collect()
}

#[test]
fn the_common_form_tells_an_agents_turn() {
    let mut options = options("meta.llama-3.3-70b-instruct", Profile::Standard);
    options.stream = true;
    options.include_usage = true;
    let (body, lost) = written(&agent(), &options);
    assert_eq!(
        body,
        concat!(
            r#"{"servingMode":{"servingType":"ON_DEMAND","modelId":"meta.llama-3.3-70b-instruct"},"#,
            r#""chatRequest":{"apiFormat":"GENERIC","messages":["#,
            r#"{"role":"SYSTEM","content":[{"type":"TEXT","text":"Be brief."}]},"#,
            r#"{"role":"USER","content":[{"type":"TEXT","text":"Weather in \"Oslo\"?"}]},"#,
            r#"{"role":"ASSISTANT","reasoningContent":"I look.","toolCalls":[{"type":"FUNCTION","id":"c1","name":"weather","arguments":"{\"city\":\"Oslo\"}"}]},"#,
            r#"{"role":"TOOL","toolCallId":"c1","content":[{"type":"TEXT","text":"rain"}]}],"#,
            r#""tools":[{"type":"FUNCTION","name":"weather","description":"it helps","#,
            r#""parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}],"#,
            r#""isStream":true,"streamOptions":{"isIncludeUsage":true}},"compartmentId":"ocid1.c"}"#,
        )
    );
    assert_eq!(lost, []);
}

#[test]
fn the_common_form_has_oracles_names() {
    let mut image = media(Source::Url("https://x/a.png".into()), "image/png");
    image.detail = Some("high".into());
    let file = media(Source::Base64("QUJD".into()), "application/pdf");
    let mut request = ChatRequest {
        messages: vec![message(
            Role::User,
            vec![
                Part::new(Content::Image(image)),
                Part::new(Content::File(file)),
            ],
        )],
        tool_choice: Some(ToolChoice::Tool("f".into())),
        parallel_tool_calls: Some(false),
        output: Some(OutputFormat::JsonSchema {
            name: "n".into(),
            description: None,
            schema: "{}".into(),
            strict: Some(true),
        }),
        reasoning: Some(Reasoning {
            effort: Some(Effort::Low),
            ..Reasoning::default()
        }),
        metadata: vec![("a\"".into(), "b".into())],
        service_tier: Some("priority".into()),
        ..ChatRequest::default()
    };
    request.sampling.max_tokens = Some(5);
    request.sampling.top_k = Some(3);
    request.sampling.n = Some(2);
    request.sampling.logprobs = true;
    request.sampling.top_logprobs = Some(4);
    let (body, lost) = written(&request, &options("openai.gpt-5", Profile::Standard));
    let read: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!({
        "apiFormat": "GENERIC",
        "messages": [{"role": "USER", "content": [
            {"type": "IMAGE", "imageUrl": {"url": "data:image/png;uri,https://x/a.png", "detail": "HIGH"}},
            {"type": "DOCUMENT", "documentUrl": {"url": "data:application/pdf;base64,QUJD"}},
        ]}],
        "toolChoice": {"type": "FUNCTION", "name": "f"},
        "isParallelToolCalls": false,
        "responseFormat": {"type": "JSON_SCHEMA", "jsonSchema": {"name": "n", "schema": {}, "isStrict": true}},
        "maxCompletionTokens": 5,
        "topK": 3,
        "numGenerations": 2,
        "logProbs": 4,
        "reasoningEffort": "LOW",
        "metadata": {"a\"": "b"},
        "serviceTier": "PRIORITY",
        "isStream": false,
    });
    assert_eq!(read["chatRequest"], expected);
    assert_eq!(lost, []);
}

#[test]
fn an_endpoint_of_ones_own_is_named_as_such() {
    let endpoint = "ocid1.generativeaiendpoint.oc1.x";
    let (body, _) = written(&agent(), &options(endpoint, Profile::Standard));
    let mode = r#"{"servingMode":{"servingType":"DEDICATED","endpointId":"ocid1.generativeaiendpoint.oc1.x"},"#;
    assert!(body.starts_with(mode), "{body}");
}

#[test]
fn coheres_first_form_has_preamble_history_and_results() {
    let mut request = agent();
    request.messages[2].parts.remove(0);
    let options = options("cohere.command-r-plus-08-2024", Profile::OciCohere);
    let (body, lost) = written(&request, &options);
    let read: serde_json::Value = serde_json::from_str(&body).unwrap();
    let call = serde_json::json!({"name": "weather", "parameters": {"city": "Oslo"}});
    let mut expected = serde_json::json!({
        "apiFormat": "COHERE",
        "preambleOverride": "Be brief.",
        "chatHistory": [
            {"role": "USER", "message": "Weather in \"Oslo\"?"},
            {"role": "CHATBOT", "message": " ", "toolCalls": [call]},
        ],
        "toolResults": [{"call": call, "outputs": [{"output": "rain"}]}],
        "message": "",
        "tools": [{"name": "weather", "description": "it helps", "parameterDefinitions": {
            "city": {"type": "str", "isRequired": true},
        }}],
        "isStream": false,
    });
    assert_eq!(read["chatRequest"], expected);
    assert_eq!(lost, []);

    request
        .messages
        .push(message(Role::User, vec![Part::text("And now?")]));
    let (body, _) = written(&request, &options);
    let read: serde_json::Value = serde_json::from_str(&body).unwrap();
    let results = expected
        .as_object_mut()
        .unwrap()
        .remove("toolResults")
        .unwrap();
    let told = serde_json::json!({"role": "TOOL", "toolResults": results});
    expected["chatHistory"].as_array_mut().unwrap().push(told);
    expected["message"] = "And now?".into();
    assert_eq!(read["chatRequest"], expected);
}

#[test]
fn coheres_first_form_lists_what_it_cant_say() {
    let mut request = agent();
    request.tools[0].parameters =
        Some(r#"{"type":"object","properties":{"a":{"type":"string","enum":["x"]}}}"#.into());
    request.tool_choice = Some(ToolChoice::Required);
    let options = options("cohere.command-r-08-2024", Profile::OciCohere);
    let (_, lost) = written(&request, &options);
    let expected = [
        "messages[2].content[0].reasoning",
        "tools[0].parameters",
        "tool_choice",
    ];
    assert_eq!(params(&lost), expected);
    request
        .messages
        .push(message(Role::Assistant, vec![Part::text("It")]));
    let refused = write_request(&request, &options).unwrap_err();
    assert_eq!(refused.param, "messages");
}

#[test]
fn coheres_second_form_is_its_chat_in_oracles_words() {
    let mut request = agent();
    request.tool_choice = Some(ToolChoice::Required);
    let options = options("cohere.command-a-reasoning", Profile::OciCohere);
    let (body, lost) = written(&request, &options);
    let read: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!({
        "apiFormat": "COHEREV2",
        "messages": [
            {"role": "SYSTEM", "content": [{"type": "TEXT", "text": "Be brief."}]},
            {"role": "USER", "content": [{"type": "TEXT", "text": "Weather in \"Oslo\"?"}]},
            {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": " "}], "toolPlan": "I look.",
             "toolCalls": [{"id": "c1", "type": "FUNCTION",
                            "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}}]},
            {"role": "TOOL", "toolCallId": "c1", "content": [{"type": "TEXT", "text": "rain"}]},
        ],
        "tools": [{"type": "FUNCTION", "function": {"name": "weather", "description": "it helps",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}],
        "toolsChoice": "REQUIRED",
        "isStream": false,
    });
    assert_eq!(read["chatRequest"], expected);
    assert_eq!(lost, []);
}

#[test]
fn results_without_a_call_are_refused_in_every_form() {
    let mut request = agent();
    request.messages.remove(2);
    for (model, profile) in FORMS {
        let refused = write_request(&request, &options(model, profile)).unwrap_err();
        assert_eq!(refused.param, "messages[2]", "{model}");
    }
}

const FORMS: [(&str, Profile); 3] = [
    ("xai.grok-4", Profile::Standard),
    ("cohere.command-r-08-2024", Profile::OciCohere),
    ("cohere.command-a-vision", Profile::OciCohere),
];

const WHOLE: &str = r#"{"modelId":"meta.llama-3.3-70b-instruct","modelVersion":"1.0.0","chatResponse":{
  "apiFormat":"GENERIC","timeCreated":"2026-09-18T19:22:24.776Z","choices":[{"index":0,
  "message":{"role":"ASSISTANT","content":[{"type":"TEXT","text":"Hello, world"}],"reasoningContent":"Hm.",
    "toolCalls":[{"type":"FUNCTION","id":"c1","name":"sqrt","arguments":"{\"a\": \"16\"}"},
                 {"type":"FUNCTION","id":"c2","name":"now"}]},
  "finishReason":"tool_calls","logprobs":null}],
  "usage":{"completionTokens":8,"promptTokens":41,"totalTokens":49,
    "promptTokensDetails":{"cachedTokens":16},"completionTokensDetails":{"reasoningTokens":3}}}}"#;

const STREAM: &str = r#"data: {"index":0,"message":{"role":"ASSISTANT","content":[{"type":"TEXT","text":""}]},"pad":"aaa"}

data: {"index":0,"message":{"role":"ASSISTANT","reasoningContent":"Hm."},"pad":"a"}

data: {"index":0,"message":{"role":"ASSISTANT","content":[{"type":"TEXT","text":"Hello"}]},"pad":"a"}

data: {"index":0,"message":{"role":"ASSISTANT","content":[{"type":"TEXT","text":", world"}]},"pad":"aa"}

data: {"index":0,"message":{"role":"ASSISTANT","toolCalls":[{"type":"FUNCTION","id":"c1","name":"sqrt"}]},"pad":"a"}

data: {"index":0,"message":{"role":"ASSISTANT","toolCalls":[{"type":"FUNCTION","arguments":"{\"a\": \""}]},"pad":"a"}

data: {"index":0,"message":{"role":"ASSISTANT","toolCalls":[{"type":"FUNCTION","arguments":"16\"}"}]},"pad":"a"}

data: {"index":0,"message":{"role":"ASSISTANT","toolCalls":[{"type":"FUNCTION","id":"c2","name":"now"}]},"pad":"a"}

data: {"message":{"role":"ASSISTANT","toolCalls":[{"type":"FUNCTION","arguments":""}]},"finishReason":"tool_calls","pad":"aaa"}

data: {"usage":{"completionTokens":8,"promptTokens":41,"totalTokens":49,"promptTokensDetails":{"cachedTokens":16},"completionTokensDetails":{"reasoningTokens":3}},"pad":"aaaa"}

"#;

fn whole(body: &str) -> ChatAnswer<'static> {
    let document = Document::parse(body.as_bytes()).unwrap();
    let answer = read_answer(document.root()).unwrap();
    let mut steps = crate::exchange::replay(&answer);
    if let Some(StreamEvent::Start { model, created, .. }) = steps.first_mut() {
        // Streams don't tell these.
        model.clear();
        *created = None;
    }
    collect(&steps)
}

fn streamed(body: &str) -> ChatAnswer<'static> {
    let read = steps(StreamReader::default(), body, usize::MAX);
    assert_in_order(&read);
    assert_eq!(read.last(), Some(&StreamEvent::End));
    collect(&read)
}

fn data(events: &[&str]) -> String {
    events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect()
}

#[test]
fn an_answer_says_who_when_and_how_much() {
    let document = Document::parse(WHOLE.as_bytes()).unwrap();
    let answer = read_answer(document.root()).unwrap();
    assert_eq!(answer.model, "meta.llama-3.3-70b-instruct");
    assert_eq!(answer.created, Some(1_789_759_344));
    assert_eq!(answer.choices[0].parts.len(), 4);
    assert_eq!(answer.choices[0].finish, Some(Finish::ToolCalls));
    let usage = Usage {
        input: 41,
        output: 8,
        cached_input: 16,
        reasoning: 3,
        ..Usage::default()
    };
    assert_eq!(answer.usage, Some(usage));
}

#[test]
fn a_stream_amounts_to_the_whole_answer() {
    assert_eq!(streamed(STREAM), whole(WHOLE));
    assert_eq!(streamed(&format!("{STREAM}data: [DONE]\n\n")), whole(WHOLE));
}

#[test]
fn coheres_last_event_repeats_and_is_not_told_twice() {
    let body = r#"{"modelId":"cohere.command-r","chatResponse":{"apiFormat":"COHERE","text":"Hi there",
      "finishReason":"COMPLETE","toolCalls":[{"name":"f","parameters":{"a":1}}],
      "usage":{"completionTokens":2,"promptTokens":6,"totalTokens":8}}}"#;
    let usage = r#""usage":{"completionTokens":2,"promptTokens":6,"totalTokens":8}"#;
    let last = format!(
        r#"{{"apiFormat":"COHERE","text":"Hi there","chatHistory":[],"finishReason":"COMPLETE","toolCalls":[{{"name":"f","parameters":{{"a":1}}}}],{usage}}}"#
    );
    let calls = r#"{"apiFormat":"COHERE","toolCalls":[{"name":"f","parameters":{"a":1}}]}"#;
    let [hi, there] = ["Hi", " there"]
        .map(|text| format!(r#"{{"apiFormat":"COHERE","text":"{text}","pad":"aa"}}"#));
    let expected = whole(body);
    assert_eq!(expected.choices[0].finish, Some(Finish::ToolCalls));
    assert_eq!(streamed(&data(&[&hi, &there, calls, &last])), expected);
    assert_eq!(streamed(&data(&[&hi, &there, &last])), expected);
    assert_eq!(streamed(&data(&[&hi, &last])), expected);
    assert_eq!(streamed(&data(&[&last])), expected);
}

#[test]
fn coheres_second_form_is_read() {
    let message = r#""message":{"role":"ASSISTANT","content":[{"type":"THINKING","thinking":"Hm."},{"type":"TEXT","text":"Hi"}],
      "toolCalls":[{"id":"c1","type":"FUNCTION","function":{"name":"f","arguments":"{}"}}]},"finishReason":"TOOL_CALL""#
        .replace('\n', "");
    let body = format!(
        r#"{{"modelId":"m","chatResponse":{{"apiFormat":"COHEREV2","id":"a1",{message}}}}}"#
    );
    let last = format!(r#"{{"apiFormat":"COHEREV2","id":"a1",{message}}}"#);
    let first = r#"{"apiFormat":"COHEREV2","id":"a1","message":{"content":[{"type":"THINKING","thinking":"Hm."}]}}"#;
    let second = r#"{"apiFormat":"COHEREV2","message":{"content":[{"type":"TEXT","text":"Hi"}]}}"#;
    let expected = whole(&body);
    assert_eq!(expected.choices[0].parts.len(), 3);
    assert_eq!(streamed(&data(&[first, second, &last])), expected);
    assert_eq!(streamed(&data(&[&last])), expected);
}

#[test]
fn probabilities_are_told_in_openais_form() {
    let body = r#"{"modelId":"m","chatResponse":{"choices":[{"message":{"content":[{"type":"TEXT","text":"a"}]},
      "finishReason":"stop","logprobs":{"tokens":["a"],"tokenLogprobs":[-0.5],"topLogprobs":[{"b":"-1.5"}]}}]}}"#;
    let document = Document::parse(body.as_bytes()).unwrap();
    let answer = read_answer(document.root()).unwrap();
    let expected = concat!(
        r#"{"content":[{"token":"a","logprob":-0.5,"bytes":null,"top_logprobs":["#,
        r#"{"token":"b","logprob":-1.5,"bytes":null}]}],"refusal":null}"#
    );
    assert_eq!(answer.choices[0].logprobs.as_deref(), Some(expected));
}

#[test]
fn calls_without_ids_and_parallel_calls_are_kept_apart() {
    let events = [
        r#"{"message":{"toolCalls":[{"type":"FUNCTION","name":"f","arguments":"{}"}]}}"#,
        r#"{"message":{"toolCalls":[{"type":"FUNCTION","name":"f","arguments":"{\"a\":1}"}]}}"#,
        r#"{"finishReason":"stop"}"#,
    ];
    let answer = streamed(&data(&events));
    let calls: Vec<_> = answer.choices[0]
        .parts
        .iter()
        .filter_map(|part| match &part.content {
            Content::ToolCall(call) => Some((call.id.as_ref(), call.arguments.as_ref())),
            _ => None,
        })
        .collect();
    assert_eq!(
        calls,
        [("call_made_0", "{}"), ("call_made_1", r#"{"a":1}"#)]
    );
    assert_eq!(answer.choices[0].finish, Some(Finish::ToolCalls));
}

#[test]
fn a_stream_that_was_cut_off_has_not_ended() {
    let cut = STREAM.split("data: {\"message\"").next().unwrap();
    let read = steps(StreamReader::default(), cut, usize::MAX);
    assert!(!read.contains(&StreamEvent::End));
}

#[test]
fn errors_are_read_alone_and_within_streams() {
    let body = r#"{"code":"NotAuthenticated","message":"who are you"}"#;
    let error = read_error(Document::parse(body.as_bytes()).unwrap().root()).unwrap();
    assert_eq!(error.message, "who are you");
    assert_eq!(error.code.as_deref(), Some("NotAuthenticated"));
    let read = steps(StreamReader::default(), &data(&[body, body]), usize::MAX);
    assert_eq!(read, [StreamEvent::Error(error)]);
    assert!(read_error(Document::parse(WHOLE.as_bytes()).unwrap().root()).is_none());
    let failed = r#"{"apiFormat":"COHERE","text":"","finishReason":"ERROR","errorMessage":"no"}"#;
    let read = steps(StreamReader::default(), &data(&[failed]), usize::MAX);
    assert!(matches!(read.last(), Some(StreamEvent::Error(_))));
}

#[test]
fn an_answer_of_another_shape_is_an_error() {
    for body in [
        "{}",
        r#"{"chatResponse":1}"#,
        r#"{"chatResponse":{"text":1}}"#,
    ] {
        let document = Document::parse(body.as_bytes()).unwrap();
        assert!(read_answer(document.root()).is_err(), "{body}");
    }
}

proptest! {
    #[test]
    fn however_a_stream_is_cut_it_says_the_same(step in 1..200_usize) {
        let whole = steps(StreamReader::default(), STREAM, usize::MAX);
        prop_assert_eq!(steps(StreamReader::default(), STREAM, step), whole);
    }

    #[test]
    fn every_body_is_good_json_in_every_form(request in request(), form in 0..3_usize) {
        let (model, profile) = FORMS[form];
        let (body, lost) = written(&request, &options(model, profile));
        prop_assert!(Document::parse(body.as_bytes()).is_ok(), "{}", body);
        let read: serde_json::Value = serde_json::from_str(&body).unwrap();
        prop_assert_eq!(&read["compartmentId"], "ocid1.c");
        prop_assert!(params(&lost).contains(&"unheard_of"));
    }
}
