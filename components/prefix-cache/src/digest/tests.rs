//! What changes the identity of a prompt, and what does not.

use super::*;
use crate::bindings::forebay::types::prompts::{OpaquePart, Sampling, ToolCall};

fn field(name: &str, value: &str) -> Field {
    Field {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

fn prompt() -> Prompt {
    Prompt {
        operation: "chat".to_owned(),
        model: "m".to_owned(),
        messages: vec![
            Message {
                role: "system".to_owned(),
                parts: vec![Part::Text("Be brief.".to_owned())],
                extra: vec![field("name", "\"x\"")],
            },
            Message {
                role: "user".to_owned(),
                parts: vec![
                    Part::Text("ab".to_owned()),
                    Part::Text("c".to_owned()),
                    Part::ToolCall(ToolCall {
                        id: "1".to_owned(),
                        name: "f".to_owned(),
                        arguments: "{}".to_owned(),
                    }),
                    Part::Opaque(OpaquePart {
                        kind: "image_url".to_owned(),
                        json: "{}".to_owned(),
                    }),
                ],
                extra: Vec::new(),
            },
        ],
        tools: vec!["{\"type\":\"function\"}".to_owned()],
        sampling: Sampling {
            temperature: Some(0.0),
            top_p: None,
            n: 1,
            max_tokens: Some(16),
            seed: None,
        },
        extra: vec![
            field("chat_template_kwargs", "{\"thinking\":true}"),
            field("stream", "true"),
        ],
    }
}

fn of(prompt: &Prompt) -> [u8; 32] {
    digest(&Config::default(), prompt)
}

/// A change to a prompt under test.
type Change = fn(&mut Prompt);

#[test]
fn every_field_that_can_change_the_answer_changes_the_digest() {
    let changes: [(&str, Change); 19] = [
        ("operation", |p| p.operation = "completion".to_owned()),
        ("model", |p| p.model = "m2".to_owned()),
        ("role", |p| p.messages[0].role = "developer".to_owned()),
        ("order of messages", |p| p.messages.swap(0, 1)),
        ("message extra", |p| {
            p.messages[0].extra[0].value = "\"y\"".to_owned();
        }),
        ("text", |p| {
            p.messages[1].parts[0] = Part::Text("aB".to_owned());
        }),
        ("where parts end", |p| {
            p.messages[1].parts[0] = Part::Text("a".to_owned());
            p.messages[1].parts[1] = Part::Text("bc".to_owned());
        }),
        ("where messages end", |p| {
            let part = p.messages[1].parts.remove(0);
            p.messages[0].parts.push(part);
        }),
        ("Unicode form", |p| {
            p.messages[1].parts[0] = Part::Text("ab\u{301}".to_owned());
        }),
        ("part type", |p| {
            p.messages[1].parts[3] = Part::Text("image_url{}".to_owned());
        }),
        ("call id", |p| {
            if let Part::ToolCall(call) = &mut p.messages[1].parts[2] {
                call.id = "2".to_owned();
            }
        }),
        ("call arguments", |p| {
            if let Part::ToolCall(call) = &mut p.messages[1].parts[2] {
                call.arguments = "{ }".to_owned();
            }
        }),
        ("opaque", |p| {
            if let Part::Opaque(opaque) = &mut p.messages[1].parts[3] {
                opaque.json = "{\"a\":1}".to_owned();
            }
        }),
        ("tools", |p| p.tools.push("{}".to_owned())),
        ("temperature", |p| p.sampling.temperature = None),
        ("n", |p| p.sampling.n = 2),
        ("seed", |p| p.sampling.seed = Some(-1)),
        ("unknown field", |p| {
            p.extra[0].value = "{\"thinking\":false}".to_owned();
        }),
        ("new unknown field", |p| {
            p.extra.push(field("guided_json", "{}"));
        }),
    ];
    let mut seen = vec![of(&prompt())];
    for (what, change) in changes {
        let mut changed = prompt();
        change(&mut changed);
        let digest = of(&changed);
        assert!(!seen.contains(&digest), "{what} does not count");
        seen.push(digest);
    }
}

#[test]
fn delivery_and_accounting_do_not_count() {
    let mut other = prompt();
    other.extra = vec![
        field("chat_template_kwargs", "{\"thinking\":true}"),
        field("metadata", "{\"a\":\"b\"}"),
        field("stream", "false"),
        field("stream_options", "{\"include_usage\":true}"),
        field("user", "\"me\""),
    ];
    assert_eq!(of(&prompt()), of(&other));
}

#[test]
fn configured_fields_do_not_count() {
    let config = Config::parse(r#"{"ignore":["x_trace"]}"#).unwrap();
    let mut traced = prompt();
    traced.extra.push(field("x_trace", "7"));
    assert_eq!(digest(&config, &prompt()), digest(&config, &traced));
    assert_ne!(of(&prompt()), of(&traced));
}

#[test]
fn the_digest_is_the_documented_encoding_hashed() {
    // Computed apart from this code, from the encoding as the module describes it.
    let hex: String = of(&prompt()).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(
        hex,
        "ed976262a013a2a03849354bb554325d524e6b32e2e424cc7652b76ef1f35921"
    );
}

/// An embeddings request of these inputs, with the form in which they came.
fn embedding(inputs: &[&str], form: &str) -> Prompt {
    let mut embedding = prompt();
    embedding.operation = "embedding".to_owned();
    embedding.messages = inputs
        .iter()
        .map(|text| Message {
            role: "user".to_owned(),
            parts: vec![Part::Text((*text).to_owned())],
            extra: Vec::new(),
        })
        .collect();
    embedding.extra = vec![field("dimensions", "256"), field(INPUT, form)];
    embedding
}

#[test]
fn an_input_has_one_identity_whatever_stands_beside_it() {
    let of = |prompt: &Prompt| inputs(&Config::default(), prompt);
    let both = of(&embedding(&["a", "b"], "\"list\""));
    assert_eq!(both.len(), 2);
    assert_ne!(both[0], both[1]);
    assert_eq!(of(&embedding(&["b"], "\"string\"")), [both[1].clone()]);
    let mut other = embedding(&["a", "b"], "\"list\"");
    other.extra[0].value = "512".to_owned();
    assert!(of(&other).iter().zip(&both).all(|(a, b)| a != b));
    let mut other = embedding(&["a", "b"], "\"list\"");
    other.model = "m2".to_owned();
    assert!(of(&other).iter().zip(&both).all(|(a, b)| a != b));
    assert!(of(&prompt()).is_empty());
}
