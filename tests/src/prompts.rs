//! Requests and answers in OpenAI's shape, as short as tests like them.

use serde_json::{Value, json};

/// A chat request of one message, at temperature 0 so that it may be cached.
#[must_use]
pub fn chat(text: &str) -> Value {
    json!({
        "model": "forebay-sim",
        "temperature": 0,
        "max_tokens": 8,
        "messages": [{"role": "user", "content": text}],
    })
}

/// The same as a stream.
#[must_use]
pub fn streamed(text: &str) -> Value {
    with(chat(text), json!({"stream": true}))
}

/// A request with these fields as well.
#[must_use]
pub fn with(mut request: Value, fields: Value) -> Value {
    if let (Value::Object(request), Value::Object(fields)) = (&mut request, fields) {
        request.extend(fields);
    }
    request
}

/// A request that makes the simulated engine misbehave, see its `Fault`.
#[must_use]
pub fn faulty(request: Value, fault: Value) -> Value {
    with(request, json!({"vllm_xargs": {"forebay_fault": fault}}))
}

/// A request that makes the simulated engine say just these pieces.
#[must_use]
pub fn saying(request: Value, parts: &[&str]) -> Value {
    with(
        request,
        json!({"max_tokens": 500, "vllm_xargs": {"forebay_say_parts": parts}}),
    )
}

/// An event with a piece of text.
#[must_use]
pub fn chunk(text: &str) -> String {
    delta(&json!({"role": "assistant", "content": text}))
}

/// An event with any delta.
#[must_use]
pub fn delta(delta: &Value) -> String {
    event(&json!([{"index": 0, "delta": delta, "finish_reason": null}]))
}

/// The event with the finish reason.
#[must_use]
pub fn finish(reason: &str) -> String {
    event(&json!([{"index": 0, "delta": {}, "finish_reason": reason}]))
}

/// The terminal event.
#[must_use]
pub fn done() -> String {
    "data: [DONE]\n\n".to_owned()
}

fn event(choices: &Value) -> String {
    let body = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
        "model": "scripted", "choices": choices,
    });
    format!("data: {body}\n\n")
}

/// A whole answer's body.
#[must_use]
pub fn whole(text: &str) -> String {
    let body = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "scripted",
        "choices": [{
            "index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": text},
        }],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
    });
    body.to_string()
}
