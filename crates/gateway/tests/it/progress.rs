//! `progress = "stream"`: a whole answer is asked for as a stream and put together.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_dialect::event_stream::encode_event;
use forebay_gateway::config::Span;
use http::Request;
use serde_json::{Value, json};

use crate::support::*;

fn upstream(name: &str, provider: &str) -> Value {
    json!({"name": name, "urls": [format!("http://{name}")], "provider": provider, "progress": "stream"})
}

fn rig(upstreams: Vec<Value>) -> Rig {
    RigBuilder {
        upstreams,
        ..RigBuilder::default()
    }
    .build()
}

fn post(path: &str, body: &Value) -> http::request::Builder {
    Request::post(path)
        .header("content-type", "application/json")
        .extension(Bytes::from(body.to_string()))
}

async fn json_of(answer: http::Response<forebay_gateway::ReplyBody<TestPlatform>>) -> Value {
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    serde_json::from_str(&rest(answer.into_body()).await).unwrap()
}

fn chunk(choice: &Value) -> String {
    json!({"id": "c-1", "object": "chat.completion.chunk", "created": 5, "model": "up",
        "system_fingerprint": "fp", "obfuscation": "xyz", "choices": [choice]})
    .to_string()
}

#[tokio::test(start_paused = true)]
async fn a_chat_is_asked_for_as_a_stream_and_answered_whole() {
    let mut rig = rig(vec![upstream("one", "compatible")]);
    let answer = rig.send(chat("hi", false));
    let asked = rig.exchange().await;
    assert_eq!(asked.json()["stream"], true);
    assert_eq!(asked.json()["stream_options"]["include_usage"], true);
    assert_eq!(asked.request.headers()["accept"], "text/event-stream");
    let feed = asked.stream();
    let logprob = |token: &str| json!({"token": token, "logprob": -0.5, "top_logprobs": []});
    for word in ["Hel", "lo"] {
        feed.data(&chunk(
            &json!({"index": 0, "delta": {"role": "assistant", "content": word},
            "logprobs": {"content": [logprob(word)]}, "finish_reason": null}),
        ));
    }
    feed.data(&chunk(
        &json!({"index": 0, "delta": {}, "finish_reason": "stop"}),
    ));
    feed.data(
        &json!({"id": "c-1", "object": "chat.completion.chunk", "created": 5, "model": "up",
        "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}})
        .to_string(),
    );
    feed.data("[DONE]");
    let got = json_of(answer.await.unwrap()).await;
    let expected = json!({"id": "c-1", "object": "chat.completion", "created": 5, "model": "up",
        "system_fingerprint": "fp",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"},
            "logprobs": {"content": [logprob("Hel"), logprob("lo")]}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}});
    assert_eq!(got, expected);
    let summary = rig.summaries().pop().unwrap();
    assert_eq!(summary.usage.unwrap().output, 2);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_falls_silent_or_breaks_off_is_given_up_for_the_next() {
    for breaks in [false, true] {
        let mut builder = RigBuilder {
            upstreams: vec![upstream("one", "compatible"), upstream("two", "compatible")],
            ..RigBuilder::default()
        };
        builder.config.timeouts.idle = Span(Duration::from_secs(20));
        let mut rig = builder.build();
        let began = tokio::time::Instant::now();
        let answer = rig.send(chat("hi", false));
        let asked = rig.exchange().await;
        assert_eq!(asked.host(), "one");
        let first = asked.stream();
        first.text("half of it");
        let mut held = None;
        match breaks {
            true => first.break_off(),
            false => {
                // The rig's own patience is less than the limit: time passes here.
                tokio::time::sleep(Duration::from_secs(15)).await;
                held = Some(first);
            }
        }
        let asked = rig.exchange().await;
        assert_eq!(asked.host(), "two");
        assert_eq!(began.elapsed() >= Duration::from_secs(20), !breaks);
        let second = asked.stream();
        second.text("all of it");
        second.finish();
        let got = json_of(answer.await.unwrap()).await;
        assert_eq!(got["choices"][0]["message"]["content"], "all of it");
        drop(held);
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_answers_whole_all_the_same_is_taken_at_that() {
    let mut rig = rig(vec![upstream("one", "compatible")]);
    let answer = rig.send(chat("hi", false));
    rig.exchange().await.whole(200, completion("well"));
    let got = json_of(answer.await.unwrap()).await;
    assert_eq!(
        got,
        serde_json::from_str::<Value>(&completion("well")).unwrap()
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_its_end_is_no_answer() {
    let mut builder = RigBuilder {
        upstreams: vec![upstream("one", "compatible")],
        ..RigBuilder::default()
    };
    builder.config.retries.attempts = 1;
    let mut rig = builder.build();
    let answer = rig.send(chat("hi", false));
    let feed = rig.exchange().await.stream();
    feed.text("half of it");
    drop(feed);
    assert_eq!(answer.await.unwrap().status(), 502);
}

#[tokio::test(start_paused = true)]
async fn what_can_only_come_whole_is_asked_for_whole() {
    let mut without = upstream("one", "compatible");
    without["capabilities"] = json!({"streaming": false});
    let spoken = json!({"model": "m", "modalities": ["text", "audio"],
        "audio": {"voice": "alloy", "format": "mp3"},
        "messages": [{"role": "user", "content": "hi"}]});
    let best = json!({"model": "m", "prompt": "hi", "best_of": 3});
    let vectors = json!({"model": "m", "input": "hi"});
    let cases = [
        (
            upstream("one", "compatible"),
            "/v1/chat/completions",
            spoken,
        ),
        (upstream("one", "compatible"), "/v1/completions", best),
        (upstream("one", "compatible"), "/v1/embeddings", vectors),
    ];
    for (upstream, path, body) in cases {
        let mut rig = rig(vec![upstream]);
        let _answer = rig.send(post(path, &body));
        let asked = rig.exchange().await.json();
        assert!(asked.get("stream").is_none(), "{path}: {asked}");
    }
    let mut rig = rig(vec![without]);
    let _answer = rig.send(chat("hi", false));
    assert_eq!(rig.exchange().await.json()["stream"], false);
}

#[tokio::test(start_paused = true)]
async fn a_completion_is_put_together() {
    let mut rig = rig(vec![upstream("one", "compatible")]);
    let body = json!({"model": "m", "temperature": 0, "prompt": "hi"});
    let answer = rig.send(post("/v1/completions", &body));
    let feed = rig.exchange().await.stream();
    for (text, finish) in [("a", Value::Null), ("b", json!("length"))] {
        feed.data(
            &json!({"id": "t", "object": "text_completion", "created": 2, "model": "up",
            "choices": [{"index": 0, "text": text, "logprobs": null, "finish_reason": finish}]})
            .to_string(),
        );
    }
    feed.data("[DONE]");
    let got = json_of(answer.await.unwrap()).await;
    assert_eq!(got["object"], "text_completion");
    assert_eq!(got["choices"][0]["text"], "ab");
    assert_eq!(got["choices"][0]["finish_reason"], "length");
}

/// The stream of a message of Anthropic's.
const MESSAGE: [(&str, &str); 6] = [
    (
        "message_start",
        r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"up","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":1}}}"#,
    ),
    (
        "content_block_start",
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    ),
    (
        "content_block_delta",
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#,
    ),
    (
        "content_block_stop",
        r#"{"type":"content_block_stop","index":0}"#,
    ),
    (
        "message_delta",
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":3}}"#,
    ),
    ("message_stop", r#"{"type":"message_stop"}"#),
];

#[tokio::test(start_paused = true)]
async fn a_message_is_put_together_for_its_own_clients_and_for_others() {
    let body = json!({"model": "m", "max_tokens": 50, "temperature": 0,
        "messages": [{"role": "user", "content": "hi"}]});
    for path in ["/v1/messages", "/v1/chat/completions"] {
        let mut rig = rig(vec![upstream("one", "anthropic")]);
        let answer = rig.send(post(path, &body));
        let asked = rig.exchange().await;
        assert_eq!(asked.json()["stream"], true);
        let feed = asked.stream();
        for (name, data) in MESSAGE {
            feed.raw(&format!("event: {name}\ndata: {data}\n\n"));
        }
        let got = json_of(answer.await.unwrap()).await;
        if path == "/v1/messages" {
            assert_eq!(got["id"], "msg_1");
            assert_eq!(got["content"], json!([{"type": "text", "text": "Hello"}]));
            assert_eq!(got["stop_reason"], "end_turn");
            assert_eq!(got["usage"]["input_tokens"], 7);
            assert_eq!(got["usage"]["output_tokens"], 3);
        } else {
            assert_eq!(got["object"], "chat.completion");
            assert_eq!(got["choices"][0]["message"]["content"], "Hello");
            assert_eq!(got["choices"][0]["finish_reason"], "stop");
            assert_eq!(got["usage"]["total_tokens"], 10);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_is_the_one_in_its_last_event() {
    let mut rig = rig(vec![upstream("one", "openai")]);
    let body = json!({"model": "m", "temperature": 0, "input": "hi", "store": false});
    let answer = rig.send(post("/v1/responses", &body));
    let asked = rig.exchange().await;
    assert_eq!(asked.json()["stream"], true);
    let feed = asked.stream();
    let response = |status: &str, output: Value| {
        json!({"id": "resp_1", "object": "response", "created_at": 4, "status": status, "model": "up",
            "output": output, "a_member_of_tomorrow": 1,
            "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}})
    };
    let text = json!([{"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "text": "Hello", "annotations": []}]}]);
    let events = [
        json!({"type": "response.created", "sequence_number": 0, "response": response("in_progress", json!([]))}),
        json!({"type": "response.output_text.delta", "sequence_number": 1, "item_id": "msg_1",
            "output_index": 0, "content_index": 0, "delta": "Hello"}),
        json!({"type": "response.completed", "sequence_number": 2, "response": response("completed", text.clone())}),
    ];
    for event in events {
        let name = event["type"].as_str().unwrap();
        feed.raw(&format!("event: {name}\ndata: {event}\n\n"));
    }
    let got = json_of(answer.await.unwrap()).await;
    assert_eq!(got["a_member_of_tomorrow"], 1);
    assert_eq!(got["output"], text);
    assert_eq!(got["usage"]["total_tokens"], 10);
}

#[tokio::test(start_paused = true)]
async fn gemini_is_asked_at_its_streaming_method() {
    let mut rig = rig(vec![upstream("one", "gemini")]);
    let answer = rig.send(chat("hi", false));
    let asked = rig.exchange().await;
    assert!(
        asked
            .request
            .uri()
            .path()
            .ends_with(":streamGenerateContent")
    );
    let feed = asked.stream();
    feed.data(r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Hel"}]},"index":0}],"modelVersion":"up"}"#);
    feed.data(r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"lo"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3,"totalTokenCount":10},"modelVersion":"up"}"#);
    drop(feed);
    let got = json_of(answer.await.unwrap()).await;
    assert_eq!(got["choices"][0]["message"]["content"], "Hello");
    assert_eq!(got["usage"]["total_tokens"], 10);
}

fn frame_of(event: &Value) -> Bytes {
    let mut out = BytesMut::new();
    encode_event(&event.to_string().into(), &mut out).unwrap();
    out.freeze()
}

#[tokio::test(start_paused = true)]
async fn converse_is_asked_for_frames_and_its_own_clients_get_one_body() {
    let converse = r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;
    let ask = || {
        Request::post("/model/m/converse")
            .header("content-type", "application/json")
            .extension(Bytes::from(converse))
    };
    for of_its_own in [true, false] {
        let mut bedrock = upstream("one", "bedrock");
        bedrock["region"] = "eu-west-1".into();
        let mut rig = rig(vec![bedrock]);
        let answer = match of_its_own {
            true => rig.send(ask()),
            false => rig.send(chat("hi", false)),
        };
        let asked = rig.exchange().await;
        assert_eq!(asked.request.uri().path(), "/model/m/converse-stream");
        let media = "application/vnd.amazon.eventstream";
        assert_eq!(asked.request.headers()["accept"], media);
        let feed = asked.stream_as(media);
        let text = |text: &str| json!({"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": text}}});
        let usage = json!({"inputTokens": 7, "outputTokens": 3, "totalTokens": 10});
        for event in [
            json!({"messageStart": {"role": "assistant"}}),
            text("Hel"),
            text("lo"),
            json!({"contentBlockStop": {"contentBlockIndex": 0}}),
            json!({"messageStop": {"stopReason": "end_turn"}}),
            json!({"metadata": {"usage": usage, "metrics": {"latencyMs": 5}}}),
        ] {
            feed.bytes(frame_of(&event));
        }
        drop(feed);
        let got = json_of(answer.await.unwrap()).await;
        if of_its_own {
            let message = json!({"role": "assistant", "content": [{"text": "Hello"}]});
            assert_eq!(got["output"]["message"], message);
            assert_eq!(got["stopReason"], "end_turn");
            assert_eq!(got["usage"]["inputTokens"], 7);
            assert_eq!(got["usage"]["totalTokens"], 10);
        } else {
            assert_eq!(got["choices"][0]["message"]["content"], "Hello");
            assert_eq!(got["usage"]["total_tokens"], 10);
        }
    }
}

/// Bedrock says by a frame of its own that a stream has failed; until then nothing has gone out.
#[tokio::test(start_paused = true)]
async fn a_converse_stream_that_fails_or_is_cut_is_asked_of_the_next() {
    let mut bedrock = upstream("one", "bedrock");
    bedrock["region"] = "eu-west-1".into();
    let mut rig = rig(vec![bedrock, upstream("two", "compatible")]);
    let started = json!({"messageStart": {"role": "assistant"}});
    let delta = json!({"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hel"}}});
    let failed = json!({"throttlingException": {"message": "too many"}});
    for end in [Some(failed), None] {
        let answer = rig.send(chat(&format!("hi {end:?}"), false));
        let feed = rig
            .exchange()
            .await
            .stream_as("application/vnd.amazon.eventstream");
        for event in [&started, &delta].into_iter().chain(&end) {
            feed.bytes(frame_of(event));
        }
        drop(feed);
        let next = rig.exchange().await;
        assert_eq!(next.host(), "two");
        next.whole(200, completion("from the next"));
        let got = json_of(answer.await.unwrap()).await;
        assert_eq!(got["choices"][0]["message"]["content"], "from the next");
    }
}

#[tokio::test(start_paused = true)]
async fn rules_for_the_output_and_masks_hold_for_what_was_put_together() {
    let mut builder = RigBuilder {
        upstreams: vec![upstream("one", "compatible")],
        ..RigBuilder::default()
    };
    builder.policies.deny_output = Some("secret");
    let mut rig = builder.build();
    let answer = rig.send(chat("hi", false));
    let feed = rig.exchange().await.stream();
    feed.text("a sec");
    feed.text("ret");
    feed.finish();
    let answer = answer.await.unwrap();
    assert_ne!(answer.status(), 200);
    assert!(!rest(answer.into_body()).await.contains("secret"));
}
