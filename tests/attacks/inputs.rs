//! Class: what an engine may not learn. A value under a mask rule goes up from no place of a request, and
//! comes back to its client in every place of the answer.

use forebay_tests::{Config, Forebay, Scripted};
use serde_json::{Value, json};

const ADDRESS: &str = "ann.smith@mail.example.org";
const RULES: &str = r#"
[[policies.guardrails.config.rules]]
name = "addresses"
kind = "pii"
entities = ["EMAIL"]
action = "mask"
apply = ["input"]
"#;

/// An upstream that calls the tool it is offered, with what it was told, and repeats the last message.
async fn calls_back() -> Scripted {
    Scripted::start(|mut call| async move {
        let body = call.request.json();
        let messages = body["messages"].as_array().unwrap();
        let said = messages.last().unwrap()["content"].clone();
        let name = body["tools"][0]["function"]["name"].clone();
        let arguments = json!({"to": said, "form": json!({"note": said}).to_string()});
        let answer = json!({
            "id": body["messages"][0]["tool_calls"][0]["id"], "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "content": format!("see https://x.org/?to={} ok", said.as_str().unwrap()),
                "tool_calls": [{"id": "c", "type": "function", "function": {
                    "name": name, "arguments": arguments.to_string()}}]}}],
        });
        call.answer("200 OK", "application/json", &answer.to_string()).await;
    })
    .await
}

#[tokio::test]
async fn a_masked_value_goes_up_from_no_place_and_comes_back_to_all() {
    let upstream = calls_back().await;
    let config: Config = upstream.behind(RULES);
    let forebay = Forebay::start(config).await;
    let body = json!({
        "model": "m", "user": ADDRESS, "metadata": {ADDRESS: format!("of {ADDRESS}")}, "stop": [format!("bye {ADDRESS}")],
        "messages": [
            {"role": "assistant", "content": "ok", "tool_calls": [{"id": format!("call_{ADDRESS}"), "type": "function",
                "function": {"name": "look", "arguments": json!({"a": json!({"b": ADDRESS}).to_string()}).to_string()}}]},
            {"role": "tool", "tool_call_id": format!("call_{ADDRESS}"), "content": "found"},
            {"role": "user", "content": ADDRESS},
        ],
        "tools": [{"type": "function", "function": {"name": format!("mail_{ADDRESS}"), "description": format!("writes to {ADDRESS}"),
            "parameters": {"type": "object", "properties": {"to": {"enum": [ADDRESS]}}}}}],
    });
    let reply = forebay.client.chat(&body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = upstream.received().pop().unwrap();
    let text = String::from_utf8_lossy(&sent.body).into_owned();
    assert!(
        !text.contains("smith") && text.contains("[EMAIL_1_"),
        "{text}"
    );
    let sent = sent.json();
    let id = sent["messages"][0]["tool_calls"][0]["id"].as_str().unwrap();
    assert_eq!(
        sent["messages"][1]["tool_call_id"], id,
        "a call and its result are still a pair"
    );
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    assert!(id.chars().all(plain), "{id}");
    assert!(
        sent["tools"][0]["function"]["name"]
            .as_str()
            .unwrap()
            .chars()
            .all(plain)
    );
    // The client reads its own words.
    let answer = reply.json();
    assert_eq!(answer["id"], format!("call_{ADDRESS}"));
    let message = &answer["choices"][0]["message"];
    let called = &message["tool_calls"][0]["function"];
    assert_eq!(called["name"], format!("mail_{ADDRESS}"));
    let arguments: Value = serde_json::from_str(called["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments["to"], ADDRESS);
    let form: Value = serde_json::from_str(arguments["form"].as_str().unwrap()).unwrap();
    assert_eq!(form["note"], ADDRESS);
    assert_eq!(
        message["content"],
        format!("see https://x.org/?to={} ok", ADDRESS.replace('@', "%40"))
    );
    forebay.has_not_logged(&["ann.smith"]);
}

#[tokio::test]
async fn a_value_in_a_word_of_the_format_refuses_the_request() {
    let upstream = calls_back().await;
    let forebay = Forebay::start(upstream.behind(RULES)).await;
    for change in [
        json!({"model": ADDRESS}),
        json!({"messages": [{"role": ADDRESS, "content": "hi"}]}),
    ] {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let reply = forebay.client.chat(&body).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        assert!(!reply.text().contains("smith"), "{}", reply.text());
    }
    assert_eq!(upstream.calls(), 0);
}

/// A document is read as what it decodes to, whatever its sender calls it.
#[tokio::test]
async fn a_text_document_is_seen_whatever_it_is_called() {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let upstream = calls_back().await;
    let deny = "[[policies.guardrails.config.rules]]\nname = \"word\"\nkind = \"dictionary\"\nterms = [\"pomegranate\"]\naction = \"deny\"\napply = [\"input\"]\n";
    let forebay = Forebay::start(upstream.behind(deny)).await;
    let word = "pomegranate";
    let plain = encode(word.as_bytes());
    let wide: Vec<u8> = word.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&[0xff, 0xfe], &wide[..]].concat();
    let percent: String = word.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let urls = [
        format!("data:text/plain;base64,{plain}"),
        format!("DATA:text/plain;base64,{plain}"),
        format!("data:TEXT/Plain;BASE64,{plain}"),
        format!("data:text/plain;charset=utf-8;base64,{plain}"),
        format!("data:;base64,{plain}"),
        format!("data:image/png;base64,{plain}"),
        format!("data:application/javascript;base64,{plain}"),
        format!(
            "data:image/svg+xml;base64,{}",
            encode(b"<svg>pomegranate</svg>")
        ),
        format!(
            "data:application/ld+json;base64,{}",
            encode(b"\"pomegranate\"")
        ),
        format!("data:text/plain;charset=utf-16;base64,{}", encode(&marked)),
        format!("data:text/plain;charset=utf-16le;base64,{}", encode(&wide)),
        format!("data:text/plain,{percent}"),
    ];
    let mut parts: Vec<Value> = urls
        .iter()
        .flat_map(|url| {
            [
                json!({"type": "image_url", "image_url": {"url": url}}),
                json!({"type": "file", "file": {"filename": "a", "file_data": url}}),
            ]
        })
        .collect();
    parts.push(json!({"type": "file", "file": {"filename": "a.txt", "file_data": plain}}));
    parts.push(json!({"type": "input_audio", "input_audio": {"data": plain, "format": "wav"}}));
    for part in parts {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": [part]}]});
        let reply = forebay.client.chat(&body).await;
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
        let body =
            json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "x": part});
        let reply = forebay.client.chat(&body).await;
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
    }
    let image = json!({"model": "m", "stream": false, "messages": [{"role": "user", "content": "hi", "images": [plain]}]});
    let reply = forebay.client.post("/api/chat", &image).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(upstream.calls(), 0);
}
