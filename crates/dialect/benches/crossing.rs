//! What a crossing costs: a chat request and one event of a stream into each dialect, and
//! requests of growing size. Budgets: 15 µs for 2 KB, 2 µs for an event, linear to 1 MB.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

#[path = "../tests/wires/mod.rs"]
mod wires;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use forebay_dialect::exchange::WriteOptions;
use forebay_dialect::{AnswerContext, Request, StreamTranslation, Wire, translate_request};
use serde_json::json;

/// A chat request of about that many bytes: a system prompt, turns with a call each, a tool.
fn request(bytes: usize) -> Request {
    let mut messages =
        vec![json!({"role": "system", "content": "You are a careful librarian.\nAnswer briefly."})];
    let mut size = 600;
    for turn in 0.. {
        let id = format!("call_{turn}");
        messages.extend([
            json!({"role": "user", "content": "Where do I find the \"map room\", and when is it open?"}),
            json!({"role": "assistant", "content": "Let me look that up.", "tool_calls": [{"id": id, "type": "function",
                "function": {"name": "look", "arguments": "{\"room\":\"maps\",\"floor\":2}"}}]}),
            json!({"role": "tool", "tool_call_id": id, "content": "second floor, east wing\nopen 9 to 5"}),
            json!({"role": "assistant", "content": "It is on the second floor, in the east wing, and open from nine to five."}),
        ]);
        size += 560;
        if size >= bytes {
            break;
        }
    }
    let body = json!({
        "model": "m", "messages": messages, "max_tokens": 512, "temperature": 0.5, "stream": true,
        "tools": [{"type": "function", "function": {"name": "look", "description": "Looks a room up.",
            "parameters": {"type": "object", "properties": {"room": {"type": "string"}, "floor": {"type": "integer"}}}}}],
    });
    Request::parse(Wire::Chat, body.to_string().into()).unwrap()
}

fn options() -> WriteOptions {
    WriteOptions {
        model: "target".to_owned(),
        stream: true,
        include_usage: true,
        default_max_tokens: 4096,
        ..WriteOptions::default()
    }
}

fn requests(criterion: &mut Criterion) {
    let options = options();
    let mut group = criterion.benchmark_group("request");
    for wire in wires::targets() {
        for bytes in [2_000, 10_000, 100_000, 1_000_000] {
            let request = request(bytes);
            group.throughput(Throughput::Bytes(request.body.len() as u64));
            group.bench_with_input(
                BenchmarkId::new(wire.as_str(), bytes),
                &request,
                |b, request| {
                    b.iter(|| translate_request(request, wire, &options).unwrap());
                },
            );
        }
    }
    group.finish();
}

fn events(criterion: &mut Criterion) {
    let first = Bytes::from_static(
        br#"{"id":"chatcmpl-aad339d413ee4344","object":"chat.completion.chunk","created":1795376870,"model":"tiny","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}"#,
    );
    let event = Bytes::from_static(
        br#"{"id":"chatcmpl-aad339d413ee4344","object":"chat.completion.chunk","created":1795376870,"model":"tiny","choices":[{"index":0,"delta":{"content":" the map"},"logprobs":null,"finish_reason":null,"token_ids":null}]}"#,
    );
    let mut group = criterion.benchmark_group("event");
    let context = AnswerContext::default();
    for wire in wires::clients() {
        // There by the dialect's writer, and back by its reader.
        let mut there = StreamTranslation::new(Wire::Chat, wire, &context);
        let mut back = StreamTranslation::new(wire, Wire::Chat, &context);
        let (mut opening, mut said) = (Vec::new(), Vec::new());
        there.push(None, &first, &mut opening).unwrap();
        there.push(None, &event, &mut opening).unwrap();
        there.push(None, &event, &mut said).unwrap();
        let mut out = Vec::new();
        for event in &opening {
            back.push(None, event, &mut out).unwrap();
        }
        group.bench_function(BenchmarkId::new("from chat to", wire.as_str()), |b| {
            b.iter(|| {
                out.clear();
                there.push(None, &event, &mut out).unwrap();
            });
        });
        if let Some(said) = said.first() {
            group.bench_function(BenchmarkId::new("to chat from", wire.as_str()), |b| {
                b.iter(|| {
                    out.clear();
                    back.push(None, said, &mut out).unwrap();
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, requests, events);
criterion_main!(benches);
