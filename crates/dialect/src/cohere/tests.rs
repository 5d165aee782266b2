//! What Cohere's dialect promises.

pub(crate) mod shared;

use proptest::prelude::*;

use self::shared::*;
use super::answer::{read_answer, read_error};
use super::stream::StreamReader;
use super::write::write_request;
use crate::canonical::Usage;
use crate::exchange::Thought;
use crate::exchange::{
    CacheMarker, ChatRequest, Content, Effort, Finish, Lost, OutputFormat, Part, Reasoning, Role,
    Source, StreamEvent, ToolChoice, WriteOptions,
};
use crate::json::Document;
use crate::payload::UpstreamErrorBody;

fn written(request: &ChatRequest<'_>) -> (String, Vec<Lost>) {
    let options = WriteOptions {
        model: "command-a-03-2025".into(),
        ..WriteOptions::default()
    };
    let written = write_request(request, &options).unwrap();
    (
        String::from_utf8(written.body.to_vec()).unwrap(),
        written.lost,
    )
}

fn params(lost: &[Lost]) -> Vec<&str> {
    lost.iter().map(|lost| lost.param.as_str()).collect()
}

#[test]
fn an_agents_turn_is_told_with_plan_call_and_result() {
    let (body, lost) = written(&agent());
    assert_eq!(
        body,
        concat!(
            r#"{"model":"command-a-03-2025","messages":[{"role":"system","content":"Be brief."},"#,
            r#"{"role":"user","content":"Weather in \"Oslo\"?"},"#,
            r#"{"role":"assistant","tool_plan":"I look.","tool_calls":[{"id":"c1","type":"function","#,
            r#""function":{"name":"weather","arguments":"{\"city\":\"Oslo\"}"}}]},"#,
            r#"{"role":"tool","tool_call_id":"c1","content":"rain"}],"#,
            r#""tools":[{"type":"function","function":{"name":"weather","description":"it helps","#,
            r#""parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}],"#,
            r#""stream":false}"#,
        )
    );
    assert_eq!(lost, []);
}

#[test]
fn settings_go_by_coheres_names() {
    let mut request = agent();
    request.messages.truncate(2);
    request.tools.clear();
    request.sampling.temperature = Some(0.5);
    request.sampling.top_p = Some(0.9);
    request.sampling.top_k = Some(40);
    request.sampling.max_tokens = Some(9);
    request.sampling.seed = Some(7);
    request.sampling.stop = vec!["a".into()];
    request.sampling.logprobs = true;
    request.reasoning = Some(Reasoning {
        budget: Some(500),
        ..Reasoning::default()
    });
    request.output = Some(OutputFormat::JsonSchema {
        name: "n".into(),
        description: None,
        schema: r#"{"type":"object"}"#.into(),
        strict: None,
    });
    let (body, lost) = written(&request);
    let rest = concat!(
        r#""response_format":{"type":"json_object","json_schema":{"type":"object"}},"#,
        r#""max_tokens":9,"temperature":0.5,"p":0.9,"k":40,"seed":7,"stop_sequences":["a"],"#,
        r#""logprobs":true,"thinking":{"type":"enabled","token_budget":500},"stream":false}"#,
    );
    assert!(body.ends_with(rest), "{body}");
    assert_eq!(lost, []);
    request.reasoning = Some(Reasoning {
        effort: Some(Effort::None),
        ..Reasoning::default()
    });
    assert!(
        written(&request)
            .0
            .contains(r#""thinking":{"type":"disabled"}"#)
    );
}

#[test]
fn images_thoughts_and_documents_are_blocks() {
    let mut file = media(Source::Text("All about it.".into()), "text/plain");
    file.name = Some("Notes".into());
    let mut image = media(Source::Base64("QUJD".into()), "image/png");
    image.detail = Some("low".into());
    let request = ChatRequest {
        messages: vec![
            message(
                Role::User,
                vec![
                    Part::text("See"),
                    Part::new(Content::Image(image)),
                    Part::new(Content::File(file)),
                ],
            ),
            message(Role::Assistant, vec![reasoning("Hm."), Part::text("Yes")]),
            message(Role::User, vec![Part::text("And?")]),
        ],
        ..ChatRequest::default()
    };
    let (body, lost) = written(&request);
    assert_eq!(
        body,
        concat!(
            r#"{"model":"command-a-03-2025","messages":[{"role":"user","content":[{"type":"text","text":"See"},"#,
            r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD","detail":"low"}}]},"#,
            r#"{"role":"assistant","content":[{"type":"thinking","thinking":"Hm."},{"type":"text","text":"Yes"}]},"#,
            r#"{"role":"user","content":"And?"}],"#,
            r#""documents":[{"data":{"title":"Notes","text":"All about it."}}],"stream":false}"#,
        )
    );
    assert_eq!(lost, []);
}

#[test]
fn what_cohere_cant_be_told_is_listed() {
    let mut request = agent();
    request.tools.push(tool("other", None));
    request.tool_choice = Some(ToolChoice::Tool("weather".into()));
    request.parallel_tool_calls = Some(false);
    request.sampling.stop = vec!["x".into(); 6];
    request.sampling.n = Some(2);
    request.sampling.seed = Some(-1);
    request.user = Some("u".into());
    request.output = Some(OutputFormat::JsonObject);
    let (body, lost) = written(&request);
    assert_eq!(
        params(&lost),
        [
            "tool_choice",
            "parallel_tool_calls",
            "response_format",
            "seed",
            "stop",
            "n",
            "user"
        ]
    );
    let harmless: Vec<_> = lost.iter().filter(|lost| lost.is_hint()).collect();
    assert_eq!(harmless.len(), 1);
    assert!(body.contains(r#""tool_choice":"REQUIRED""#));
    // With one tool, to require one is to require this one.
    request.tools.truncate(1);
    assert!(!params(&written(&request).1).contains(&"tool_choice"));
}

#[test]
fn what_other_providers_add_is_lost_by_degrees() {
    let mut request = agent();
    request.messages[1].name = Some("Ann".into());
    request.messages[1].parts[0].cache = Some(CacheMarker { ttl: None });
    if let Content::Reasoning(Thought {
        signature,
        redacted,
        ..
    }) = &mut request.messages[2].parts[0].content
    {
        *signature = Some("s".into());
        *redacted = Some("r".into());
    }
    if let Content::ToolResult(result) = &mut request.messages[3].parts[0].content {
        result.is_error = true;
        let image = media(Source::Base64("QUJD".into()), "image/png");
        result.parts.push(Part::new(Content::Image(image)));
    }
    request.tools[0].strict = Some(true);
    let (body, lost) = written(&request);
    let told: Vec<_> = lost
        .iter()
        .map(|lost| (lost.param.as_str(), lost.is_hint()))
        .collect();
    assert_eq!(
        told,
        [
            ("messages[1].name", false),
            ("messages[1].content[0].cache_control", true),
            ("messages[2].content[0].signature", true),
            ("messages[2].content[0].redacted", true),
            ("messages[3].is_error", false),
            ("messages[3].content[1]", false),
        ]
    );
    assert!(body.contains(r#""strict_tools":true"#));
    assert!(body.contains(r#""content":[{"type":"text","text":"rain"}]"#));
}

#[test]
fn results_of_calls_that_are_lost_are_lost_with_them() {
    let mut request = agent();
    if let Content::ToolCall(call) = &mut request.messages[2].parts[1].content {
        call.custom = true;
    }
    let (body, lost) = written(&request);
    assert_eq!(params(&lost), ["messages[2].content[1]", "messages[3]"]);
    assert!(!body.contains(r#""role":"tool""#), "{body}");
}

#[test]
fn settled_members_win() {
    let options = WriteOptions {
        model: "m".into(),
        set: vec![
            ("safety_mode".into(), r#""OFF""#.into()),
            ("model".into(), r#""other""#.into()),
        ],
        ..WriteOptions::default()
    };
    let written = write_request(&agent(), &options).unwrap();
    let read: serde_json::Value = serde_json::from_slice(&written.body).unwrap();
    assert_eq!(read["model"], "other");
    assert_eq!(read["safety_mode"], "OFF");
    assert_eq!(read["messages"].as_array().unwrap().len(), 4);
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let refusal = |parts: Vec<Part<'static>>, role| {
        let request = ChatRequest {
            messages: vec![message(role, parts)],
            ..ChatRequest::default()
        };
        write_request(&request, &WriteOptions::default()).unwrap_err()
    };
    let orphan = refusal(vec![result("c9", vec![])], Role::Tool);
    assert_eq!(orphan.param, "messages[0]");
    let image = |source, kind| Part::new(Content::Image(media(source, kind)));
    let bad = refusal(
        vec![image(Source::Base64("!".into()), "image/png")],
        Role::User,
    );
    assert_eq!(bad.param, "messages[0].content[0]");
    let bad = refusal(
        vec![image(Source::Url("data:image/png;base64,!".into()), "")],
        Role::User,
    );
    assert!(bad.why.contains("base64"));
    let many = vec![image(Source::Base64("QUJD".into()), "image/png"); 21];
    let many = refusal(many, Role::User);
    assert_eq!(many.param, "messages[0].content[20]");
    assert!(
        many.why.contains("21") && many.why.contains("20"),
        "{}",
        many.why
    );
}

const WHOLE: &str = r#"{"id":"a1","finish_reason":"TOOL_CALL","message":{"role":"assistant",
  "content":[{"type":"thinking","thinking":"Let me see."},{"type":"text","text":"Rain it is"}],
  "citations":[{"start":0,"end":4,"text":"Rain","content_index":1,"type":"TEXT_CONTENT",
    "sources":[{"type":"document","id":"d","document":{"title":"T","url":"https://x"}}]}],
  "tool_plan":"Ask.",
  "tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},
                {"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]},
  "usage":{"billed_units":{"input_tokens":1.0,"output_tokens":2.0},
           "tokens":{"input_tokens":10.0,"output_tokens":20.0},"cached_tokens":4.0}}"#;

/// As Cohere's guides to streaming show it.
const STREAM: &str = r#"event: message-start
data: {"type":"message-start","id":"a1","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}

event: content-start
data: {"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":""}}}}

data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"Let me"}}}}

data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":" see."}}}}

data: {"type":"content-end","index":0}

data: {"type":"content-start","index":1,"delta":{"message":{"content":{"type":"text","text":""}}}}

: a comment

data: {"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"Rain it is"}}}}

data: {"type":"content-end","index":1}

data: {"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":0,"end":4,"text":"Rain","content_index":1,"type":"TEXT_CONTENT","sources":[{"type":"document","id":"d","document":{"title":"T","url":"https://x"}}]}}}}

data: {"type":"citation-end","index":0}

data: {"type":"debug","prompt":"..."}

data: {"type":"tool-plan-delta","delta":{"message":{"tool_plan":"Ask."}}}

data: {"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c1","type":"function","function":{"name":"f","arguments":""}}}}}

data: {"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"a\""}}}}}

data: {"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":":1}"}}}}}

data: {"type":"tool-call-end","index":0}

data: {"type":"tool-call-start","index":1,"delta":{"message":{"tool_calls":{"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}}}}

data: {"type":"tool-call-end","index":1}

data: {"type":"message-end","delta":{"finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":1,"output_tokens":2},"tokens":{"input_tokens":10,"output_tokens":20},"cached_tokens":4}}}

"#;

#[test]
fn an_answer_is_read_in_its_order() {
    let document = Document::parse(WHOLE.as_bytes()).unwrap();
    let answer = read_answer(document.root()).unwrap();
    let choice = &answer.choices[0];
    assert_eq!(choice.finish, Some(Finish::ToolCalls));
    assert_eq!(choice.parts.len(), 5);
    let Content::Text { citations, .. } = &choice.parts[1].content else {
        panic!("a text");
    };
    assert_eq!(citations[0].url.as_deref(), Some("https://x"));
    assert_eq!(citations[0].range, Some((0, 4)));
    let usage = Usage {
        input: 10,
        output: 20,
        cached_input: 4,
        ..Usage::default()
    };
    assert_eq!(answer.usage, Some(usage));
}

#[test]
fn a_stream_amounts_to_the_whole_answer() {
    let read = steps(StreamReader::default(), STREAM, usize::MAX);
    assert_in_order(&read);
    assert_eq!(read.last(), Some(&StreamEvent::End));
    let mut streamed = collect(&read);
    let document = Document::parse(WHOLE.as_bytes()).unwrap();
    let mut whole = read_answer(document.root()).unwrap();
    // The two tell the same citation with other white space.
    for part in whole.choices[0]
        .parts
        .iter_mut()
        .chain(&mut streamed.choices[0].parts)
    {
        if let Content::Text { citations, .. } = &mut part.content {
            citations
                .iter_mut()
                .for_each(|citation| citation.json = "".into());
        }
    }
    assert_eq!(streamed, whole);
}

#[test]
fn probabilities_are_told_in_openais_form() {
    let whole = r#"{"message":{"content":[{"type":"text","text":"ab"}]},"finish_reason":"COMPLETE",
      "logprobs":[{"text":"a","token_ids":[1],"logprobs":[-0.5]},{"text":"b","token_ids":[2,3],"logprobs":[-1,-0.25]}]}"#;
    let document = Document::parse(whole.as_bytes()).unwrap();
    let answer = read_answer(document.root()).unwrap();
    let stream = concat!(
        r#"data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"a"}}},"logprobs":{"text":"a","token_ids":[1],"logprobs":[-0.5]}}"#,
        "\n\n",
        r#"data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"b"}}},"logprobs":{"text":"b","token_ids":[2,3],"logprobs":[-1,-0.25]}}"#,
        "\n\n",
        r#"data: {"type":"message-end","delta":{"finish_reason":"COMPLETE"}}"#,
        "\n\n",
    );
    let read = steps(StreamReader::default(), stream, usize::MAX);
    assert_in_order(&read);
    assert_eq!(collect(&read), answer);
    assert_eq!(
        answer.choices[0].logprobs.as_deref(),
        Some(concat!(
            r#"{"content":[{"token":"a","logprob":-0.5,"bytes":null,"top_logprobs":[]},"#,
            r#"{"token":"b","logprob":-1.25,"bytes":null,"top_logprobs":[]}],"refusal":null}"#
        ))
    );
}

#[test]
fn a_stream_that_was_cut_off_has_not_ended() {
    let cut = STREAM
        .split("data: {\"type\":\"message-end\"")
        .next()
        .unwrap();
    let read = steps(StreamReader::default(), cut, usize::MAX);
    assert!(!read.contains(&StreamEvent::End));
    assert!(
        !read
            .iter()
            .any(|step| matches!(step, StreamEvent::Finish { .. }))
    );
}

#[test]
fn an_error_within_a_stream_is_told_once() {
    for event in [
        r#"{"type":"message-end","delta":{"finish_reason":"ERROR","error":"no more"}}"#,
        r#"{"message":"no more"}"#,
        r#"{"type":"error","message":"no more"}"#,
    ] {
        let stream = format!("data: {event}\n\ndata: {event}\n\n");
        let read = steps(StreamReader::default(), &stream, usize::MAX);
        let [StreamEvent::Error(UpstreamErrorBody { message, .. })] = read.as_slice() else {
            panic!("{read:?}");
        };
        assert_eq!(message, "no more");
    }
}

#[test]
fn refusals_are_read() {
    let read = |body: &str| read_error(Document::parse(body.as_bytes()).unwrap().root());
    assert_eq!(
        read(r#"{"id":"x","message":"invalid api token"}"#)
            .unwrap()
            .message,
        "invalid api token"
    );
    assert_eq!(read(r#"{"error":{"message":"m"}}"#).unwrap().message, "m");
    assert_eq!(read(WHOLE), None);
}

proptest! {
    #[test]
    fn however_a_stream_is_cut_it_says_the_same(step in 1..200_usize) {
        let whole = steps(StreamReader::default(), STREAM, usize::MAX);
        prop_assert_eq!(steps(StreamReader::default(), STREAM, step), whole);
    }

    #[test]
    fn every_body_is_good_json_and_tells_each_message(request in request()) {
        let (body, lost) = written(&request);
        prop_assert!(Document::parse(body.as_bytes()).is_ok(), "{}", body);
        let read: serde_json::Value = serde_json::from_str(&body).unwrap();
        let told = read["messages"].as_array().unwrap().len();
        let dropped = |lost: &&Lost| lost.why.starts_with("its call");
        let dropped = lost.iter().filter(dropped).count();
        prop_assert_eq!(told + dropped, request.messages.len());
        prop_assert!(params(&lost).contains(&"unheard_of"));
        for message in read["messages"].as_array().unwrap() {
            prop_assert!(message.get("content").is_some() || message.get("tool_calls").is_some());
        }
    }
}
