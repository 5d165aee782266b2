//! Requests: what is read, what is refused, and which bytes go upstream.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use forebay_dialect::canonical::{Field, Message, Operation, Part, ToolCall};
use forebay_dialect::{BodyChange, EditError, Request, RequestError, TextEdit};

fn chat(body: &str) -> Request {
    Request::parse(Operation::Chat, Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn completion(body: &str) -> Request {
    Request::parse(
        Operation::Completion,
        Bytes::copy_from_slice(body.as_bytes()),
    )
    .unwrap()
}

/// A chat request with these messages.
fn messages(messages: &str) -> Request {
    chat(&format!(r#"{{"model":"m","messages":{messages}}}"#))
}

fn refused(body: impl AsRef<[u8]>) -> RequestError {
    Request::parse(Operation::Chat, Bytes::copy_from_slice(body.as_ref())).unwrap_err()
}

fn field(name: &str, value: &str) -> Field {
    Field {
        name: name.into(),
        value: value.into(),
    }
}

fn edit(message: u32, part: u32, range: std::ops::Range<u32>, text: &str) -> TextEdit {
    TextEdit {
        message,
        part,
        range,
        text: text.into(),
    }
}

#[test]
fn a_chat_request_is_read_whole() {
    let request = chat(
        r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"seed":-3,"n":2,
            "max_tokens":5,"max_completion_tokens":7,"temperature":0.5,"zz":[1, 2],"a":null,
            "tools":[{"type":"function","function":{"name":"f"}}],
            "messages":[{"role":"system","content":"s"},{"name":"bob","role":"user","content":"u"}]}"#,
    );
    assert!(request.stream && request.include_usage);
    let prompt = &request.prompt;
    assert_eq!(prompt.model, "m");
    assert_eq!(prompt.messages[1].parts, [Part::Text("u".into())]);
    assert_eq!(prompt.messages[1].extra, [field("name", "\"bob\"")]);
    assert_eq!(
        prompt.tools,
        [r#"{"function":{"name":"f"},"type":"function"}"#]
    );
    assert_eq!(prompt.sampling.max_tokens, Some(7));
    assert_eq!(
        (prompt.sampling.seed, prompt.sampling.n),
        (Some(-3), Some(2))
    );
    let names: Vec<_> = prompt
        .extra
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    let expected = [
        "a",
        "max_completion_tokens",
        "max_tokens",
        "n",
        "seed",
        "stream",
        "stream_options",
        "temperature",
        "zz",
    ];
    assert_eq!(names, expected);
    let needs = request.needs();
    assert!(needs.streaming && needs.tools && needs.multiple_choices);
    assert!(!needs.vision && !needs.json_schema && !needs.logprobs && !needs.token_ids);
}

#[test]
fn tool_calls_follow_the_content_and_keep_their_unknown_fields() {
    let request = messages(
        r#"[{"role":"assistant","tool_calls":[{"id":"1","type":"function","x":9,
            "function":{"name":"f","arguments":"{\"a\":1}"}}],"content":"c"}]"#,
    );
    let call = ToolCall {
        id: "1".into(),
        name: "f".into(),
        arguments: "{\"a\":1}".into(),
        custom: false,
    };
    let expected = Message {
        role: "assistant".into(),
        parts: vec![Part::Text("c".into()), Part::ToolCall(call)],
        extra: vec![field(
            "tool_calls",
            r#"[{"function":{},"type":"function","x":9}]"#,
        )],
    };
    assert_eq!(request.prompt.messages, [expected]);
}

#[test]
fn messages_that_differ_in_anything_read_differently() {
    let variants = [
        r#"{"role":"user"}"#,
        r#"{"role":"user","content":null}"#,
        r#"{"role":"user","content":""}"#,
        r#"{"role":"user","content":[]}"#,
        r#"{"role":"user","content":"a"}"#,
        r#"{"role":"user","content":[{"type":"text","text":"a"}]}"#,
        r#"{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}"#,
        r#"{"role":"user","content":[{"type":"refusal","refusal":"a"}]}"#,
        r#"{"role":"user","content":"a","tool_calls":null}"#,
        r#"{"role":"user","content":"a","tool_calls":[]}"#,
        r#"{"role":"user","content":"a","function_call":null}"#,
        r#"{"role":"user","content":"a","function_call":{"name":"f","arguments":"{}"}}"#,
        r#"{"role":"user","content":"a","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}"#,
        r#"{"role":"user","content":"a","tool_calls":[{"id":"","function":{"name":"f","arguments":"{}"}}]}"#,
        r#"{"role":"user","content":"a","tool_calls":[{"function":{"name":"f"}}]}"#,
        r#"{"role":"user","content":"a","tool_calls":[{"type":"custom","custom":{"name":"f","input":"{}"}}]}"#,
    ];
    let prompts: Vec<_> = variants
        .map(|message| messages(&format!("[{message}]")).prompt)
        .into();
    for (at, prompt) in prompts.iter().enumerate() {
        for (other_at, other) in prompts.iter().enumerate().skip(at + 1) {
            assert_ne!(prompt, other, "{} and {}", variants[at], variants[other_at]);
        }
    }
}

#[test]
fn empty_absent_and_null_tools_read_differently() {
    let with = |rest: &str| {
        chat(&format!(
            r#"{{"model":"m","messages":[{{"role":"u"}}]{rest}}}"#
        ))
    };
    let [absent, null, empty] = ["", ",\"tools\":null", ",\"tools\":[]"].map(with);
    assert_ne!(absent.prompt, null.prompt);
    assert_ne!(absent.prompt, empty.prompt);
    assert_ne!(null.prompt, empty.prompt);
}

#[test]
fn order_and_white_space_do_not_change_what_is_read() {
    let one = chat(r#"{"model":"m","top_k":5,"messages":[{"role":"user","content":"\u0061"}]}"#);
    let other = chat(
        "{ \"messages\" : [ {\"content\":\"a\",\n\"role\":\"user\"} ], \"top_k\": 5,\"model\":\"m\" }",
    );
    assert_eq!(one.prompt, other.prompt);
}

#[test]
fn every_form_of_a_completion_prompt_is_read() {
    let prompts = |prompt: &str| completion(&format!(r#"{{"model":"m","prompt":{prompt}}}"#));
    let opaque = |request: &Request, at: usize| match &request.prompt.messages[at].parts[..] {
        [Part::Opaque(part)] => (part.kind.clone(), part.json.clone()),
        parts => panic!("{parts:?}"),
    };
    let text = prompts("\"a\"");
    assert_eq!(text.prompt.messages.len(), 1);
    assert_eq!(text.prompt.messages[0].role, "user");
    assert_eq!(text.prompt.messages[0].parts, [Part::Text("a".into())]);
    let texts = prompts(r#"["a","b"]"#);
    assert_eq!(texts.prompt.messages[1].parts, [Part::Text("b".into())]);
    assert!(texts.needs().multiple_choices);
    let ids = prompts("[1, 2, 3]");
    assert_eq!(opaque(&ids, 0), ("token_ids".into(), "[1,2,3]".into()));
    assert!(ids.needs().token_ids);
    assert_eq!(ids.estimated_input_tokens(), 3);
    let lists = prompts("[[1],[2,3]]");
    assert_eq!(opaque(&lists, 1).1, "[2,3]");
    assert_eq!(lists.estimated_input_tokens(), 3);
    assert_ne!(prompts("[[1]]").prompt, prompts("[1]").prompt);
    assert_ne!(prompts("[\"a\"]").prompt, text.prompt);
}

#[test]
fn needs_are_seen() {
    let needs = |body: &str| chat(body).needs();
    let user = r#""model":"m","messages":[{"role":"user","content":"a"}]"#;
    let with = |rest: &str| needs(&format!("{{{user},{rest}}}"));
    assert!(with(r#""response_format":{"type":"json_schema","json_schema":{}}"#).json_schema);
    assert!(!with(r#""response_format":{"type":"text"}"#).json_schema);
    assert!(with(r#""logprobs":true"#).logprobs);
    assert!(!with(r#""logprobs":false"#).logprobs);
    assert!(with(r#""modalities":["text","audio"]"#).audio);
    assert!(with(r#""functions":[{"name":"f"}]"#).tools);
    assert!(!with(r#""tools":[]"#).tools);
    let image = r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]"#;
    assert!(messages(image).needs().vision);
    let sound = r#"[{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}]"#;
    assert!(messages(sound).needs().audio);
}

#[test]
fn the_estimate_is_a_third_of_the_bytes_and_images_are_capped() {
    let estimate = |content: &str| {
        messages(&format!(r#"[{{"role":"user","content":{content}}}]"#)).estimated_input_tokens()
    };
    assert_eq!(estimate("\"\""), 0);
    assert_eq!(estimate("\"abcd\""), 2);
    let image = format!(
        r#"[{{"type":"image_url","image_url":"{}"}}]"#,
        "A".repeat(1_000_000)
    );
    assert_eq!(estimate(&image), 2048);
}

#[test]
fn a_refusal_names_the_field_and_never_the_prompt() {
    let cases = [
        ("[1]", "body", "invalid_type"),
        (
            r#"{"messages":[{"role":"user"}]}"#,
            "model",
            "missing_required_parameter",
        ),
        (r#"{"model":"m"}"#, "messages", "missing_required_parameter"),
        (r#"{"model":1,"messages":[]}"#, "model", "invalid_type"),
        (
            r#"{"model":"m","messages":"hush"}"#,
            "messages",
            "invalid_type",
        ),
        (
            r#"{"model":"m","messages":[]}"#,
            "messages",
            "invalid_value",
        ),
        (
            r#"{"model":"m","messages":["hush"]}"#,
            "messages[0]",
            "invalid_type",
        ),
        (
            r#"{"model":"m","messages":[{}]}"#,
            "messages[0].role",
            "missing_required_parameter",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user"},{"role":"user"},{"role":"user","content":7}]}"#,
            "messages[2].content",
            "invalid_type",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":["hush"]}]}"#,
            "messages[0].content[0]",
            "invalid_type",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":[]}]}]}"#,
            "messages[0].content[0].text",
            "invalid_type",
        ),
        (
            r#"{"model":"m","messages":[{"role":"a","tool_calls":[{"function":{"name":"f","arguments":7}}]}]}"#,
            "messages[0].tool_calls[0].function.arguments",
            "invalid_type",
        ),
        (
            r#"{"model":"m","messages":[{"role":"u"}],"tools":{}}"#,
            "tools",
            "invalid_type",
        ),
        (
            r#"{"model":"m","messages":[{"role":"u"}],"stream":"yes"}"#,
            "stream",
            "invalid_type",
        ),
        (
            r#"{"model":"m","messages":[{"role":"u"}],"n":0}"#,
            "n",
            "invalid_value",
        ),
        (
            r#"{"model":"m","messages":[{"role":"u"}],"max_tokens":1.5}"#,
            "max_tokens",
            "invalid_value",
        ),
        (
            r#"{"model":"m","messages":[{"role":"u"}],"max_tokens":-1}"#,
            "max_tokens",
            "invalid_value",
        ),
        (
            r#"{"model":"m","messages":[{"role":"u"}],"seed":9223372036854775808}"#,
            "seed",
            "invalid_value",
        ),
        (
            r#"{"model":"m","messages":[{"role":"u"}],"temperature":1e999}"#,
            "temperature",
            "invalid_value",
        ),
    ];
    for (body, param, code) in cases {
        let error = refused(body);
        assert_eq!((error.param(), error.code()), (Some(param), code), "{body}");
        let message = error.to_string();
        assert!(
            message.contains(param) && !message.contains("hush"),
            "{message}"
        );
    }
}

#[test]
fn what_vllm_refuses_is_refused_for_the_same_field() {
    let exchange = include_str!("fixtures/error-bad-messages.request.json");
    let exchange: serde_json::Value = serde_json::from_str(exchange).unwrap();
    let error = refused(exchange["body"].to_string());
    assert_eq!(error.param(), Some("messages"));
    assert!(include_str!("fixtures/error-bad-messages.response").contains("body.messages"));
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    let message = |body: &[u8]| refused(body).to_string();
    assert!(message(b"{\"model\": }").contains("line 1 column 11"));
    assert!(message(b"").contains("malformed JSON"));
    assert!(message(b"{} {}").contains("trailing characters"));
    assert!(message(b"{\"a\":\"\xff\"}").contains("invalid UTF-8 at byte 6"));
    assert!(
        message(b"{\"a\":1,\n \"b\":{\"c\":[{\"d\":1,\"\\u0064\":2}]}}")
            .contains("line 2 column 19")
    );
    assert!(message(br#"{"a":"\ud800"}"#).contains("unpaired surrogate"));
    assert!(message(br#"{"a":"\udc00\ud800"}"#).contains("unpaired surrogate"));
    assert!(message(b"{\"a\":\"\n\"}").contains("control character"));
}

#[test]
fn a_name_twice_is_found_among_many_too() {
    let many: String = (0..40).map(|at| format!("\"k{at}\":{at},")).collect();
    let message = refused(format!("{{{many}\"k7\":0}}")).to_string();
    assert!(message.contains("twice"), "{message}");
}

#[test]
fn depth_is_limited_and_no_depth_overflows_the_stack() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        format!(r#"{{"model":"m","messages":[{{"role":"user"}}],"x":{open}{close}}}"#)
    };
    chat(&nested(64));
    assert!(refused(nested(65)).to_string().contains("deeper than 64"));
    assert!(
        refused(nested(3_000_000))
            .to_string()
            .contains("deeper than 64")
    );
    assert_eq!(refused(nested(200)).code(), "nesting_too_deep");
}

const BODY: &str = r#" {"model":"a", "stream" : false,"messages":[{"role":"user","content":"x\ty"}] , "z":{"k":1.0} }
"#;

#[test]
fn nothing_changed_is_the_same_bytes() {
    let request = chat(BODY);
    let change = BodyChange {
        model: Some("a"),
        stream: Some(false),
        include_usage: true,
        set: &[("z", r#"{"k":1.0}"#)],
        remove: &["absent"],
    };
    assert_eq!(
        request.upstream_body(&change).as_ptr(),
        request.body.as_ptr()
    );
    assert_eq!(request.upstream_body(&BodyChange::default()), BODY);
}

#[test]
fn only_what_changes_is_spliced_in() {
    let request = chat(BODY);
    let body = |change: BodyChange<'_>| {
        String::from_utf8(request.upstream_body(&change).to_vec()).unwrap()
    };
    let none = BodyChange::default();
    assert_eq!(
        body(BodyChange {
            model: Some("b\""),
            ..none
        }),
        BODY.replace("\"a\"", r#""b\"""#)
    );
    assert_eq!(
        body(BodyChange {
            stream: Some(true),
            include_usage: true,
            ..none
        }),
        BODY.replace("false", "true").replace(
            "1.0} }",
            r#"1.0} ,"stream_options":{"include_usage":true}}"#
        )
    );
    assert_eq!(
        body(BodyChange {
            set: &[("cache_salt", "\"s\""), ("z", "2")],
            ..none
        }),
        BODY.replace(r#"{"k":1.0} }"#, r#"2 ,"cache_salt":"s"}"#)
    );
}

#[test]
fn members_go_with_their_commas() {
    let source = r#"{"model":"m","messages":[{"role":"u"}],"a":1, "b":2}"#;
    let request = chat(source);
    let without = |remove: &[&str]| {
        let body = request.upstream_body(&BodyChange {
            remove,
            ..BodyChange::default()
        });
        String::from_utf8(body.to_vec()).unwrap()
    };
    assert_eq!(
        without(&["a"]),
        r#"{"model":"m","messages":[{"role":"u"}],"b":2}"#
    );
    assert_eq!(
        without(&["b"]),
        r#"{"model":"m","messages":[{"role":"u"}],"a":1}"#
    );
    assert_eq!(
        without(&["a", "b"]),
        r#"{"model":"m","messages":[{"role":"u"}]}"#
    );
    assert_eq!(
        without(&["model", "a"]),
        r#"{"messages":[{"role":"u"}],"b":2}"#
    );
    assert_eq!(without(&["model", "messages", "a", "b"]), "{}");
    let all = ["model", "messages", "a", "b"];
    let change = BodyChange {
        remove: &all,
        set: &[("c", "3")],
        ..BodyChange::default()
    };
    assert_eq!(request.upstream_body(&change), r#"{"c":3}"#);
}

#[test]
fn usage_is_asked_for_in_whatever_options_there_are() {
    let asked = |options: &str| {
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"u"}}],"stream":true,"stream_options":{options}}}"#
        );
        let change = BodyChange {
            include_usage: true,
            ..BodyChange::default()
        };
        let sent = chat(&body).upstream_body(&change);
        let sent = String::from_utf8(sent.to_vec()).unwrap();
        sent.split_once("options\":")
            .unwrap()
            .1
            .trim_end_matches('}')
            .to_owned()
            + "}"
    };
    assert_eq!(asked("null"), r#"{"include_usage":true}"#);
    assert_eq!(asked("{}"), r#"{"include_usage":true}"#);
    assert_eq!(
        asked(r#"{"include_usage": false}"#),
        r#"{"include_usage": true}"#
    );
    assert_eq!(asked(r#"{"x":1}"#), r#"{"include_usage":true,"x":1}"#);
    assert_eq!(
        asked(r#"{ "include_usage":true}"#),
        r#"{ "include_usage":true}"#
    );
}

#[test]
fn without_a_stream_its_options_go() {
    let request = chat(
        r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"u"}]}"#,
    );
    let change = BodyChange {
        stream: Some(false),
        include_usage: true,
        ..BodyChange::default()
    };
    assert_eq!(
        request.upstream_body(&change),
        r#"{"model":"m","stream":false,"messages":[{"role":"u"}]}"#
    );
}

#[test]
fn an_edit_changes_only_its_bytes_across_escapes() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"\u0041\ud83d\ude00 mail \"a@b.c\" \n"}]}"#;
    let mut request = chat(body);
    let Part::Text(text) = request.prompt.messages[0].parts[0].clone() else {
        panic!()
    };
    let at = text.find("a@b.c").unwrap() as u32;
    request
        .edit(&[edit(0, 0, 0..1, "B"), edit(0, 0, at..at + 5, "[\"E\"]")])
        .unwrap();
    assert_eq!(
        request.body,
        body.replace(r"\u0041", "B").replace("a@b.c", r#"[\"E\"]"#)
    );
    assert_eq!(
        request.prompt.messages[0].parts[0],
        Part::Text("B😀 mail \"[\"E\"]\" \n".into())
    );
    assert_eq!(request.upstream_body(&BodyChange::default()), request.body);
}

#[test]
fn arguments_and_strings_in_opaque_parts_can_be_edited() {
    let body = r#"{"model":"m","messages":[
        {"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":"{\"to\":\"ann\"}"}}]},
        {"role":"user","content":[{"type":"file" , "file":{"zz":"s\u00e9cret 1","aa":"\u0073\u00e9cret 2"}}]}]}"#;
    let mut request = chat(body);
    let Part::Opaque(part) = request.prompt.messages[1].parts[0].clone() else {
        panic!()
    };
    let at = |needle: &str| part.json.find(needle).unwrap() as u32;
    let (one, two) = (at("sécret 1"), at("sécret 2"));
    // In canonical order `aa` comes first, in the body `zz`.
    assert!(two < one);
    let edits = [
        edit(0, 0, 7..10, "bob"),
        edit(1, 0, two..two + 7, "open"),
        edit(1, 0, one..one + 7, "\"open\""),
    ];
    request.edit(&edits).unwrap();
    let expected = body
        .replace("ann", "bob")
        .replace(r"s\u00e9cret 1", r#"\"open\" 1"#)
        .replace(r"\u0073\u00e9cret 2", "open 2");
    assert_eq!(request.body, expected);
}

#[test]
fn many_strings_of_one_part_can_be_edited_several_times_each() {
    let said = |n: usize, name: &str| format!(r#""k{n:05}":"s\u00e9 {name} \n{name}""#);
    let of = |name: &str| {
        let strings: Vec<_> = (0..20_000).map(|n| said(n, name)).collect();
        let content = strings.join(",");
        format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"x","y":{{{content}}}}}]}}]}}"#
        )
    };
    let mut request = chat(&of("ann"));
    let Part::Opaque(part) = request.prompt.messages[0].parts[0].clone() else {
        panic!()
    };
    let found = part.json.match_indices("ann");
    let edits: Vec<_> = found
        .map(|(at, _)| edit(0, 0, at as u32..at as u32 + 3, "barbara"))
        .collect();
    assert_eq!(edits.len(), 40_000);
    request.edit(&edits).unwrap();
    assert!(request.body == of("barbara"));
}

#[test]
fn edits_that_cannot_be_made_change_nothing() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"é\ny"},
        {"role":"user","content":[{"type":"x","y":"a\nb","n":12}]},
        {"role":"user","content":null},{"role":"a","function_call":{"name":"f"}}]}"#;
    let mut request = chat(body);
    let before = request.clone();
    let mut refused = |edits: &[TextEdit]| {
        let error = request.edit(edits).unwrap_err();
        assert_eq!(
            (&request.prompt, &request.body),
            (&before.prompt, &before.body)
        );
        error
    };
    let bad_range = |error| matches!(error, EditError::BadRange { .. });
    assert!(bad_range(refused(&[edit(0, 0, 1..2, "")])));
    assert!(bad_range(refused(&[edit(0, 0, 0..9, "")])));
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    let reversed = edit(0, 0, 3..2, "");
    assert!(bad_range(refused(&[reversed])));
    let out_of_order = |error| matches!(error, EditError::OutOfOrder { index: 1 });
    assert!(out_of_order(refused(&[
        edit(0, 0, 0..3, ""),
        edit(0, 0, 2..4, "")
    ])));
    assert!(out_of_order(refused(&[
        edit(1, 0, 0..1, ""),
        edit(0, 0, 0..2, "")
    ])));
    let missing = |error| matches!(error, EditError::NoSuchPart { .. });
    assert!(missing(refused(&[edit(2, 0, 0..0, "")])));
    assert!(missing(refused(&[edit(3, 0, 0..0, "")])));
    assert!(missing(refused(&[edit(9, 0, 0..0, "")])));
    // {"n":12,"type":"x","y":"a\nb"}: a number, a name, across strings, inside an escape.
    let outside = |error| matches!(error, EditError::NotInString { .. });
    for range in [5..7, 9..10, 16..25] {
        assert!(outside(refused(&[edit(1, 0, range, "")])));
    }
    assert!(bad_range(refused(&[edit(1, 0, 26..27, "")])));
}
