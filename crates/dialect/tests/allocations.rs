//! A crossing costs few allocations: at most three a message, beyond what a request of any
//! length costs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    unsafe_code,
    reason = "an allocator that counts can't be written without"
)]

mod wires;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use forebay_dialect::exchange::WriteOptions;
use forebay_dialect::{Request, Wire, translate_request};
use serde_json::{Value, json};

/// The system's allocator, counting for each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that is going away counts no more.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is handed to the system's allocator unchanged; counting touches a cell
// of this thread that is initialised without allocating.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps to the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps to the contract of `GlobalAlloc::dealloc`.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps to the contract of `GlobalAlloc::realloc`.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MOST: usize = 3;
/// Vectors and maps that double as they grow.
const GROWTH: usize = 24;

fn allocations(messages: Vec<Value>, wire: Wire) -> usize {
    let body = json!({"model": "m", "max_tokens": 9, "messages": messages}).to_string();
    let request = Request::parse(Wire::Chat, body.into()).unwrap();
    let options = WriteOptions {
        model: "target".to_owned(),
        default_max_tokens: 9,
        ..WriteOptions::default()
    };
    let before = COUNT.get();
    let written = translate_request(&request, wire, &options).unwrap();
    let after = COUNT.get();
    assert!(!written.body.is_empty());
    after - before
}

fn holds(kind: &str, turn: impl Fn(usize) -> Vec<Value>) {
    for wire in wires::targets() {
        let of = |turns: usize| {
            let mut messages = vec![json!({"role": "user", "content": "begin"})];
            messages.extend((0..turns).flat_map(&turn));
            (messages.len(), allocations(messages, wire))
        };
        let ((few_messages, few), (many_messages, many)) = (of(16), of(256));
        let most = few + MOST * (many_messages - few_messages) + GROWTH;
        assert!(
            many <= most,
            "{kind} to {}: {many} allocations for {many_messages} messages, {few} for {few_messages}",
            wire.as_str()
        );
    }
}

#[test]
fn plain_texts_cost_at_most_three_allocations_a_message() {
    holds("plain texts", |_| {
        vec![
            json!({"role": "assistant", "content": "an answer"}),
            json!({"role": "user", "content": "a question"}),
        ]
    });
}

#[test]
fn escaped_texts_cost_at_most_three_allocations_a_message() {
    holds("escaped texts", |_| {
        vec![
            json!({"role": "assistant", "content": "an \"answer\"\nof\ttwo lines \u{1}".repeat(9)}),
            json!({"role": "user", "content": "a \\question\\\nof two lines".repeat(9)}),
        ]
    });
}

/// Text, and now and then an image: Cohere takes twenty in one request.
fn content(turn: usize) -> Value {
    let mut parts = vec![json!({"type": "text", "text": "and \"there\"?"})];
    if turn.is_multiple_of(16) {
        let image = json!({"url": "data:image/png;base64,iVBORw0KGgo="});
        parts.push(json!({"type": "image_url", "image_url": image}));
    }
    json!(parts)
}

#[test]
fn calls_and_results_cost_at_most_three_allocations_a_message() {
    holds("calls", |turn| {
        let id = format!("call_{turn}");
        vec![
            json!({"role": "assistant", "content": "one\nmoment", "tool_calls": [{"id": id, "type": "function",
                "function": {"name": "look", "arguments": "{\"where\":\"here\"}"}}]}),
            json!({"role": "tool", "tool_call_id": id, "content": "found\nnothing"}),
            json!({"role": "user", "content": content(turn)}),
        ]
    });
}
