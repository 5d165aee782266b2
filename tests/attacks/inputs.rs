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
