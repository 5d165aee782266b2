//! What others ask for, in Google's words, and what of it can't be said.

use std::borrow::Cow;

use crate::canonical::Field;
use crate::exchange::Thought;
use crate::exchange::{
    CacheMarker, ChatRequest, Content, Effort, Inexpressible, Media, Message, Part, Reasoning,
    Role, Source, Tool, ToolCall, ToolChoice, ToolResult, WriteOptions,
};
use crate::gemini::write::write_request;

fn message(role: Role, contents: impl IntoIterator<Item = Content<'static>>) -> Message<'static> {
    Message {
        role,
        name: None,
        parts: contents.into_iter().map(Part::new).collect(),
        extra: Vec::new(),
    }
}

fn text(text: &'static str) -> Content<'static> {
    Part::text(text).content
}

fn call(id: &'static str, arguments: &'static str) -> Content<'static> {
    Content::ToolCall(ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: arguments.into(),
        custom: false,
    })
}

fn result(id: &'static str, said: &'static str) -> Content<'static> {
    Content::ToolResult(ToolResult {
        call_id: id.into(),
        name: None,
        parts: vec![Part::text(said)],
        is_error: false,
    })
}

fn thought(signature: &'static str) -> Content<'static> {
    Content::Reasoning(Thought {
        text: "hm".into(),
        signature: Some(signature.into()),
        redacted: None,
    })
}

fn image(source: Source<'static>) -> Content<'static> {
    Content::Image(Media {
        source,
        media_type: Cow::Borrowed(""),
        name: None,
        detail: None,
    })
}

fn asking(messages: Vec<Message<'static>>) -> ChatRequest<'static> {
    ChatRequest {
        messages,
        ..ChatRequest::default()
    }
}

fn ask(contents: Vec<Content<'static>>) -> ChatRequest<'static> {
    asking(vec![message(Role::User, contents)])
}

/// The body for a model, and the fields that are not in it.
fn for_model(request: &ChatRequest<'_>, model: &str) -> (String, Vec<(String, bool)>) {
    let options = WriteOptions {
        model: model.to_owned(),
        ..WriteOptions::default()
    };
    let written = write_request(request, &options).unwrap();
    let body = String::from_utf8(written.body.to_vec()).unwrap();
    let lost = written.lost.into_iter().map(|lost| {
        let hint = lost.is_hint();
        (lost.param, hint)
    });
    (body, lost.collect())
}

fn written(request: &ChatRequest<'_>) -> (String, Vec<(String, bool)>) {
    for_model(request, "gemini-2.5-flash")
}

fn refused(request: &ChatRequest<'_>) -> Inexpressible {
    write_request(request, &WriteOptions::default()).unwrap_err()
}

#[test]
fn results_of_parallel_calls_stand_in_one_content_after_them() {
    let request = asking(vec![
        message(Role::User, [text("go")]),
        message(Role::Assistant, [call("a", "{\"x\":1}"), call("b", "")]),
        message(Role::Tool, [result("b", "two")]),
        message(Role::Tool, [result("a", "one")]),
        message(Role::User, [text("and?")]),
    ]);
    let contents = r#"{"contents":[{"role":"user","parts":[{"text":"go"}]},{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{"x":1}}},{"functionCall":{"id":"b","name":"f","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"id":"b","name":"f","response":{"output":"two"}}},{"functionResponse":{"id":"a","name":"f","response":{"output":"one"}}}]},{"role":"user","parts":[{"text":"and?"}]}]}"#;
    assert_eq!(written(&request), (contents.to_owned(), vec![]));
}

#[test]
fn calls_of_others_pass_where_signatures_are_wanted() {
    let request = asking(vec![
        message(Role::User, [text("go")]),
        message(Role::Assistant, [call("a", "{}"), call("b", "{}")]),
        message(Role::Assistant, [thought("c2ln"), call("c", "{}")]),
        message(Role::Assistant, [thought("msg_1#"), call("d", "{}")]),
    ]);
    let (body, lost) = for_model(&request, "gemini-3-pro");
    assert_eq!(body.matches("skip_thought_signature_validator").count(), 2);
    assert_eq!(body.matches(r#""thoughtSignature":"c2ln""#).count(), 1);
    assert_eq!(
        lost,
        [("messages[3].content[0].signature".to_owned(), true)]
    );
    assert!(!written(&request).0.contains("skip_thought"));
}

#[test]
fn operators_go_before_the_conversation() {
    let request = asking(vec![
        message(Role::System, [text("one")]),
        message(Role::Developer, [text("two")]),
        message(Role::User, [text("go")]),
        message(Role::System, [text("three")]),
    ]);
    let (body, lost) = written(&request);
    let instruction =
        r#"{"systemInstruction":{"parts":[{"text":"one"},{"text":"two"},{"text":"three"}]},"#;
    assert!(body.starts_with(instruction), "{body}");
    assert_eq!(lost, [("messages[3].role".to_owned(), false)]);
}

#[test]
fn media_come_from_urls_and_data_urls() {
    let request = ask(vec![
        image(Source::Url("https://example.com/cat.PNG?size=9".into())),
        image(Source::Url("data:image/webp;base64,aGk=".into())),
    ]);
    let (body, lost) = written(&request);
    assert_eq!(
        body,
        r#"{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"image/png","fileUri":"https://example.com/cat.PNG?size=9"}},{"inlineData":{"mimeType":"image/webp","data":"aGk="}}]}]}"#
    );
    assert_eq!(lost, []);
}

#[test]
fn efforts_are_levels_or_budgets_by_the_models_generation() {
    let mut request = ask(vec![text("go")]);
    let efforts = [
        (
            Effort::None,
            r#""thinkingBudget":0"#,
            r#""thinkingBudget":0"#,
        ),
        (
            Effort::Low,
            r#""thinkingLevel":"LOW""#,
            r#""thinkingBudget":1024"#,
        ),
        (
            Effort::Max,
            r#""thinkingLevel":"XHIGH""#,
            r#""thinkingBudget":24576"#,
        ),
    ];
    for (effort, third, second) in efforts {
        request.reasoning = Some(Reasoning {
            effort: Some(effort),
            ..Reasoning::default()
        });
        assert!(for_model(&request, "gemini-3-pro").0.contains(third));
        assert!(written(&request).0.contains(second));
    }
}

#[test]
fn what_google_has_no_word_for_is_told() {
    let mut request = ask(vec![text("go")]);
    request.messages[0].name = Some("Ann".into());
    request.messages[0].parts[0].cache = Some(CacheMarker { ttl: None });
    request.sampling.seed = Some(1 << 40);
    request.sampling.min_p = Some(0.1);
    request.sampling.logit_bias = Some("{}".into());
    request.sampling.stop = ["a", "b", "c", "d", "e", "f"].map(Cow::Borrowed).to_vec();
    request.parallel_tool_calls = Some(false);
    request.user = Some("u".into());
    request.prompt_cache_key = Some("k".into());
    request.service_tier = Some("scale".into());
    request.metadata = vec![("Team".into(), "x".into()), ("team".into(), "y".into())];
    let extra = |name: &str, value: &str| Field {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    request.extra = vec![
        extra("safetySettings", "[]"),
        extra("store", "false"),
        extra("top_a", "1"),
    ];
    request.tools.push(Tool {
        name: "grep".into(),
        description: None,
        parameters: None,
        strict: None,
        cache: None,
        builtin: Some(("custom".into(), "{}".into())),
        extra: Vec::new(),
    });
    let (body, lost) = written(&request);
    let told = [
        ("messages[0].name", false),
        ("messages[0].content[0].cache_control", true),
        ("tools[0]", false),
        ("parallel_tool_calls", false),
        ("seed", false),
        ("stop[5]", false),
        ("min_p", false),
        ("logit_bias", false),
        ("metadata.Team", true),
        ("user", true),
        ("prompt_cache_key", true),
        ("service_tier", true),
        ("store", true),
        ("top_a", false),
    ];
    assert_eq!(
        lost,
        told.map(|(param, harmless)| (param.to_owned(), harmless))
    );
    assert_eq!(
        body,
        r#"{"contents":[{"role":"user","parts":[{"text":"go"}]}],"generationConfig":{"stopSequences":["a","b","c","d","e"]},"labels":{"team":"y"},"safetySettings":[]}"#
    );
}

#[test]
fn strict_tools_are_validated_and_choices_have_modes() {
    let tool = |strict| Tool {
        name: "f".into(),
        description: None,
        parameters: Some("{}".into()),
        strict,
        cache: None,
        builtin: None,
        extra: Vec::new(),
    };
    let mut request = ask(vec![text("go")]);
    request.tools = vec![tool(Some(true))];
    assert!(written(&request).0.contains(r#"{"mode":"VALIDATED"}"#));
    request.tool_choice = Some(ToolChoice::Tool("f".into()));
    let forced = r#"{"mode":"ANY","allowedFunctionNames":["f"]}"#;
    assert!(written(&request).0.contains(forced));
    request.tool_choice = Some(ToolChoice::Auto);
    request.tools.push(tool(None));
    assert_eq!(written(&request).1, [("tools[].strict".to_owned(), true)]);
}

#[test]
fn what_the_operator_sets_wins() {
    let mut request = ask(vec![text("go")]);
    request.sampling.temperature = Some(1.0);
    let options = WriteOptions {
        set: vec![(
            "generationConfig".to_owned(),
            "{\"temperature\":0}".to_owned(),
        )],
        ..WriteOptions::default()
    };
    let body = write_request(&request, &options).unwrap().body;
    let ends = r#"],"generationConfig":{"temperature":0}}"#;
    assert!(body.ends_with(ends.as_bytes()), "{body:?}");
}

#[test]
fn what_has_no_sensible_body_is_refused_by_name() {
    let large = "A".repeat(67_000_000);
    let cases = [
        (
            asking(vec![message(Role::System, [text("s")])]),
            "messages",
            "besides the system instruction",
        ),
        (
            asking(vec![
                message(Role::User, [text("go")]),
                message(Role::Tool, [result("x", "y")]),
            ]),
            "messages[1]",
            "it is a result of a call that no message before it makes",
        ),
        (
            asking(vec![message(Role::Assistant, [call("a", "{\"x\":")])]),
            "messages[0].content[0].arguments",
            "an object of arguments",
        ),
        (
            ask(vec![image(Source::Id("file-abc".into()))]),
            "messages[0].content[0]",
            "gs://",
        ),
        (
            ask(vec![image(Source::Url("data:,hi".into()))]),
            "messages[0].content[0]",
            "base64",
        ),
        (
            ask(vec![image(Source::Url("data:image/png;base64,a?".into()))]),
            "messages[0].content[0]",
            "not base64",
        ),
        (
            ask(vec![image(Source::Base64("aGk=".into()))]),
            "messages[0].content[0]",
            "type",
        ),
        (
            ask(vec![image(Source::Url(
                format!("data:application/pdf;base64,{large}").into(),
            ))]),
            "messages[0].content[0]",
            "50250000 bytes, over Gemini's limit of 50000000",
        ),
    ];
    for (request, param, why) in cases {
        let refused = refused(&request);
        assert_eq!(refused.param, param);
        assert!(refused.why.contains(why), "{}", refused.why);
    }
}
