//! What other dialects say and Anthropic can't: named, refused, or said in its own way.

use super::*;
use crate::exchange::Thought;
use crate::exchange::{Profile, Written};

/// A request in which the user says hello, and as `change` has it.
fn request(change: impl FnOnce(&mut ChatRequest<'static>)) -> ChatRequest<'static> {
    let mut request = ChatRequest {
        model: "claude-opus-4-7".into(),
        messages: vec![message(Role::User, vec![Part::text("hello")])],
        ..ChatRequest::default()
    };
    change(&mut request);
    request
}

fn written(change: impl FnOnce(&mut ChatRequest<'static>)) -> (serde_json::Value, Written) {
    let written = write_request(&request(change), &WriteOptions::default()).unwrap();
    (serde_json::from_slice(&written.body).unwrap(), written)
}

fn refused(change: impl FnOnce(&mut ChatRequest<'static>)) -> String {
    let error = write_request(&request(change), &WriteOptions::default()).unwrap_err();
    error.to_string()
}

fn params(written: &Written) -> Vec<(&str, bool)> {
    let lost = written.lost.iter();
    lost.map(|lost| (lost.param.as_str(), lost.is_hint()))
        .collect()
}

fn image(source: Source<'static>, media_type: &'static str) -> Message<'static> {
    let image = media(source, media_type);
    message(Role::User, vec![Part::new(Content::Image(image))])
}

#[test]
fn the_clouds_have_the_model_in_the_path_and_their_version_in_the_body() {
    let of = |profile| {
        let options = WriteOptions {
            model: "anthropic.claude-opus-4-7".into(),
            stream: true,
            profile,
            ..WriteOptions::default()
        };
        let written = write_request(&request(|_| {}), &options).unwrap();
        String::from_utf8(written.body.to_vec()).unwrap()
    };
    let rest = r#""max_tokens":4096,"messages":[{"role":"user","content":"hello"}]}"#;
    assert_eq!(
        of(Profile::BedrockInvoke),
        format!(r#"{{"anthropic_version":"bedrock-2023-05-31",{rest}"#)
    );
    assert_eq!(
        of(Profile::VertexRaw),
        format!(r#"{{"anthropic_version":"vertex-2023-10-16","stream":true,{rest}"#)
    );
    assert_eq!(
        of(Profile::Standard),
        format!(r#"{{"model":"anthropic.claude-opus-4-7","stream":true,{rest}"#)
    );
}

#[test]
fn what_the_targets_settings_say_wins() {
    let options = WriteOptions {
        default_max_tokens: 7,
        set: vec![("max_tokens".into(), "9".into()), ("x".into(), "[]".into())],
        ..WriteOptions::default()
    };
    let written = write_request(&request(|_| {}), &options).unwrap();
    let body = std::str::from_utf8(&written.body).unwrap();
    assert!(body.ends_with(r#","max_tokens":9,"x":[]}"#), "{body}");
    assert_eq!(body.matches("max_tokens").count(), 1);
}

#[test]
fn results_of_parallel_calls_join_one_message_and_what_the_user_adds() {
    let call = |id: &'static str| {
        Part::new(Content::ToolCall(ToolCall {
            id: id.into(),
            name: "f".into(),
            arguments: "".into(),
            custom: false,
        }))
    };
    let result = |id: &'static str| {
        let result = ToolResult {
            call_id: id.into(),
            name: None,
            parts: vec![Part::text("r")],
            is_error: id == "b",
        };
        message(Role::Tool, vec![Part::new(Content::ToolResult(result))])
    };
    let (body, _) = written(|request| {
        request.messages.extend([
            message(Role::Assistant, vec![call("a:0"), call("b")]),
            result("a:0"),
            result("b"),
            message(Role::User, vec![Part::text("go on")]),
            message(Role::User, vec![Part::text("please")]),
        ]);
    });
    let expected = serde_json::json!([
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "a_0", "name": "f", "input": {}},
            {"type": "tool_use", "id": "b", "name": "f", "input": {}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a_0", "content": "r"},
            {"type": "tool_result", "tool_use_id": "b", "content": "r", "is_error": true},
            {"type": "text", "text": "go on"}]},
        {"role": "user", "content": "please"},
    ]);
    assert_eq!(body["messages"], expected);
    let dangling = refused(|request| request.messages.push(result("a")));
    assert!(
        dangling.starts_with("'messages[1]' can't be converted"),
        "{dangling}"
    );
    assert!(dangling.ends_with("a result of a call that no message before it makes"));
}

#[test]
fn late_instructions_stay_where_the_model_takes_them_and_move_where_not() {
    let late = |request: &mut ChatRequest<'static>| {
        request
            .messages
            .insert(0, message(Role::Developer, vec![Part::text("be kind")]));
        request
            .messages
            .push(message(Role::System, vec![Part::text("be brief")]));
    };
    let (body, lost) = written(late);
    let texts =
        ["be kind", "be brief"].map(|text| serde_json::json!({"type": "text", "text": text}));
    assert_eq!(body["system"], serde_json::json!(texts));
    assert_eq!(params(&lost), [("messages[2].role", false)]);
    let (body, lost) = written(|request| {
        request.model = "claude-opus-4-8".into();
        late(request);
    });
    assert_eq!(body["system"], "be kind");
    assert_eq!(
        body["messages"][1],
        serde_json::json!({"role": "system", "content": "be brief"})
    );
    assert_eq!(lost.lost, []);
}

#[test]
fn a_conversation_of_nothing_is_refused_and_empty_messages_are_left_out() {
    let why = refused(|request| request.messages[0].role = Role::System);
    assert!(why.starts_with("'messages'"), "{why}");
    let why = refused(|request| request.messages[0].parts = vec![Part::text("")]);
    assert!(why.starts_with("'messages'"), "{why}");
    let (body, lost) = written(|request| {
        request
            .messages
            .push(message(Role::Assistant, vec![Part::text("")]));
        request
            .messages
            .push(message(Role::User, vec![Part::text("?")]));
    });
    assert_eq!(body["messages"].as_array().unwrap().len(), 2);
    assert_eq!(params(&lost), [("messages[1].content", true)]);
}

#[test]
fn images_are_held_to_what_anthropic_sees() {
    let shown = |message: Message<'static>| refused(|request| request.messages.push(message));
    let url = |url: &'static str| image(Source::Url(url.into()), "");
    assert!(shown(url("gs://a/b")).contains("'messages[1].content[0]'"));
    assert!(shown(url("data:image/png,xyz")).contains("data:TYPE;base64,DATA"));
    assert!(shown(url("data:image/png;base64,a*b=")).contains("not base64 with padding"));
    assert!(shown(image(Source::Base64("aGk".into()), "image/png")).contains("base64"));
    assert!(shown(image(Source::Base64("aGk=".into()), "image/tiff")).contains("JPEG"));
    let large = "A".repeat(11 << 20);
    let large = shown(image(Source::Base64(large.into()), "image/png"));
    assert!(
        large.contains("11.0 MiB in base64, over this upstream's limit of 10.0 MiB"),
        "{large}"
    );
    let (body, _) = written(|request| {
        request.messages[0] = url("data:image/jpg;base64,aGk=");
    });
    let source = serde_json::json!({"type": "base64", "media_type": "image/jpeg", "data": "aGk="});
    assert_eq!(body["messages"][0]["content"][0]["source"], source);
    let options = WriteOptions {
        profile: Profile::BedrockInvoke,
        ..WriteOptions::default()
    };
    let far = request(|request| request.messages.push(url("https://a.example/b.png")));
    let far = write_request(&far, &options).unwrap();
    assert_eq!(params(&far)[0], ("messages[1].content[0]", false));
}

#[test]
fn a_text_file_is_told_as_text() {
    let (body, _) = written(|request| {
        let file = media(Source::Base64("aMOpIQ==".into()), "text/csv");
        request.messages[0].parts = vec![Part::new(Content::File(file))];
    });
    let source = serde_json::json!({"type": "text", "media_type": "text/plain", "data": "hé!"});
    assert_eq!(body["messages"][0]["content"][0]["source"], source);
}

#[test]
fn reasoning_goes_back_with_its_signature_only() {
    let (body, lost) = written(|request| {
        let unsigned = Content::Reasoning(Thought {
            text: "hm".into(),
            signature: None,
            redacted: None,
        });
        let parts = vec![Part::new(unsigned), Part::text("so")];
        request.messages.push(message(Role::Assistant, parts));
    });
    let kept = serde_json::json!([{"type": "text", "text": "so"}]);
    assert_eq!(body["messages"][1]["content"], kept);
    assert_eq!(params(&lost), [("messages[1].content[0].reasoning", false)]);
}

#[test]
fn effort_becomes_what_the_model_takes() {
    let asked = |model: &'static str, effort, max_tokens| {
        let (body, _) = written(|request| {
            request.model = model.into();
            request.sampling.max_tokens = max_tokens;
            request.reasoning = Some(Reasoning {
                effort: Some(effort),
                ..Reasoning::default()
            });
        });
        let config = body.get("output_config").cloned().unwrap_or_default();
        (
            body["thinking"].clone(),
            config,
            body["max_tokens"].as_u64(),
        )
    };
    let json = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
    let none = serde_json::Value::Null;
    assert_eq!(
        asked("claude-opus-5", Effort::High, None),
        (
            json(r#"{"type":"adaptive"}"#),
            json(r#"{"effort":"high"}"#),
            Some(4096)
        )
    );
    let budget = |tokens: u64| json(&format!(r#"{{"type":"enabled","budget_tokens":{tokens}}}"#));
    assert_eq!(
        asked(
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            Effort::Medium,
            None
        ),
        (budget(8192), none.clone(), Some(8192 + 4096))
    );
    assert_eq!(
        asked("claude-haiku-4-5", Effort::High, Some(2000)),
        (budget(1999), none.clone(), Some(2000))
    );
    assert_eq!(
        asked("claude-haiku-4-5", Effort::High, Some(500)),
        (none.clone(), none.clone(), Some(500))
    );
    assert_eq!(
        asked("claude-opus-4-7", Effort::None, None),
        (json(r#"{"type":"disabled"}"#), none, Some(4096))
    );
}

#[test]
fn tools_are_told_that_their_arguments_are_an_object() {
    let schema = |parameters: Option<&'static str>| {
        let (body, _) = written(|request| {
            request.tools = vec![Tool {
                name: "f".into(),
                description: None,
                parameters: parameters.map(Cow::Borrowed),
                strict: None,
                cache: None,
                builtin: None,
                extra: Vec::new(),
            }];
            request.parallel_tool_calls = Some(false);
        });
        let choice = serde_json::json!({"type": "auto", "disable_parallel_tool_use": true});
        assert_eq!(body["tool_choice"], choice);
        body["tools"][0]["input_schema"].to_string()
    };
    assert_eq!(schema(None), r#"{"type":"object"}"#);
    assert_eq!(schema(Some(" { } ")), r#"{"type":"object"}"#);
    assert_eq!(schema(Some(r#"{"a": 1}"#)), r#"{"a":1,"type":"object"}"#);
    assert_eq!(schema(Some(r#"{"type":"x"}"#)), r#"{"type":"x"}"#);
}

#[test]
fn only_allowed_tools_are_brought_over() {
    let tool = |name: &'static str, builtin: Option<&'static str>| Tool {
        name: name.into(),
        description: None,
        parameters: None,
        strict: None,
        cache: None,
        builtin: builtin.map(|kind| (kind.into(), "{}".into())),
        extra: Vec::new(),
    };
    let (body, lost) = written(|request| {
        request.tools = vec![
            tool("a", None),
            tool("b", None),
            tool("c", Some("file_search")),
        ];
        request.tool_choice = Some(ToolChoice::Allowed(vec!["b".into(), "c".into()], true));
    });
    assert_eq!(body["tools"].as_array().unwrap().len(), 1);
    assert_eq!(body["tools"][0]["name"], "b");
    assert_eq!(body["tool_choice"], serde_json::json!({"type": "any"}));
    assert_eq!(
        params(&lost),
        [("tools[2]", false), ("tool_choice.allowed_tools", false)]
    );
}

#[test]
fn what_anthropic_has_no_place_for_is_named() {
    let (body, lost) = written(|request| {
        request.sampling = Sampling {
            temperature: Some(1.5),
            n: Some(2),
            seed: Some(1),
            frequency_penalty: Some(0.0),
            presence_penalty: Some(0.5),
            logprobs: true,
            stop: vec![" ".into(), "END".into()],
            ..Sampling::default()
        };
        request.output = Some(OutputFormat::JsonObject);
        request.metadata = vec![("a".into(), "b".into())];
        request.prompt_cache_key = Some("k".into());
        request.service_tier = Some("flex".into());
        let field = |name: &str, value: &str| Field {
            name: name.into(),
            value: value.into(),
        };
        request.extra = vec![field("store", "false"), field("verbosity", "\"low\"")];
    });
    assert_eq!(body["temperature"], 1);
    assert_eq!(body["stop_sequences"], serde_json::json!(["END"]));
    let expected = [
        ("temperature", false),
        ("stop", false),
        ("n", false),
        ("seed", false),
        ("presence_penalty", false),
        ("logprobs", false),
        ("response_format", false),
        ("metadata", true),
        ("service_tier", true),
        ("prompt_cache_key", true),
        ("store", true),
        ("verbosity", false),
    ];
    assert_eq!(params(&lost), expected);
}

#[test]
fn arguments_that_are_no_object_are_refused() {
    let why = refused(|request| {
        let call = ToolCall {
            id: "a".into(),
            name: "f".into(),
            arguments: "[1]".into(),
            custom: false,
        };
        let call = vec![Part::new(Content::ToolCall(call))];
        request.messages.push(message(Role::Assistant, call));
    });
    assert!(why.contains("'messages[1].content[0].arguments'"), "{why}");
}
