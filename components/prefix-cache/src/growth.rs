//! Planning a prompt takes work that grows no faster than n log n, whatever the client sends.
//! Work is counted in bytes hashed and messages looked at, not in time.

use std::cell::Cell;

use crate::bindings::exports::forebay::prefix_cache::prefix_cache::{Caller, Directives, Prompt};
use crate::bindings::forebay::types::prompts::{Field, Message, OpaquePart, Part, Sampling};
use crate::config::Config;
use crate::plan::plan;

thread_local! {
    static WORK: Cell<usize> = const { Cell::new(0) };
}

/// Counts work of this thread.
pub(crate) fn work(amount: usize) {
    WORK.set(WORK.get() + amount);
}

fn prompt(operation: &str, messages: Vec<Message>) -> Prompt {
    Prompt {
        operation: operation.to_owned(),
        model: "m".to_owned(),
        messages,
        tools: Vec::new(),
        sampling: Sampling {
            temperature: Some(0.0),
            top_p: None,
            n: 1,
            max_tokens: None,
            seed: None,
        },
        extra: Vec::new(),
    }
}

fn message(role: &str, parts: Vec<Part>) -> Message {
    Message {
        role: role.to_owned(),
        parts,
        extra: Vec::new(),
    }
}

fn said(role: &str) -> Message {
    message(role, vec![Part::Text("word".to_owned())])
}

fn fields(n: usize) -> Vec<Field> {
    let field = |at| Field {
        name: format!("a_{at:06}"),
        value: "1".to_owned(),
    };
    (0..n).map(field).collect()
}

/// A prompt with something in it `n` times.
type Shape = (&'static str, fn(usize) -> Prompt);

const SHAPES: [Shape; 9] = [
    ("one text", |n| {
        let text = Part::Text("word".repeat(n));
        prompt("chat", vec![message("user", vec![text])])
    }),
    ("parts", |n| {
        let part = |at: usize| match at % 2 {
            0 => Part::Text(String::new()),
            _ => Part::Opaque(OpaquePart {
                kind: "image_url".to_owned(),
                json: "{}".to_owned(),
            }),
        };
        prompt("chat", vec![message("user", (0..n).map(part).collect())])
    }),
    ("turns", |n| {
        let role = |at| said(["user", "assistant"][at % 2]);
        prompt("chat", (0..n).map(role).collect())
    }),
    ("the operator's messages behind a user's", |n| {
        let role = |at| said(if at == 0 { "user" } else { "system" });
        prompt("chat", (0..n).map(role).collect())
    }),
    ("a user's and an operator's in turn", |n| {
        let role = |at| said(["user", "system"][at % 2]);
        prompt("chat", (0..n).map(role).collect())
    }),
    ("tools", |n| Prompt {
        tools: vec!["{}".to_owned(); n],
        ..prompt("chat", vec![said("user")])
    }),
    ("fields", |n| Prompt {
        extra: fields(n),
        ..prompt("chat", vec![said("user")])
    }),
    ("inputs and fields", |n| Prompt {
        extra: fields(n),
        ..prompt("embedding", (0..n).map(|_| said("user")).collect())
    }),
    ("inputs and a long field", |n| Prompt {
        extra: vec![Field {
            name: "a".to_owned(),
            value: "1".repeat(n),
        }],
        ..prompt("embedding", (0..n).map(|_| said("user")).collect())
    }),
];

fn cost(shape: fn(usize) -> Prompt, n: usize) -> usize {
    let prompt = shape(n);
    let caller = Caller {
        tenant: "t".to_owned(),
        key: "k".to_owned(),
        route: "/v1/chat/completions".to_owned(),
    };
    let directives = Directives {
        no_cache: false,
        no_store: false,
        only_if_cached: false,
        max_age: None,
        stale_if_error: None,
        cache_sampled: false,
    };
    let before = WORK.get();
    plan(&Config::default(), &caller, &prompt, &directives);
    WORK.get() - before
}

#[test]
fn twice_the_prompt_is_about_twice_the_work() {
    for (name, shape) in SHAPES {
        let (a, b) = (cost(shape, 500), cost(shape, 2_000));
        // Four times the input: 4 log(4n)/log(n) is below 5, a quadratic would be 16.
        assert!(b <= 5 * a + 2_000, "{name}: {a} then {b}");
        assert!(b >= 1_000, "{name}: {b} is no work that was counted");
    }
}
