//! What Converse has no place for: refused or lost, with the field named.

use super::{CLAUDE, options};
use crate::canonical::Field;
use crate::exchange::*;

const NOVA: &str = "eu.amazon.nova-pro-v1:0";
const LLAMA: &str = "us.meta.llama4-maverick-17b-instruct-v1:0";

fn asking(parts: Vec<Part<'static>>) -> ChatRequest<'static> {
    ChatRequest {
        messages: vec![Message {
            role: Role::User,
            name: None,
            parts,
            extra: Vec::new(),
        }],
        ..ChatRequest::default()
    }
}

fn hello() -> ChatRequest<'static> {
    asking(vec![Part::text("Hi")])
}

fn image(source: Source<'static>, media_type: &'static str) -> ChatRequest<'static> {
    asking(vec![Part::new(Content::Image(Media {
        source,
        media_type: media_type.into(),
        name: None,
        detail: None,
    }))])
}

fn refused(request: &ChatRequest<'_>) -> String {
    let refusal = super::write_request(request, &options(CLAUDE)).unwrap_err();
    format!("{}: {}", refusal.param, refusal.why)
}

fn written(request: &ChatRequest<'_>, model: &str) -> (String, Vec<(String, bool)>) {
    let written = super::write_request(request, &options(model)).unwrap();
    let lost = written.lost.into_iter();
    let body = String::from_utf8(written.body.to_vec()).unwrap();
    (
        body,
        lost.map(|lost| {
            let hint = lost.is_hint();
            (lost.param, hint)
        })
        .collect(),
    )
}

#[test]
fn images_go_as_bytes_or_from_s3_alone() {
    let url = Source::Url("https://example.org/cat.png".into());
    assert_eq!(
        refused(&image(url, "")),
        "messages[0].content[0]: this upstream takes bytes only, not URLs; send it as base64 or from s3://"
    );
    let (body, _) = written(&image(Source::Url("s3://b/cat.jpg".into()), ""), CLAUDE);
    assert!(body.contains(
        r#"{"image":{"format":"jpeg","source":{"s3Location":{"uri":"s3://b/cat.jpg"}}}}"#
    ));
    for source in [
        Source::Id("file-1".into()),
        Source::Url("data:image/png,%00".into()),
        Source::Base64("Zm9".into()),
        Source::Base64("not base64!".into()),
    ] {
        assert!(refused(&image(source, "image/png")).starts_with("messages[0].content[0]: "));
    }
    assert_eq!(
        refused(&image(Source::Base64("Zm9v".into()), "image/tiff")),
        "messages[0].content[0]: Converse takes no image of the type 'image/tiff'"
    );
}

#[test]
fn an_image_over_the_limit_is_refused_with_its_size() {
    let text = "AAAA".repeat(3_932_160 / 3);
    let fits = image(Source::Base64(text.clone().into()), "image/png");
    assert!(super::write_request(&fits, &options(CLAUDE)).is_ok());
    assert_eq!(
        refused(&image(Source::Base64((text + "AAAA").into()), "image/png")),
        "messages[0].content[0]: the image is 3932163 bytes long, over Converse's limit of 3.75 MB"
    );
}

#[test]
fn a_result_without_its_call_is_refused() {
    let result = Content::ToolResult(ToolResult {
        call_id: "call_1".into(),
        name: None,
        parts: vec![Part::text("ok")],
        is_error: false,
    });
    let mut request = asking(vec![Part::new(result)]);
    request.messages[0].role = Role::Tool;
    assert_eq!(
        refused(&request),
        "messages[0].content[0]: it is a result of a call that no message before it makes"
    );
}

#[test]
fn call_ids_that_converse_does_not_take_are_replaced_in_call_and_result() {
    let id = "an id with spaces";
    let call = Content::ToolCall(ToolCall {
        id: id.into(),
        name: "now".into(),
        arguments: "".into(),
        custom: false,
    });
    let result = Content::ToolResult(ToolResult {
        call_id: id.into(),
        name: None,
        parts: Vec::new(),
        is_error: true,
    });
    let mut request = asking(vec![Part::new(call)]);
    request.messages[0].role = Role::Assistant;
    request
        .messages
        .extend(asking(vec![Part::new(result)]).messages);
    let (body, lost) = written(&request, CLAUDE);
    assert_eq!(
        body,
        concat!(
            r#"{"messages":[{"role":"assistant","content":[{"toolUse":{"toolUseId":"renamed_0","name":"now","input":{}}}]},"#,
            r#"{"role":"user","content":[{"toolResult":{"toolUseId":"renamed_0","content":[],"status":"error"}}]}]}"#
        )
    );
    assert_eq!(lost, []);
}

#[test]
fn names_that_could_not_come_back_are_refused() {
    let mut request = hello();
    request.tools.push(Tool {
        name: "a.b".into(),
        description: None,
        parameters: None,
        strict: None,
        cache: None,
        builtin: None,
        extra: Vec::new(),
    });
    assert!(refused(&request).starts_with("tools[0].name: "));
}

#[test]
fn what_converse_has_no_field_for_is_listed() {
    let mut request = hello();
    request.sampling = Sampling {
        temperature: Some(1.5),
        n: Some(2),
        seed: Some(7),
        frequency_penalty: Some(0.5),
        presence_penalty: Some(0.0),
        logprobs: true,
        ..Sampling::default()
    };
    request.user = Some("u".into());
    request.prompt_cache_key = Some("k".into());
    request.output = Some(OutputFormat::JsonObject);
    request.extra.push(Field {
        name: "store".into(),
        value: "true".into(),
    });
    let (body, mut lost) = written(&request, CLAUDE);
    assert_eq!(
        body,
        r#"{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}"#
    );
    lost.sort();
    let expected = [
        ("frequency_penalty", false),
        ("logprobs", false),
        ("n", false),
        ("prompt_cache_key", true),
        ("response_format", false),
        ("seed", false),
        ("store", true),
        ("temperature", false),
        ("user", true),
    ];
    assert_eq!(
        lost,
        expected.map(|(param, harmless)| (param.to_owned(), harmless))
    );
}

#[test]
fn fields_of_a_family_go_to_models_of_that_family() {
    let mut request = hello();
    request.sampling.top_k = Some(5);
    request.reasoning = Some(Reasoning {
        budget: Some(2048),
        ..Reasoning::default()
    });
    let (body, lost) = written(&request, CLAUDE);
    assert!(body.ends_with(
        r#""additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2048},"top_k":5}}"#
    ));
    assert_eq!(lost, []);
    let (body, lost) = written(&request, NOVA);
    assert!(body.ends_with(r#""additionalModelRequestFields":{"inferenceConfig":{"topK":5}}}"#));
    assert_eq!(lost, [("reasoning".to_owned(), false)]);
    let (body, lost) = written(&request, LLAMA);
    assert!(!body.contains("additionalModelRequestFields"));
    assert_eq!(lost.len(), 2);
}

#[test]
fn calls_are_forbidden_by_declaring_no_tools() {
    let mut request = hello();
    request.tool_choice = Some(ToolChoice::None);
    request.tools.push(Tool {
        name: "now".into(),
        description: Some("".into()),
        parameters: None,
        strict: None,
        cache: None,
        builtin: None,
        extra: Vec::new(),
    });
    let (body, lost) = written(&request, CLAUDE);
    assert!(!body.contains("toolConfig"));
    assert_eq!(lost, [("tools".to_owned(), true)]);
    request.tool_choice = None;
    let (body, _) = written(&request, CLAUDE);
    assert!(body.contains(
        r#""toolConfig":{"tools":[{"toolSpec":{"name":"now","inputSchema":{"json":{"type":"object","properties":{}}}}}]}"#
    ));
}

#[test]
fn a_choice_without_tools_is_not_sent() {
    let mut request = hello();
    request.tool_choice = Some(ToolChoice::Auto);
    request.parallel_tool_calls = Some(false);
    let (body, lost) = written(&request, CLAUDE);
    assert!(!body.contains("tool"));
    assert_eq!(lost, []);
}

#[test]
fn documents_are_named_as_converse_allows() {
    let file = |name: Option<&'static str>| {
        Part::new(Content::File(Media {
            source: Source::Base64("Zm9v".into()),
            media_type: "application/pdf".into(),
            name: name.map(Into::into),
            detail: None,
        }))
    };
    let request = asking(vec![
        file(Some("Annual report.pdf")),
        file(Some("a/b_c")),
        file(None),
    ]);
    let (body, lost) = written(&request, CLAUDE);
    for name in ["Annual report", "a-b-c", "document-3"] {
        assert!(body.contains(&format!("\"name\":\"{name}\"")), "{name}");
    }
    assert_eq!(lost, [("messages[0].content[1].name".to_owned(), false)]);
}

#[test]
fn speakers_alternate() {
    let mut request = hello();
    request
        .messages
        .extend(asking(vec![Part::text("there")]).messages);
    request
        .messages
        .extend(asking(vec![Part::text("")]).messages);
    let (body, _) = written(&request, CLAUDE);
    assert_eq!(
        body,
        r#"{"messages":[{"role":"user","content":[{"text":"Hi"},{"text":"there"}]}]}"#
    );
}

#[test]
fn what_the_operator_sets_wins() {
    let mut request = hello();
    request.sampling.max_tokens = Some(5);
    let options = WriteOptions {
        set: vec![
            ("inferenceConfig".to_owned(), "{\"maxTokens\":9}".to_owned()),
            ("guardrailConfig".to_owned(), "{}".to_owned()),
        ],
        ..options(CLAUDE)
    };
    let body = super::write_request(&request, &options).unwrap().body;
    assert!(body.ends_with(br#","inferenceConfig":{"maxTokens":9},"guardrailConfig":{}}"#));
    assert!(crate::json::canonical_json(std::str::from_utf8(&body).unwrap()).is_ok());
}

#[test]
fn a_message_has_as_many_images_as_converse_takes() {
    let one = || {
        image(Source::Base64("Zm9v".into()), "image/png")
            .messages
            .remove(0)
    };
    let mut request = hello();
    request.messages.extend((0..20).map(|_| one()));
    assert!(super::write_request(&request, &options(CLAUDE)).is_ok());
    request.messages.push(one());
    assert_eq!(
        refused(&request),
        "messages[21].content[0]: it is beyond the 20 images that Converse takes in a message"
    );
    request.messages[20].role = Role::Assistant;
    assert!(super::write_request(&request, &options(CLAUDE)).is_ok());
}

#[test]
fn a_message_of_which_nothing_is_left_is_not_sent() {
    let mut request = hello();
    let thought = Content::Reasoning(Thought {
        text: "hm".into(),
        signature: None,
        redacted: None,
    });
    let mut silent = asking(vec![Part::new(thought)]).messages;
    silent[0].role = Role::Assistant;
    request.messages.extend(silent);
    request.messages.extend(hello().messages);
    let (body, lost) = written(&request, CLAUDE);
    assert_eq!(
        body,
        r#"{"messages":[{"role":"user","content":[{"text":"Hi"},{"text":"Hi"}]}]}"#
    );
    assert_eq!(
        lost,
        [("messages[1].content[0].reasoning".to_owned(), false)]
    );
    // Models of other makers take it back as it is.
    let (body, lost) = written(&request, "deepseek.v3-v1:0");
    assert!(body.contains(r#"{"reasoningContent":{"reasoningText":{"text":"hm"}}}"#));
    assert_eq!(lost, []);
}
