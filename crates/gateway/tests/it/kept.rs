//! Responses that are kept: who may go on from them, what upstreams and the store see of them.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use bytes::Bytes;
use forebay_gateway::recording::Form;
use http::Request;
use serde_json::{Value, json};

use crate::support::*;

fn ask(body: Value) -> http::request::Builder {
    Request::post("/v1/responses")
        .header("content-type", "application/json")
        .extension(Bytes::from(body.to_string()))
}

fn say(text: &str) -> Value {
    json!({"model": "m", "temperature": 0, "input": text})
}

fn on_from(id: &Value, text: &str) -> Value {
    json!({"model": "m", "input": text, "previous_response_id": id})
}

async fn told(rig: &Rig, request: http::request::Builder) -> (u16, Value) {
    let response = rig.send(request).await.unwrap();
    let status = response.status().as_u16();
    let body = rest(response.into_body()).await;
    (status, serde_json::from_str(&body).unwrap())
}

/// One turn before an upstream of chat completions: what it was asked, and the answer.
async fn turn(rig: &mut Rig, body: Value, answer: &str) -> (Value, Value) {
    let sent = rig.send(ask(body));
    let exchange = rig.exchange().await;
    let asked = exchange.json();
    exchange.whole(200, completion(answer));
    let body = rest(sent.await.unwrap().into_body()).await;
    (asked, serde_json::from_str(&body).unwrap())
}

fn spoken(asked: &Value) -> Vec<(&str, &str)> {
    let messages = asked["messages"].as_array().unwrap().iter();
    let text = |message: &'_ Value| match &message["content"] {
        Value::String(_) => message["content"].clone(),
        parts => parts[0]["text"].clone(),
    };
    messages
        .map(|message| {
            let role = message["role"].as_str().unwrap();
            (
                role,
                Box::leak(
                    text(message)
                        .as_str()
                        .unwrap_or("")
                        .to_owned()
                        .into_boxed_str(),
                ) as &str,
            )
        })
        .collect()
}

#[tokio::test]
async fn a_turn_goes_on_from_the_one_before_it() {
    let mut rig = RigBuilder::default().build();
    let (_, first) = turn(&mut rig, say("one"), "1").await;
    assert_eq!(first["store"], true);
    let (_, second) = turn(&mut rig, on_from(&first["id"], "two"), "2").await;
    assert_eq!(second["previous_response_id"], first["id"]);
    let (asked, third) = turn(&mut rig, on_from(&second["id"], "three"), "3").await;
    assert_eq!(
        spoken(&asked),
        [
            ("user", "one"),
            ("assistant", "1"),
            ("user", "two"),
            ("assistant", "2"),
            ("user", "three")
        ]
    );
    // An older turn is still there to go on from: a branch.
    let (asked, _) = turn(&mut rig, on_from(&first["id"], "other"), "4").await;
    assert_eq!(asked["messages"].as_array().unwrap().len(), 3);

    let get = |path: String| Request::get(path);
    let id = third["id"].as_str().unwrap();
    let (status, again) = told(&rig, get(format!("/v1/responses/{id}"))).await;
    assert_eq!((status, &again), (200, &third));
    let list = format!("/v1/responses/{id}/input_items?order=asc");
    let (_, list) = told(&rig, get(list)).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 5);
    assert_eq!(list["data"][1]["id"], first["output"][0]["id"]);
    let (status, _) = told(&rig, get(format!("/v1/responses/{id}/input_items?limit=0"))).await;
    assert_eq!(status, 400);
    let cancel = Request::post(format!("/v1/responses/{id}/cancel"));
    let (status, error) = told(&rig, cancel).await;
    assert_eq!(status, 400);
    assert_eq!(
        error["error"]["message"],
        "Cannot cancel a synchronous response."
    );

    let delete = || Request::delete(format!("/v1/responses/{id}"));
    let (status, gone) = told(&rig, delete()).await;
    assert_eq!((status, &gone["deleted"]), (200, &json!(true)));
    assert_eq!(told(&rig, delete()).await.0, 404);
    assert_eq!(told(&rig, get(format!("/v1/responses/{id}"))).await.0, 404);
    let (status, error) = told(&rig, ask(on_from(&third["id"], "four"))).await;
    assert_eq!(status, 400);
    assert_eq!(error["error"]["code"], "previous_response_not_found");
    assert_eq!(error["error"]["param"], "previous_response_id");
    assert!(rig.is_idle().await);
}

#[tokio::test]
async fn another_tenants_response_is_not_found() {
    let ((a, key_a), (b, key_b)) = (key("a", "red"), key("b", "blue"));
    let mut rig = RigBuilder {
        keys: vec![a, b],
        ..RigBuilder::default()
    }
    .build();
    let with = |request: http::request::Builder, key: &str| {
        request.header("authorization", format!("Bearer {key}"))
    };
    let sent = rig.send(with(ask(say("secret")), &key_a));
    rig.exchange().await.whole(200, completion("1"));
    let first: Value = serde_json::from_str(&rest(sent.await.unwrap().into_body()).await).unwrap();
    let id = first["id"].as_str().unwrap();
    let path = format!("/v1/responses/{id}");
    for request in [
        Request::get(&path),
        Request::delete(&path),
        Request::get(format!("{path}/input_items")),
        Request::post(format!("{path}/cancel")),
    ] {
        assert_eq!(told(&rig, with(request, &key_b)).await.0, 404);
    }
    let (status, error) = told(&rig, with(ask(on_from(&first["id"], "x")), &key_b)).await;
    assert_eq!(
        (status, &error["error"]["code"]),
        (400, &json!("previous_response_not_found"))
    );
    let item = json!({"model": "m", "input": [
        {"type": "item_reference", "id": first["output"][0]["id"]}]});
    assert_eq!(told(&rig, with(ask(item), &key_b)).await.0, 404);
    let conversation = json!({"model": "m", "input": "x", "conversation": "conv_1"});
    assert_eq!(told(&rig, with(ask(conversation), &key_b)).await.0, 404);
    assert_eq!(told(&rig, with(Request::get(&path), &key_a)).await.0, 200);
    assert_eq!(told(&rig, Request::get(&path)).await.0, 401);
    assert!(rig.is_idle().await);
}

#[tokio::test]
async fn a_stream_is_kept_before_its_client_has_the_end() {
    let mut rig = RigBuilder::default().build();
    let mut body = say("one");
    body["stream"] = true.into();
    let sent = rig.send(ask(body));
    let feed = rig.exchange().await.stream();
    feed.text("1");
    feed.finish();
    let mut response = sent.await.unwrap().into_body();
    let mut events = String::new();
    while !events.contains("event: response.completed") {
        assert!(!events.contains("\"status\":\"completed\",\"error\""));
        events.push_str(&frame(&mut response).await.unwrap());
    }
    let data = |name: &str| -> Value {
        let from = events
            .split(&format!("event: {name}\ndata: "))
            .nth(1)
            .unwrap();
        serde_json::from_str(from.lines().next().unwrap()).unwrap()
    };
    let completed = data("response.completed")["response"].clone();
    assert_eq!(completed["id"], data("response.created")["response"]["id"]);
    let item = data("response.output_item.added")["item"]["id"].clone();
    assert_eq!(completed["output"][0]["id"], item);
    assert_eq!(data("response.output_text.delta")["item_id"], item);
    let (asked, _) = turn(&mut rig, on_from(&completed["id"], "two"), "2").await;
    assert_eq!(asked["messages"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_not_kept() {
    let mut rig = RigBuilder::default().build();
    let mut body = say("one");
    body["stream"] = true.into();
    let sent = rig.send(ask(body));
    let feed = rig.exchange().await.stream();
    feed.text("1");
    feed.break_off();
    let events = rest(sent.await.unwrap().into_body()).await;
    let from = events.split("\"id\":\"resp_").nth(1).unwrap();
    let id = format!("resp_{}", from.split('"').next().unwrap());
    assert_eq!(
        told(&rig, Request::get(format!("/v1/responses/{id}")))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn a_masked_value_is_kept_encrypted_and_masked_again() {
    let mut builder = RigBuilder::default();
    builder.policies.mask = Some("ann@x.org");
    let mut rig = builder.build();
    let sent = rig.send(ask(say("write to ann@x.org")));
    let exchange = rig.exchange().await;
    let mask = spoken(&exchange.json())[0].1.replace("write to ", "");
    assert!(mask.starts_with("[EMAIL_1_"));
    exchange.whole(200, completion(&format!("wrote to {mask}")));
    let first: Value = serde_json::from_str(&rest(sent.await.unwrap().into_body()).await).unwrap();
    assert_eq!(
        first["output"][0]["content"][0]["text"],
        "wrote to ann@x.org"
    );
    for entry in rig.store.entries.lock().unwrap().values() {
        let bytes = match &entry.recording.form {
            Form::Whole(body) => body.to_vec(),
            Form::Events(events) => events.concat(),
        };
        assert!(!String::from_utf8_lossy(&bytes).contains("ann@x.org"));
    }
    let (asked, _) = turn(&mut rig, on_from(&first["id"], "again"), "ok").await;
    let said = spoken(&asked);
    assert_eq!(said[0].1, format!("write to {mask}"));
    assert_eq!(said[1].1, format!("wrote to {mask}"));
}

#[tokio::test]
async fn clients_who_share_a_computation_have_ids_of_their_own() {
    let mut builder = RigBuilder::default();
    builder.policies.mask = Some("ann@x.org");
    let mut rig = builder.build();
    let (_, first) = turn(&mut rig, say("write to ann@x.org"), "ok").await;
    assert!(rig.is_idle().await);
    let (_, again) = told(&rig, ask(say("write to ann@x.org"))).await;
    assert!(rig.is_idle().await, "the second answer came from the store");
    assert_ne!(first["id"], again["id"]);
    assert_ne!(first["output"][0]["id"], again["output"][0]["id"]);
}

#[tokio::test]
async fn items_are_found_by_reference() {
    let mut rig = RigBuilder::default().build();
    let sent = rig.send(ask(say("weather?")));
    let call = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "up",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant",
            "content": null, "tool_calls": [{"id": "call_1", "type": "function",
                "function": {"name": "weather", "arguments": "{}"}}]}}]});
    rig.exchange().await.whole(200, call.to_string());
    let first: Value = serde_json::from_str(&rest(sent.await.unwrap().into_body()).await).unwrap();
    let reference = json!({"type": "item_reference", "id": first["output"][0]["id"]});
    let input = json!({"model": "m", "input": [{"role": "user", "content": "weather?"},
        reference, {"type": "function_call_output", "call_id": "call_1", "output": "sun"}]});
    let (asked, second) = turn(&mut rig, input, "sunny").await;
    assert_eq!(asked["messages"][1]["tool_calls"][0]["id"], "call_1");
    assert_eq!(asked["messages"][2]["content"], "sun");
    // The newest response has the items of those before it.
    let old = first["id"].as_str().unwrap();
    let delete = Request::delete(format!("/v1/responses/{old}"));
    assert_eq!(told(&rig, delete).await.0, 200);
    let input = json!({"model": "m", "input": [reference,
        {"type": "item_reference", "id": second["output"][0]["id"]},
        {"role": "user", "content": "thanks"}]});
    let (asked, _) = turn(&mut rig, input, "ok").await;
    assert_eq!(asked["messages"][0]["tool_calls"][0]["id"], "call_1");
    assert_eq!(asked["messages"][0]["content"], "sunny");
    let unknown = json!({"model": "m", "input": [
        {"type": "item_reference", "id": "msg_0123456789abcdef0123456789abcdef0000"}]});
    let (status, error) = told(&rig, ask(unknown)).await;
    assert_eq!((status, &error["error"]["param"]), (404, &json!("input")));
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_expires() {
    let mut builder = RigBuilder::default();
    builder.config.responses.ttl.0 = Duration::from_secs(60);
    let mut rig = builder.build();
    let (_, first) = turn(&mut rig, say("one"), "1").await;
    tokio::time::advance(Duration::from_secs(61)).await;
    let (status, error) = told(&rig, ask(on_from(&first["id"], "two"))).await;
    assert_eq!(
        (status, &error["error"]["code"]),
        (400, &json!("previous_response_not_found"))
    );
}

#[tokio::test]
async fn nothing_is_kept_that_the_client_or_the_operator_does_not_want_kept() {
    let mut rig = RigBuilder::default().build();
    let mut body = say("one");
    body["store"] = false.into();
    let (_, first) = turn(&mut rig, body, "1").await;
    assert_eq!(first["store"], false);
    assert_eq!(told(&rig, ask(on_from(&first["id"], "two"))).await.0, 400);

    let mut builder = RigBuilder::default();
    builder.config.responses.store = false;
    let mut rig = builder.build();
    let (_, first) = turn(&mut rig, say("one"), "1").await;
    assert_eq!(first["store"], false);
    assert_eq!(told(&rig, ask(on_from(&first["id"], "two"))).await.0, 400);
}

#[tokio::test]
async fn an_upstream_of_the_same_format_is_asked_to_keep_nothing() {
    let mut rig = RigBuilder {
        upstreams: vec![json!({"name": "one", "urls": ["http://one"], "speaks": ["responses"]})],
        ..RigBuilder::default()
    }
    .build();
    let answer = |id: &str, text: &str| {
        json!({"id": id, "object": "response", "created_at": 1, "status": "completed",
            "model": "up", "store": false, "output": [{"type": "message", "id": "msg_up",
                "role": "assistant", "status": "completed", "content":
                    [{"type": "output_text", "text": text, "annotations": []}]}],
            "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}})
        .to_string()
    };
    let sent = rig.send(ask(say("one")));
    let exchange = rig.exchange().await;
    assert_eq!(exchange.json()["store"], false);
    exchange.whole(200, answer("resp_upstreams", "1"));
    let first: Value = serde_json::from_str(&rest(sent.await.unwrap().into_body()).await).unwrap();
    assert_ne!(first["id"], "resp_upstreams");
    let sent = rig.send(ask(on_from(&first["id"], "two")));
    let exchange = rig.exchange().await;
    let asked = exchange.json();
    assert!(asked.get("previous_response_id").is_none());
    assert_eq!(asked["input"].as_array().unwrap().len(), 3);
    exchange.whole(200, answer("resp_b", "2"));
    assert_eq!(sent.await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_needs_an_upstreams_memory_is_refused_by_name() {
    let rig = RigBuilder::default().build();
    for (body, param) in [
        (
            json!({"model": "m", "input": "x", "background": true}),
            "background",
        ),
        (
            json!({"model": "m", "input": "x", "previous_response_id": 7}),
            "previous_response_id",
        ),
        (
            json!({"model": "m", "input": "x", "previous_response_id": "resp_1"}),
            "previous_response_id",
        ),
    ] {
        let (status, error) = told(&rig, ask(body)).await;
        assert_eq!((status, &error["error"]["param"]), (400, &json!(param)));
    }
}
