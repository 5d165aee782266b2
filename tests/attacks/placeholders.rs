//! Class: a value that changes its name within a conversation. With placeholders by value a client may cut,
//! reorder or summarise its history, in every format, and the engine sees one placeholder for one value.

use std::collections::BTreeSet;

use forebay_tests::prompts::{chunk, finish, whole};
use forebay_tests::upstream::stream_of;
use forebay_tests::{Forebay, Scripted};
use serde_json::{Value, json};

const ANN: &str = "ann.smith@mail.example.org";
const BOB: &str = "bob.jones@mail.example.org";

fn rules(placeholders: &str) -> String {
    format!(
        "[masks]\nplaceholders = \"{placeholders}\"\n[[policies.guardrails.config.rules]]\nname = \"addresses\"\nkind = \"pii\"\nentities = [\"EMAIL\"]\napply = [\"input\"]\n"
    )
}

/// An upstream that repeats the last message, as a stream in small pieces where it is asked for one.
async fn echo() -> Scripted {
    Scripted::start(|mut call| async move {
        let body = call.request.json();
        let last = body["messages"].as_array().and_then(|m| m.last()).cloned();
        let content = last.unwrap_or_default()["content"].clone();
        let said = match &content {
            Value::String(text) => text.clone(),
            parts => parts[0]["text"].as_str().unwrap_or_default().to_owned(),
        };
        if body["stream"] == true {
            let letters: Vec<char> = said.chars().collect();
            let pieces = letters
                .chunks(5)
                .map(|piece| chunk(&piece.iter().collect::<String>()));
            let end = [finish("stop"), "data: [DONE]\n\n".to_owned()];
            let events: Vec<String> = pieces.chain(end).collect();
            call.send(stream_of(&events)).await;
        } else {
            call.answer("200 OK", "application/json", &whole(&said))
                .await;
        }
    })
    .await
}

const FORMATS: [&str; 8] = [
    "/v1/chat/completions",
    "/v1/messages",
    "/v1/responses",
    "/v1beta/models/m:generateContent",
    "/v1beta/models/m:streamGenerateContent?alt=sse",
    "/model/m/converse",
    "/api/chat",
    "/v2/chat",
];

/// A conversation as a client of this path sends it. Turns of the user and the model alternate, the user's last.
fn conversation(path: &str, stream: bool, turns: &[&str]) -> Value {
    let from_user = |at: usize| (turns.len() - at) % 2 == 1;
    let say = |assistant: &'static str, content: &dyn Fn(&str) -> (&'static str, Value)| -> Value {
        let turn = |(at, text): (usize, &&str)| {
            let (member, content) = content(text);
            json!({"role": if from_user(at) { "user" } else { assistant }, member: content})
        };
        turns.iter().enumerate().map(turn).collect()
    };
    let plain = say("assistant", &|text| ("content", json!(text)));
    match path {
        "/v1/messages" => {
            json!({"model": "m", "max_tokens": 99, "messages": plain, "stream": stream})
        }
        "/v1/responses" => json!({"model": "m", "input": plain, "stream": stream, "store": false}),
        "/model/m/converse" => {
            json!({"messages": say("assistant", &|text| ("content", json!([{"text": text}])))})
        }
        path if path.starts_with("/v1beta") => {
            json!({"contents": say("model", &|text| ("parts", json!([{"text": text}])))})
        }
        _ => json!({"model": "m", "messages": plain, "stream": stream}),
    }
}

/// The placeholders of a body.
fn placeholders(body: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(body).into_owned();
    let found = text
        .split("[EMAIL_")
        .skip(1)
        .filter_map(|rest| rest.split(']').next());
    found.map(str::to_owned).collect()
}

/// The placeholders of both values after each of the turns that `turns` lists, as the engine saw them.
async fn seen(placeholders_by: &str, path: &str, stream: bool) -> BTreeSet<String> {
    let upstream = echo().await;
    let forebay = Forebay::start(upstream.behind(&rules(placeholders_by))).await;
    let (ann, bob) = (format!("write to {ANN} now"), format!("and to {BOB} too"));
    let summary = format!("so far: {BOB}, then {ANN}");
    let turns: [&[&str]; 4] = [
        &[&bob, "done", &ann],
        // The oldest messages are gone.
        &[&ann],
        &[&ann, "done", &bob],
        &[&summary, "yes", &ann],
    ];
    let mut all = BTreeSet::new();
    for turns in turns {
        let reply = forebay
            .client
            .post(path, &conversation(path, stream, turns))
            .await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        let sent = upstream.received().pop().unwrap().body;
        let sent_text = String::from_utf8_lossy(&sent).into_owned();
        assert!(!sent_text.contains("example.org"), "{path}: {sent_text}");
        all.extend(placeholders(&sent));
        let read = reply.text();
        assert!(!read.contains("EMAIL_"), "{path}: {read}");
        let last = if turns.last().unwrap().contains(ANN) {
            "smith"
        } else {
            "jones"
        };
        // A stream may cut a value over two events.
        assert!(
            stream || path.contains("stream") || read.contains(last),
            "{path}: {read}"
        );
    }
    forebay.has_not_logged(&["ann.smith", "bob.jones"]);
    all
}

#[tokio::test]
async fn a_value_keeps_its_placeholder_however_the_history_is_cut() {
    for path in FORMATS {
        for stream in [false, true] {
            let all = seen("value", path, stream).await;
            assert_eq!(all.len(), 2, "{path}: {all:?}");
        }
    }
}

/// By position the first value is the first, whatever it is: that is what lets clients share answers.
#[tokio::test]
async fn by_position_two_clients_send_the_same_prompt() {
    let upstream = echo().await;
    let forebay = Forebay::start(upstream.behind(&rules("position"))).await;
    for value in [ANN, BOB] {
        let body = json!({"model": "m", "temperature": 0, "messages": [{"role": "user", "content": format!("to {value}")}]});
        let reply = forebay.client.chat(&body).await;
        assert_eq!(reply.content(), format!("to {value}"));
    }
    assert_eq!(upstream.calls(), 1);
    // By value they don't.
    let forebay = Forebay::start(upstream.behind(&rules("value"))).await;
    for value in [ANN, BOB] {
        let body = json!({"model": "m", "temperature": 0, "messages": [{"role": "user", "content": format!("to {value}")}]});
        assert_eq!(
            forebay.client.chat(&body).await.content(),
            format!("to {value}")
        );
    }
    assert_eq!(upstream.calls(), 3);
}
