//! Files and templates that are none, and templates that would not end.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use forebay_tokens::{
    ChatTemplate, Content, Conversation, Model, ModelFiles, Rendering, Tokenizer, TokensError,
};

fn chat(text: &str) -> Conversation {
    let text = serde_json::to_string(text).unwrap();
    let body = format!(r#"{{"messages":[{{"role":"user","content":{text}}}]}}"#);
    Conversation::of_chat(body.as_bytes()).unwrap()
}

fn render(source: &str) -> Result<String, TokensError> {
    ChatTemplate::new(source)?.render(&chat("hi"), Rendering::default())
}

#[test]
fn a_template_that_would_not_end_is_ended() {
    let counts = "{% for a in range(9999) %}{% for b in range(9999) %}{% set c = b %}{% endfor %}{% endfor %}";
    assert!(matches!(render(counts), Err(TokensError::Render(_))));
    let nests = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}";
    assert!(matches!(render(nests), Err(TokensError::Render(_))));
    let writes = "{% for a in range(2000) %}{{ 'x' * 1000 }}{% endfor %}";
    assert!(matches!(render(writes), Err(TokensError::TooLong { .. })));
}

#[test]
fn what_a_template_raises_is_told_and_what_it_fails_on_is_not_repeated() {
    let raised = render("{{ raise_exception('only ' ~ 'one system message') }}").unwrap_err();
    assert!(
        raised.to_string().ends_with("only one system message"),
        "{raised}"
    );
    let secret = chat("a secret prompt");
    let template = ChatTemplate::new("\n{{ messages[0].content | unknown_filter }}");
    let failed = match template {
        Ok(template) => template.render(&secret, Rendering::default()).unwrap_err(),
        Err(error) => error,
    };
    assert!(!failed.to_string().contains("secret"), "{failed}");
    assert!(matches!(
        ChatTemplate::new("{% for %}"),
        Err(TokensError::Template(_))
    ));
}

#[test]
fn how_a_template_wants_content_is_read_from_it() {
    for (source, content) in [
        ("{{ messages[0].content }}", Content::String),
        (
            "{% for m in messages %}{{ m['content'] | trim }}{% endfor %}",
            Content::String,
        ),
        (
            "{% for message in messages %}{%- for part in message.content %}x{% endfor %}{% endfor %}",
            Content::Parts,
        ),
        (
            "{% for message in messages %}{% for part in message['content'] if part.type == 'text' %}x{% endfor %}{% endfor %}",
            Content::Parts,
        ),
        (
            "{% set content = message['content'] %}{% for c in content %}x{% endfor %}",
            Content::Parts,
        ),
    ] {
        assert_eq!(
            ChatTemplate::new(source).unwrap().content(),
            content,
            "{source}"
        );
    }
}

#[test]
fn messages_reach_the_template_as_vllm_hands_them_on() {
    let body = br#"{"messages":[
        {"content":[{"type":"text","text":"one"},{"type":"text","text":"two"}],"role":"user","name":"ann","extra":1},
        {"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"b\":1,\"a\":2}"}}],"reasoning":"hm"},
        {"role":"assistant","content":"x","tool_calls":[]},
        {"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"r"}]}],
        "tools":[{"function":{"parameters":{},"name":"f"},"type":"function"}]}"#;
    let conversation = Conversation::of_chat(body).unwrap();
    let shows = "{{ messages | tojson }}{{ tools | tojson }}";
    let strings = ChatTemplate::new(shows).unwrap();
    let parts = strings.clone().with_content(Content::Parts);
    let text = strings.render(&conversation, Rendering::default()).unwrap();
    assert_eq!(
        text,
        r#"[{"role": "user", "content": "one\ntwo", "name": "ann"}, {"role": "assistant", "content": "", "tool_calls": [{"id": "c", "function": {"arguments": {"b": 1, "a": 2}, "name": "f"}, "type": "function"}], "reasoning": "hm", "reasoning_content": "hm"}, {"role": "assistant", "content": "x"}, {"role": "tool", "content": "r", "tool_call_id": "c"}][{"type": "function", "function": {"name": "f", "description": null, "parameters": {}}}]"#
    );
    let text = parts.render(&conversation, Rendering::default()).unwrap();
    assert!(text.starts_with(r#"[{"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}], "name": "ann"}, {"role": "assistant", "content": [], "#), "{text}");
    assert!(text.contains(r#"{"role": "tool", "content": "r", "#));
}

#[test]
fn requests_with_media_are_not_rendered() {
    let image = br#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}"#;
    for body in [
        &image[..],
        b"{}",
        b"[",
        br#"{"messages":[]}"#,
        br#"{"messages":[{"content":"x"}]}"#,
    ] {
        assert!(matches!(
            Conversation::of_chat(body),
            Err(TokensError::Unsupported(_))
        ));
    }
}

#[test]
fn a_file_that_is_no_tokenizer_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    for (name, text, word) in [
        ("tokenizer.json", "{", "EOF"),
        ("tokenizer.json", "{\"model\": {}}", "not a tokenizer"),
        ("cl100k_base.tiktoken", "not base64", "line 1"),
        ("other.tiktoken", "YQ== 0", "other.tiktoken"),
        ("tekken.json", r#"{"config":{},"vocab":[]}"#, "pattern"),
    ] {
        let error = Tokenizer::from_file(&write(name, text), &[]).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
    let empty = tempfile::tempdir().unwrap();
    let files = ModelFiles {
        path: empty.path().to_owned(),
        template: None,
    };
    assert!(matches!(
        Model::load(&files),
        Err(TokensError::NoTokenizer(_))
    ));
    let missing = Tokenizer::from_file(Path::new("/nowhere/tokenizer.json"), &[]);
    assert!(matches!(missing, Err(TokensError::Read { .. })));
}
