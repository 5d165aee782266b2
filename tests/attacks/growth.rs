//! Class: work that grows faster than the request. A large request may take long; one twice as large
//! may take twice as long, and nobody else may notice.

use std::time::{Duration, Instant};

use forebay_tests::prompts::{chat, whole};
use forebay_tests::{Config, Forebay, Gate, Scripted, within};
use serde_json::{Value, json};

const MASKS: &str = "[[policies.guardrails.config.rules]]\nname = \"pii\"\nkind = \"pii\"\naction = \"mask\"\napply = [\"input\"]";

async fn echo() -> Scripted {
    Scripted::start(|mut call| async move {
        let body = String::from_utf8_lossy(&call.request.body).into_owned();
        let text = serde_json::from_str::<Value>(&body)
            .ok()
            .and_then(|b| Some(b["messages"][0]["content"].as_str()?.to_owned()));
        call.answer(
            "200 OK",
            "application/json",
            &whole(&text.unwrap_or_default()),
        )
        .await;
    })
    .await
}

#[tokio::test]
async fn a_long_list_of_addresses_is_masked_and_one_without_end_is_the_clients_error() {
    let upstream = echo().await;
    let forebay = Forebay::start(upstream.behind(MASKS)).await;
    let list = |n: usize| -> String { (0..n).map(|n| format!("p{n}@example.org\n")).collect() };
    let text = list(1500);
    let reply = forebay.client.chat(&chat(&text)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.content(), text, "every address came back");
    let heard = String::from_utf8_lossy(&upstream.received()[0].body).into_owned();
    assert!(!heard.contains("@example.org"), "none of them went up");
    let reply = forebay.client.chat(&chat(&list(60_000))).await;
    assert!(
        (400..500).contains(&reply.status),
        "{} {}",
        reply.status,
        reply.text()
    );
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_request_has_so_many_members_parts_tools_and_urls() {
    let upstream = echo().await;
    let forebay = Forebay::start(
        upstream.behind("[limits]\nmembers = 2000\nparts = 100\ntools = 20\nurls = 30\n"),
    )
    .await;
    let members: serde_json::Map<String, Value> =
        (0..3000).map(|n| (format!("a_{n}"), json!(0))).collect();
    let parts: Vec<Value> = (0..200)
        .map(|_| json!({"type": "text", "text": "x"}))
        .collect();
    let tools: Vec<Value> = (0..30)
        .map(|n| json!({"type": "function", "function": {"name": format!("t{n}"), "parameters": {}}}))
        .collect();
    let urls: Vec<Value> = (0..40)
        .map(|n| json!({"type": "image_url", "image_url": {"url": format!("https://x.example/{n}")}}))
        .collect();
    let cases = [
        ("limits.members", "metadata", Value::Object(members)),
        (
            "limits.parts",
            "messages",
            json!([{"role": "user", "content": parts}]),
        ),
        ("limits.tools", "tools", json!(tools)),
        (
            "limits.urls",
            "messages",
            json!([{"role": "user", "content": urls}]),
        ),
    ];
    for (setting, field, value) in cases {
        let mut body = chat("many");
        body[field] = value;
        let reply = forebay.client.chat(&body).await;
        let message = reply.is_error(400, "request_too_complex");
        assert!(message.contains(setting), "{message}");
    }
    assert_eq!(upstream.calls(), 0);
}

/// Names that Google's JSON takes in two spellings, each of which looked through all others.
#[tokio::test]
async fn many_members_do_not_hold_up_others() {
    let upstream = echo().await;
    let forebay = Forebay::start(
        Config::new("")
            .upstream(
                "one",
                &upstream.url(),
                "provider = \"gemini\"\nkey = \"env:K\"",
            )
            .env("K", "k"),
    )
    .await;
    let members = |n: usize| {
        let members: serde_json::Map<String, Value> =
            (0..n).map(|n| (format!("a_{n}"), json!(0))).collect();
        let mut body = json!({"contents": [{"parts": [{"text": "hi"}]}]});
        body.as_object_mut().unwrap().extend(members);
        body.to_string()
    };
    let cpu = || forebay.cpu_ticks();
    let mut spent = Vec::new();
    for n in [6_000, 24_000] {
        let before = cpu();
        let reply = forebay
            .client
            .post_bytes("/v1beta/models/m:generateContent", members(n))
            .await;
        assert_ne!(reply.status, 500, "{}", reply.text());
        spent.push(cpu() - before);
    }
    // Four times the members: four times the work and something for their sorting, not sixteen times.
    // Ticks are 10 ms, so a few of them mean nothing.
    assert!(spent[1] <= 8 * spent[0].max(5), "{spent:?} ticks");
}

/// Texts in which every token begins what may go on for long. Where that takes too much it is the client's
/// error, never the gateway's.
#[tokio::test]
async fn what_begins_everywhere_and_ends_nowhere_is_told_to_its_client() {
    let upstream = echo().await;
    let rules = format!(
        "{MASKS}\n[[policies.guardrails.config.rules]]\nname = \"keys\"\nkind = \"secrets\"\naction = \"mask\"\napply = [\"input\"]"
    );
    let forebay = Forebay::start(upstream.behind(&rules)).await;
    for (word, times) in [
        ("sk-", 40_000),
        ("sk-", 400_000),
        ("sk-glpat-xoxb-", 10_000),
        ("-----BEGIN PRIVATE KEY-----\n", 8_000),
        ("1.", 60_000),
        ("eyJhbGciOi.", 10_000),
        ("password=", 10_000),
        ("a@", 60_000),
        ("1:", 60_000),
    ] {
        let reply = forebay.client.chat(&chat(&word.repeat(times))).await;
        assert!(
            reply.status < 500,
            "{word}: {} {}",
            reply.status,
            reply.text()
        );
    }
    let reply = forebay.client.chat(&chat(&"sk-".repeat(40_000))).await;
    reply.is_error(400, "match-too-long");
}

/// Text of rare characters, each of which has another form, and JSON of very many small strings and numbers,
/// cost little more for each byte than plain words do: counted in the process's own time, beside a gateway
/// whose rule looks at no text.
#[tokio::test]
async fn no_text_costs_much_more_for_each_byte_than_others_do() {
    const BYTES: usize = 600_000;
    /// How many times as much as plain words. Faults of this class cost hundreds of times as much.
    const MOST: u64 = 20;
    let upstream = echo().await;
    let rules = format!(
        "{MASKS}\n[[policies.guardrails.config.rules]]\nname = \"keys\"\nkind = \"secrets\"\naction = \"mask\"\napply = [\"input\"]\n[[policies.guardrails.config.rules]]\nname = \"word\"\nkind = \"dictionary\"\nterms = [\"pomegranate\"]\naction = \"deny\"\napply = [\"input\"]"
    );
    let forebay = Forebay::start(upstream.behind(&rules)).await;
    // Denied at once when all is judged: what comes after the judgement costs nothing.
    let denied = |text: &str| chat(&format!("pomegranate {text}"));
    let within = |value: &str| {
        let mut body = denied("");
        let tool = json!({"type": "function", "function": {"name": "f", "parameters": {"x": "X"}}});
        body["tools"] = json!([tool]);
        body.to_string().replace("\"X\"", value)
    };
    let limit = "[[policies.guardrails.config.rules]]\nname = \"limit\"\nkind = \"limit\"\nlimits = { max_prompt_bytes = 1 }";
    let blind = Forebay::start(upstream.behind(limit)).await;
    let spent = async |forebay: &Forebay, body: String| {
        let mut least = u64::MAX;
        for n in 0..2 {
            // A decision about the same body is remembered.
            let body = body.replacen("pomegranate", &format!("pomegranate {n}"), 1);
            let before = forebay.cpu_ticks();
            let reply = forebay.client.post_bytes("/v1/chat/completions", body);
            assert_eq!(reply.await.status, 400);
            least = least.min(forebay.cpu_ticks() - before);
        }
        least
    };
    let mut plain = 0;
    for (name, body) in [
        (
            "words",
            denied(&"some words, ".repeat(BYTES / 12)).to_string(),
        ),
        ("fractions", denied(&"½".repeat(BYTES / 2)).to_string()),
        ("wide letters", denied(&"ａ".repeat(BYTES / 3)).to_string()),
        ("numbers", within(&format!("[{}1]", "1,".repeat(BYTES / 2)))),
        (
            "strings",
            within(&format!("[{}1]", "\"a\",".repeat(BYTES / 4))),
        ),
        (
            "fractions in strings",
            within(&format!("[{}1]", "\"½\",".repeat(BYTES / 5))),
        ),
        (
            "escapes",
            within(&format!("[{}1]", "\"\\n\",".repeat(BYTES / 5))),
        ),
    ] {
        let read = spent(&blind, body.clone()).await;
        let more = spent(&forebay, body).await.saturating_sub(read);
        if name == "words" {
            // A tick is 10 ms, and one of them may be missed.
            plain = more + 1;
        }
        println!("{name}: {more} ticks, {plain} for words");
        assert!(
            more <= MOST * plain,
            "{name}: {more} ticks, {plain} for words"
        );
    }
}

/// Requests in which one thing refers to another very many times, and strings that stand very deep.
#[tokio::test]
async fn what_refers_to_one_thing_again_and_again_costs_no_more_each_time() {
    let upstream = Scripted::start(|mut call| async move {
        call.answer("400 Bad Request", "application/json", "{}")
            .await;
    })
    .await;
    let config = Config::new("[retries]\nattempts = 1\n")
        .upstream(
            "claude",
            &upstream.url(),
            "provider = \"anthropic\"\nkey = \"env:K\"\nmodels = { claude = \"claude-sonnet-4-5\" }",
        )
        .upstream("any", &upstream.url(), "models = { any = \"any\" }")
        .env("K", "k");
    let forebay = Forebay::start(config).await;
    let list = |n: usize, item: &str| vec![item; n].join(",");
    let schemas = |n: usize| {
        let properties: Vec<String> = (0..n).map(|n| format!("\"p{n}\":{{}}")).collect();
        let schema = format!(
            r##"{{"$defs":{{"b":{{"properties":{{{}}}}}}},"allOf":[{}]}}"##,
            properties.join(","),
            list(n, r##"{"$ref":"#/$defs/b"}"##)
        );
        let tool =
            format!(r#"{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}"#);
        format!(
            r#"{{"model":"claude","messages":[{{"role":"user","content":"x"}}],"tools":[{tool}]}}"#
        )
    };
    let deep = |n: usize| {
        let name = format!("{{\"{}\":", "a".repeat(40));
        format!(
            r#"{{"model":"any","messages":[{{"role":"user","content":"x"}}],"file_id":null,"m":{}[{}]{}}}"#,
            name.repeat(50),
            list(8 * n, "\"a\""),
            "}".repeat(50)
        )
    };
    let bodies: [(&str, &dyn Fn(usize) -> String); 2] = [("schemas", &schemas), ("depth", &deep)];
    for (name, body) in bodies {
        let mut spent = Vec::new();
        for n in [1_000, 8_000] {
            let before = forebay.cpu_ticks();
            let reply = forebay
                .client
                .post_bytes("/v1/chat/completions", body(n))
                .await;
            assert!(reply.status < 500, "{name}: {}", reply.text());
            spent.push(forebay.cpu_ticks() - before);
        }
        // Ticks are 10 ms, so a few of them mean nothing.
        assert!(spent[1] <= 16 * spent[0].max(5), "{name}: {spent:?} ticks");
    }
}

/// An answer that takes long to read and translate, and small requests on the same only thread meanwhile.
#[tokio::test]
async fn large_answers_do_not_hold_up_others() {
    let sent = Gate::default();
    let gate = sent.clone();
    let upstream = Scripted::start(move |mut call| {
        let gate = gate.clone();
        async move {
            let is_large = String::from_utf8_lossy(&call.request.body).contains("a large one");
            let text = match is_large {
                true => "some words, more words. ".repeat(300_000),
                false => "small".to_owned(),
            };
            let answer = json!({
                "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
                "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
                "usage": {"input_tokens": 1, "output_tokens": 1},
            });
            call.answer("200 OK", "application/json", &answer.to_string())
                .await;
            if is_large {
                gate.open(1);
            }
        }
    })
    .await;
    let config = Config::new("[server]\nworkers = 1\n").upstream(
        "one",
        &upstream.url(),
        "provider = \"anthropic\"\nkey = \"env:K\"\nmodels = { forebay-sim = \"m\" }",
    );
    let forebay = Forebay::start(config.env("K", "k")).await;
    let client = forebay.client.clone();
    let large = tokio::spawn(async move {
        let reply = client.chat(&chat("a large one")).await;
        (reply, Instant::now())
    });
    within("the large answer", sent.pass()).await;
    let began = Instant::now();
    let mut longest = Duration::ZERO;
    for n in 0.. {
        if large.is_finished() {
            break;
        }
        let asked = Instant::now();
        let reply = forebay.client.chat(&chat(&format!("number {n}"))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        longest = longest.max(asked.elapsed());
    }
    let (reply, ended) = large.await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let took = ended - began;
    assert!(longest < took / 2, "{longest:?} of {took:?}");
}
