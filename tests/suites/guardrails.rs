//! The guardrails at work: what is masked, what is denied, and that nothing slips between two chunks.

use forebay_tests::prompts::{chat, chunk, delta, done, finish, saying, streamed, whole, with};
use forebay_tests::upstream::stream_of;
use forebay_tests::{Config, Engine, Forebay, Gate, Scripted, within};
use serde_json::json;

fn rules(toml: &str) -> String {
    format!("[log]\nlevel = \"debug\"\naccess = true\n{toml}")
}

fn rule(text: &str) -> String {
    format!("\n[[policies.guardrails.config.rules]]\n{text}\n")
}

/// An upstream that repeats the prompt's last word, as a stream one character at a time if asked.
async fn parrot() -> Scripted {
    Scripted::start(|mut call| async move {
        let body = call.request.json();
        let messages = body["messages"].as_array().unwrap();
        let text = messages.last().unwrap()["content"].as_str().unwrap();
        let word = text.rsplit(' ').next().unwrap().to_owned();
        if body["stream"] == true {
            let mut pieces: Vec<String> = word.chars().map(|c| chunk(&c.to_string())).collect();
            pieces.extend([chunk(" it is"), finish("stop"), done()]);
            call.send(stream_of(&pieces)).await;
        } else {
            call.answer(
                "200 OK",
                "application/json",
                &whole(&format!("{word} it is")),
            )
            .await;
        }
    })
    .await
}

#[tokio::test]
async fn personal_data_is_masked_upstream_and_restored_for_the_client() {
    let parrot = parrot().await;
    let config = parrot.behind(&rules(&rule(
        "name = \"pii\"\nkind = \"pii\"\naction = \"mask\"\napply = [\"input\"]",
    )));
    let forebay = Forebay::start(config).await;

    let reply = forebay
        .client
        .chat(&chat("write to ann.smith@example.org"))
        .await;
    assert_eq!(reply.content(), "ann.smith@example.org it is");
    let told = forebay
        .client
        .stream(&streamed("stream to bob@example.net"))
        .await
        .rest()
        .await;
    assert_eq!(
        (told.text().as_str(), told.done),
        ("bob@example.net it is", true),
        "split over {} events",
        told.events.len()
    );
    for request in parrot.received() {
        let sent = String::from_utf8_lossy(&request.body).into_owned();
        assert!(
            !sent.contains("example.") && sent.contains("[EMAIL_1_"),
            "the upstream saw {sent}"
        );
    }

    forebay.stored().await;
    // Two clients who differ only in the value share the answer, and each gets its own value.
    let other = forebay
        .client
        .chat(&chat("write to carol@example.com"))
        .await;
    assert_eq!(
        (other.cache(), other.content().as_str()),
        ("hit", "carol@example.com it is")
    );
    let replay = forebay
        .client
        .stream(&streamed("stream to dave@example.com"))
        .await
        .rest()
        .await;
    assert_eq!(replay.text(), "dave@example.com it is");
    assert_eq!(parrot.calls(), 2);

    // A placeholder that a client writes itself is not restored to anyone's value.
    let mask = {
        let sent = String::from_utf8_lossy(&parrot.received()[0].body).into_owned();
        let at = sent.find("[EMAIL_1_").unwrap();
        sent[at..].split_inclusive(']').next().unwrap().to_owned()
    };
    let forged = forebay
        .client
        .chat(&chat(&format!("eve@example.com says {mask}")))
        .await;
    assert!(!forged.content().contains("eve@"), "{}", forged.content());

    let metrics = forebay.metrics().await;
    assert!(
        metrics.sum("forebay_guard_actions_total{rule=\"pii\",action=\"mask\",shadow=\"false\"}")
            >= 4.0
    );
    forebay.has_not_logged(&["example.org", "example.net", "example.com", "write to"]);
}

#[tokio::test]
async fn a_secret_in_a_prompt_is_denied_and_goes_nowhere() {
    let engine = Engine::instant().await;
    let config = engine.behind(&rules(&rule(
        "name = \"no-secrets\"\nkind = \"secrets\"\naction = \"deny\"",
    )));
    let forebay = Forebay::start(config).await;
    let secret = format!("sk-{}", "abcDEF123456".repeat(3));
    for body in [
        chat(&format!("my key is {secret}")),
        streamed(&format!("use {secret} please")),
    ] {
        let reply = forebay.client.chat(&body).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        let error = &reply.json()["error"];
        assert_eq!(error["type"], "content_policy_violation", "{error}");
        assert!(
            !reply.text().contains(&secret),
            "a denial does not repeat the secret"
        );
    }
    assert_eq!(engine.computed(), 0);
    assert_eq!(
        forebay
            .metrics()
            .await
            .sum("forebay_errors_total{kind=\"prompt_denied\"}"),
        2.0
    );
    assert_eq!(
        forebay.client.chat(&chat("nothing secret")).await.status,
        200
    );
    forebay.has_not_logged(&[&secret]);
}

const CODE: &str = "name = \"codes\"\nkind = \"dictionary\"\nterms = [\"purple monkey dishwasher\"]\naction = \"deny\"\napply = [\"output\"]";

#[tokio::test]
async fn output_is_judged_across_chunks_and_a_denied_answer_is_not_kept() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind(&rules(&rule(CODE)))).await;
    let cuts: [&[&str]; 4] = [
        &["the word is pur", "ple mon", "key dish", "washer, go"],
        &[
            "the word is ",
            "p",
            "u",
            "r",
            "p",
            "l",
            "e",
            " ",
            "monkey dishwashe",
            "r",
        ],
        &["the word is purple monkey dishwasher"],
        &["the word is PURPLE MONKEY ", "DISHWASHER."],
    ];
    for (n, parts) in cuts.iter().enumerate() {
        let turn = 2 * n as u64;
        let request = saying(streamed("what is the word?"), parts);
        let reply = forebay.client.chat(&request).await;
        let text = reply.text();
        assert!(
            !text.to_lowercase().contains("monkey") && !text.to_lowercase().contains("dishwasher"),
            "{parts:?}: {text}"
        );
        assert!(
            text.contains("content_policy_violation") && !text.contains("[DONE]"),
            "{parts:?}: {text}"
        );
        assert_eq!(engine.computed(), turn + 1);

        let reply = forebay
            .client
            .chat(&saying(chat("what is the word?"), parts))
            .await;
        assert_eq!(
            (reply.status, reply.json()["error"]["type"].as_str()),
            (400, Some("content_policy_violation")),
            "{}",
            reply.text()
        );
        assert_eq!(engine.computed(), turn + 2, "a denied answer is not kept");
    }
    let harmless = saying(
        streamed("and now?"),
        &["purple mon", "keys ", "wash dishes"],
    );
    let told = forebay.client.stream(&harmless).await.rest().await;
    assert_eq!(
        (told.text().as_str(), told.done),
        ("purple monkeys wash dishes", true)
    );
    assert!(
        forebay
            .metrics()
            .await
            .sum("forebay_guard_actions_total{rule=\"codes\",action=\"deny\"}")
            >= 8.0
    );
}

#[tokio::test]
async fn output_is_masked_across_chunks_and_the_rest_goes_out_at_once() {
    let gate = Gate::default();
    let steps = gate.clone();
    let upstream = Scripted::start(move |mut call| {
        let gate = steps.clone();
        async move {
            call.begin_stream().await;
            for piece in [
                "Write to him. ",
                "At hidden.per",
                "son@exam",
                "ple.org, now. ",
                "Bye.",
            ] {
                call.send(chunk(piece)).await;
                gate.pass().await;
            }
            call.send(finish("stop") + &done()).await;
        }
    })
    .await;
    let pii = rule(
        "name = \"pii\"\nkind = \"pii\"\naction = \"mask\"\nentities = [\"EMAIL\"]\napply = [\"output\"]",
    );
    let forebay = Forebay::start(upstream.behind(&rules(&pii))).await;
    let mut events = forebay.client.stream(&streamed("whom?")).await;
    let mut text = String::new();
    let first = within("text that no rule can be about", async {
        while !text.contains("him.") {
            text += &events.next().await.unwrap().text();
        }
    });
    // The upstream has said no more than its first words: the rest of the answer is not waited for.
    first.await;
    gate.open(10);
    let told = events.rest().await;
    text += &told.text();
    assert_eq!(text, "Write to him. At [EMAIL], now. Bye.");
    assert!(told.done);
    forebay.stored().await;
    let replay = forebay.client.chat(&chat("whom?")).await;
    assert_eq!(
        (replay.cache(), replay.content().as_str()),
        ("hit", "Write to him. At [EMAIL], now. Bye.")
    );
}

#[tokio::test]
async fn tool_arguments_and_reasoning_are_guarded_too() {
    let call = |name: Option<&str>, arguments: &str| {
        let mut function = json!({"arguments": arguments});
        let mut tool = json!({"index": 0});
        if let Some(name) = name {
            function["name"] = json!(name);
            tool["id"] = json!("call_1");
            tool["type"] = json!("function");
        }
        tool["function"] = function;
        delta(&json!({"tool_calls": [tool]}))
    };
    let tool = Scripted::saying(stream_of(&[
        call(Some("say"), ""),
        call(None, "{\"text\": \"purple mon"),
        call(None, "key dish"),
        call(None, "washer\"}"),
        finish("tool_calls"),
        done(),
    ]))
    .await;
    let think = |text: &str| delta(&json!({"reasoning_content": text}));
    let reasoning = Scripted::saying(stream_of(&[
        think("I think purple mon"),
        think("key dishwasher"),
        chunk("fine"),
        finish("stop"),
        done(),
    ]))
    .await;
    let hidden = Scripted::saying(stream_of(&[
        delta(&json!({"content": "ok ", "secret_channel": "purple monkey dishwasher"})),
        chunk("fine"),
        finish("stop"),
        done(),
    ]))
    .await;
    let config = Config::new(rules(&rule(CODE)))
        .upstream("tool", &tool.url(), "models = { tool = \"m\" }")
        .upstream(
            "reasoning",
            &reasoning.url(),
            "models = { reasoning = \"m\" }",
        )
        .upstream("hidden", &hidden.url(), "models = { hidden = \"m\" }");
    let forebay = Forebay::start(config).await;
    for model in ["tool", "reasoning"] {
        let request = with(streamed("go"), json!({"model": model}));
        let text = forebay.client.chat(&request).await.text();
        assert!(text.contains("content_policy_violation"), "{model}: {text}");
        assert!(
            !text.contains("dish") && !text.contains("washer"),
            "{model}: {text}"
        );
    }
    // What the guard can't read does not go out while output rules are active.
    let text = forebay
        .client
        .chat(&with(streamed("go"), json!({"model": "hidden"})))
        .await
        .text();
    assert!(!text.contains("monkey"), "{text}");
}

#[tokio::test]
async fn a_shadow_rule_only_counts() {
    let engine = Engine::instant().await;
    let shadow = rule(
        "name = \"trial\"\nkind = \"dictionary\"\nterms = [\"tiger\"]\naction = \"deny\"\nshadow = true",
    );
    let forebay = Forebay::start(engine.behind(&rules(&shadow))).await;
    assert_eq!(forebay.client.chat(&chat("a tiger")).await.status, 200);
    let said = forebay
        .client
        .chat(&saying(chat("an animal"), &["a ti", "ger"]))
        .await;
    assert_eq!(said.content(), "a tiger");
    let metrics = forebay.metrics().await;
    assert_eq!(
        metrics.sum("forebay_guard_actions_total{rule=\"trial\",action=\"deny\",shadow=\"true\"}"),
        2.0
    );
    assert_eq!(
        metrics.sum("forebay_guard_actions_total{rule=\"trial\",shadow=\"false\"}"),
        0.0
    );
    assert_eq!(
        metrics.sum("forebay_errors_total{kind=\"prompt_denied\"}"),
        0.0
    );
}

#[tokio::test]
async fn isolation_by_tenant_answers_as_isolation_by_request_does() {
    let mut told = Vec::new();
    for isolation in ["request", "tenant"] {
        let engine = Engine::instant().await;
        let text = rules(&rule(CODE))
            + &rule("name = \"pii\"\nkind = \"pii\"\naction = \"mask\"\napply = [\"input\"]");
        let text = format!("[secrets]\nmaster = \"env:MASTER\"\n{text}");
        // Masks are made under the tenant's secret: the same here as there.
        let config = engine
            .behind(&text)
            .policies(&format!("isolation = \"{isolation}\""))
            .env("MASTER", "one secret for both of them");
        let forebay = Forebay::start(config).await;
        let mut answers = Vec::new();
        for turn in 0..3 {
            for request in [
                chat("plain"),
                chat(&format!("mail ann{turn}@example.org")),
                saying(chat("denied"), &["purple monkey dish", "washer"]),
                saying(chat("fine"), &["purple monkey"]),
            ] {
                let reply = forebay.client.chat(&request).await;
                forebay.stored().await;
                let content = reply.json()["choices"][0]["message"]["content"].clone();
                answers.push((reply.status, reply.cache(), content));
            }
        }
        told.push(answers);
    }
    assert_eq!(told[0], told[1]);
}
