//! The walk's work grows with the body and no faster.

use super::super::walk::{At, Step, Visit, walk};
use super::*;
use crate::json;

/// Counts visits and the lengths of paths.
#[derive(Default)]
struct Steps(usize);

impl<'d> Visit<'d> for Steps {
    fn leaf(&mut self, _: Is, _: json::Value<'d>, _: At<'d>, path: &[Step<'d>]) {
        self.0 += path.len();
    }

    fn unknown(&mut self, _: json::Value<'d>, _: json::Value<'d>, _: At<'d>, path: &[Step<'d>]) {
        self.0 += path.len();
    }
}

/// Steps of the walk, and bytes of all that the places say.
fn work(wire: Wire, body: &str) -> (usize, usize) {
    let grammar = of(wire).unwrap();
    let document = Document::parse(body.as_bytes()).unwrap();
    let mut steps = Steps::default();
    walk(grammar, document.root(), &mut steps).unwrap();
    let places = of_document(grammar, &document);
    let said = places.iter().map(|p| p.text.len() + p.path.len() + 1).sum();
    (steps.0, said)
}

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(",")
}

#[test]
fn twice_the_body_is_at_most_a_little_more_than_twice_the_work() {
    type Family = (&'static str, Wire, fn(usize) -> String);
    let families: [Family; 8] = [
        ("members", Wire::Gemini, |n| {
            format!("{{{}}}", list(n, |i| format!("\"a_{i}\":\"b\"")))
        }),
        ("members of a part", Wire::Gemini, |n| {
            let members = list(n, |i| format!("\"a_{i}\":1"));
            format!("{{\"contents\":[{{\"parts\":[{{{members}}}]}}]}}")
        }),
        ("parts", Wire::Messages, |n| {
            let parts = list(n, |_| r#"{"type":"text","text":"a"}"#.to_owned());
            format!("{{\"messages\":[{{\"role\":\"user\",\"content\":[{parts}]}}]}}")
        }),
        ("messages", Wire::Chat, |n| {
            let messages = list(n, |_| r#"{"role":"user","content":"a"}"#.to_owned());
            format!("{{\"messages\":[{messages}]}}")
        }),
        ("calls", Wire::Chat, |n| {
            let call = r#"{"id":"a","function":{"name":"f","arguments":"{\"a\":\"b\"}"}}"#;
            let calls = list(n, |_| call.to_owned());
            format!("{{\"messages\":[{{\"role\":\"assistant\",\"tool_calls\":[{calls}]}}]}}")
        }),
        ("links", Wire::Chat, |n| {
            let link = r#"{"type":"image_url","image_url":{"url":"https://h/a"}}"#;
            let links = list(n, |_| link.to_owned());
            format!("{{\"messages\":[{{\"role\":\"user\",\"content\":[{links}]}}]}}")
        }),
        ("escapes", Wire::Chat, |n| {
            let text = "\\u0061".repeat(n);
            format!("{{\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}]}}")
        }),
        ("tools", Wire::Responses, |n| {
            let tool = r#"{"type":"function","name":"f","parameters":{"type":"object"}}"#;
            format!("{{\"tools\":[{}]}}", list(n, |_| tool.to_owned()))
        }),
    ];
    for (name, wire, body) in families {
        let (steps, said) = work(wire, &body(2_000));
        let (twice_steps, twice_said) = work(wire, &body(4_000));
        assert!(
            twice_steps <= 2 * steps + steps / 4 + 8,
            "{name}: {steps} {twice_steps}"
        );
        assert!(
            twice_said <= 2 * said + said / 4 + 8,
            "{name}: {said} {twice_said}"
        );
    }
}

#[test]
fn nesting_costs_no_more_than_its_depth() {
    let body = |depth: usize| {
        let mut content = "\"a\"".to_owned();
        for _ in 0..depth {
            content = format!(
                "[{{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":{content}}}]"
            );
        }
        format!("{{\"messages\":[{{\"role\":\"user\",\"content\":{content}}}]}}")
    };
    let (steps, _) = work(Wire::Messages, &body(28));
    assert!(steps < 28 * 3 * 64, "{steps}");
}
