//! The same for what upstreams send: answers and streams of every format, for clients of every format.

use bytes::Bytes;
use forebay_dialect::{
    AnswerContext, Payload, StreamTranslation, Wire, fold, translate_answer, unfold,
};

use crate::{BYTES, COUNT, list};

const WIRES: [Wire; 7] = [
    Wire::Chat,
    Wire::Responses,
    Wire::Messages,
    Wire::Gemini,
    Wire::Converse,
    Wire::Cohere,
    Wire::Oci,
];

fn message(message: &str) -> String {
    format!(
        r#"{{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"finish_reason":"stop","message":{{"role":"assistant",{message}}}}}]}}"#
    )
}

fn call(i: usize, arguments: &str) -> String {
    format!(
        r#"{{"id":"c{i}","type":"function","function":{{"name":"f{i}","arguments":"{arguments}"}}}}"#
    )
}

/// A chat answer with something in it `n` times.
type Shape = (&'static str, fn(usize) -> String);

const SHAPES: [Shape; 8] = [
    ("calls", |n| {
        message(&format!(
            r#""content":"x","tool_calls":[{}]"#,
            list(n, |i| call(i, "{}"))
        ))
    }),
    ("members of arguments", |n| {
        let members = list(n, |i| format!(r#"\"a_{i}\":{i}"#));
        message(&format!(
            r#""content":null,"tool_calls":[{}]"#,
            call(0, &format!("{{{members}}}"))
        ))
    }),
    ("arrays in arguments", |n| {
        let deep = format!("{}1{}", "[".repeat(50), "]".repeat(50));
        let many = list(n / 10, |_| deep.clone());
        message(&format!(
            r#""content":null,"tool_calls":[{}]"#,
            call(0, &format!(r#"{{\"a\":[{many}]}}"#))
        ))
    }),
    ("escapes", |n| {
        message(&format!(
            r#""content":"{}","reasoning_content":"{}""#,
            r"\u0041".repeat(8 * n),
            r#"\n\""#.repeat(8 * n)
        ))
    }),
    ("citations", |n| {
        let one = |i| {
            format!(
                r#"{{"type":"url_citation","url_citation":{{"start_index":{i},"end_index":{},"url":"https://x.example/{i}","title":"t"}}}}"#,
                i + 1
            )
        };
        message(&format!(
            r#""content":"{}","annotations":[{}]"#,
            "é".repeat(n + 1),
            list(n, one)
        ))
    }),
    ("choices", |n| {
        format!(
            r#"{{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{}]}}"#,
            list(n, |i| format!(
                r#"{{"index":{i},"finish_reason":"stop","message":{{"role":"assistant","content":"x"}}}}"#
            ))
        )
    }),
    ("unknown members", |n| {
        message(&format!(
            r#""content":"x",{}"#,
            list(n, |i| format!(r#""a_{i}":"b""#))
        ))
    }),
    ("log probabilities", |n| {
        let token = r#"{"token":"x","logprob":-0.5,"bytes":[120],"top_logprobs":[{"token":"x","logprob":-0.5,"bytes":[120]}]}"#;
        let content = list(n, |_| token.to_owned());
        format!(
            r#"{{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"finish_reason":"stop","logprobs":{{"content":[{content}]}},"message":{{"role":"assistant","content":"{}"}}}}]}}"#,
            "x".repeat(n)
        )
    }),
];

/// All that is done with an answer: read, judged, translated, made a stream, and gathered again.
fn work(from: Wire, to: Wire, body: &Bytes) {
    let context = AnswerContext::default();
    if let Ok(payload) = Payload::parse(from, body.clone()) {
        let _ = payload.labels();
        let slots = vec![Some("y".to_owned()); payload.texts().len()];
        payload.rewrite(&slots, true);
    }
    let _ = translate_answer(from, to, body, &context);
    let Ok(events) = unfold(from, body, &context) else {
        return;
    };
    let _ = fold(from, &events, &context);
    let mut translation = StreamTranslation::new(from, to, &context);
    let mut out = Vec::new();
    for event in &events {
        if translation.push(None, event, &mut out).is_err() {
            return;
        }
    }
    translation.end_of_body(&mut out);
}

#[test]
fn twice_the_answer_is_about_twice_the_work() {
    let mut bad = Vec::new();
    for (name, shape) in SHAPES {
        for from in WIRES {
            let bodies = [300, 1200].map(|n| {
                let chat = Bytes::from(shape(n));
                let answer = translate_answer(Wire::Chat, from, &chat, &AnswerContext::default());
                answer.unwrap_or_else(|error| panic!("{name}, {}: {error}", from.as_str()))
            });
            for to in WIRES {
                let [a, b] = [&bodies[0], &bodies[1]].map(|body| {
                    let before = (COUNT.get(), BYTES.get());
                    work(from, to, body);
                    (COUNT.get() - before.0, BYTES.get() - before.1)
                });
                // Four times the answer, as above.
                let grows = |small: u64, large: u64, constant: u64| large > 6 * small + constant;
                if grows(a.0, b.0, 2_000) || grows(a.1, b.1, 500_000) {
                    let (from, to) = (from.as_str(), to.as_str());
                    bad.push(format!("{name}, {from} to {to}: {a:?} then {b:?}"));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}
