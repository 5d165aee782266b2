//! Reloading all or nothing, and ending without cutting anyone off.

use forebay_tests::prompts::{chat, chunk, done, finish, streamed, with};
use forebay_tests::{Client, Config, Engine, Forebay, Gate, Key, Scripted, eventually};
use rustix::process::Signal;
use serde_json::json;

async fn stepping(gate: &Gate) -> Scripted {
    let gate = gate.clone();
    Scripted::start(move |mut call| {
        let gate = gate.clone();
        async move {
            call.begin_stream().await;
            call.send(chunk("begun ")).await;
            gate.pass().await;
            call.send(chunk("ended") + &finish("stop") + &done()).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_good_reload_takes_effect_and_a_stream_in_flight_ends_whole() {
    let gate = Gate::default();
    let (old, new) = (stepping(&gate).await, Engine::instant().await);
    let forebay = Forebay::start(Config::new("").upstream("old", &old.url(), "")).await;
    let mut events = forebay.client.stream(&streamed("across a reload")).await;
    assert_eq!(events.next().await.unwrap().text(), "begun ");

    forebay.rewrite(&Config::new("[limits]\nbody = \"1 KiB\"\n").upstream("new", &new.url(), ""));
    forebay.signal(Signal::HUP);
    forebay.metric_reaches("forebay_reloads_total", 1.0).await;
    let reply = forebay.client.chat(&chat("after it")).await;
    assert_eq!(
        (reply.status, reply.header("x-forebay-upstream")),
        (200, "new"),
        "{}",
        reply.text()
    );
    let big = with(chat("too big now"), json!({"padding": "x".repeat(2000)}));
    forebay
        .client
        .chat(&big)
        .await
        .is_error(413, "request_too_large");

    gate.open(1);
    let told = events.rest().await;
    assert_eq!(
        (told.text().as_str(), told.done),
        ("ended", true),
        "{told:?}"
    );
    assert_eq!(
        forebay.metrics().await.sum("forebay_reloads_failed_total"),
        0.0
    );
}

#[tokio::test]
async fn a_broken_reload_keeps_the_old_configuration_and_says_why() {
    let engine = Engine::instant().await;
    let (old, new) = (Key::of("old"), Key::of("new"));
    let good = engine.behind("").keys(&[&old]);
    let forebay = Forebay::start(good.clone()).await;
    assert_eq!(
        forebay.client_of(&old).chat(&chat("before")).await.status,
        200
    );
    forebay.stored().await;
    let broken = [
        engine
            .behind("[limits]\nbody = 10\nunknown = true\n")
            .keys(&[&new]),
        engine
            .behind("[policies.guardrails]\ncomponent = \"nowhere.wasm\"\n")
            .keys(&[&new]),
        engine
            .behind("[policies.guardrails]\nconfig = { rules = 7 }\n")
            .keys(&[&new]),
        Config::new("")
            .upstream("sim", &engine.url(), "key = \"env:FOREBAY_NO_SUCH_SECRET\"")
            .keys(&[&new]),
    ];
    let mut seen = 0.0;
    for config in &broken {
        forebay.rewrite(config);
        forebay.signal(Signal::HUP);
        forebay
            .metric_reaches("forebay_reloads_failed_total", seen + 1.0)
            .await;
        // A changed file is a reason of its own, so there may be more than one.
        seen = forebay.metrics().await.sum("forebay_reloads_failed_total");
        assert_eq!(
            forebay.client_of(&old).chat(&chat("before")).await.cache(),
            "hit",
            "all as it was, cache included"
        );
        assert_eq!(
            forebay.client_of(&new).chat(&chat("x")).await.status,
            401,
            "nothing of the new came through"
        );
    }
    forebay.logs("unknown").await;
    forebay.logs("the old configuration stays").await;
    let metrics = forebay.metrics().await;
    let reloads = metrics.sum("forebay_reloads_total");

    // And from there a good one works, without a signal: the file is watched.
    forebay.rewrite(&engine.behind("").keys(&[&new]));
    forebay
        .metric_reaches("forebay_reloads_total", reloads + 1.0)
        .await;
    eventually("the new key", || async {
        (forebay.client_of(&new).chat(&chat("x")).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(
        forebay.client_of(&old).chat(&chat("before")).await.status,
        401
    );
}

#[tokio::test]
async fn told_to_stop_it_finishes_what_is_open_and_takes_nothing_new() {
    let gate = Gate::default();
    let upstream = stepping(&gate).await;
    let mut forebay = Forebay::start(upstream.behind("")).await;
    let mut events = forebay.client.stream(&streamed("to the end")).await;
    assert_eq!(events.next().await.unwrap().text(), "begun ");
    let mut idle = forebay.raw().await;
    idle.send("GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    assert_eq!(idle.reply().await.status, 200);

    forebay.signal(Signal::TERM);
    idle.closed().await;
    let fresh = Client::new(&format!("http://{}", forebay.addr));
    eventually("that new connections are turned away", || async {
        match fresh.try_get("/v1/models").await {
            Err(_) => Some(()),
            Ok(reply) => (reply.status == 503).then_some(()),
        }
    })
    .await;
    let probe = Client::new(&format!("http://{}", forebay.admin));
    let ready = probe.get("/readyz").await;
    assert_eq!(
        (ready.status, ready.json()["draining"].as_bool()),
        (503, Some(true))
    );
    assert_eq!(probe.get("/healthz").await.status, 200, "it lives still");

    gate.open(1);
    let told = events.rest().await;
    assert_eq!(
        (told.text().as_str(), told.done),
        ("ended", true),
        "{told:?}"
    );
    drop(events);
    assert_eq!(forebay.ended().await, Some(0), "{}", forebay.log());
}

#[tokio::test]
async fn a_drain_has_a_limit_and_a_second_signal_ends_it_at_once() {
    let gate = Gate::default();
    let upstream = stepping(&gate).await;
    let mut forebay = Forebay::start(upstream.behind("[server]\ndrain = \"200ms\"\n")).await;
    let mut events = forebay.client.stream(&streamed("never ends")).await;
    events.next().await.unwrap();
    forebay.signal(Signal::TERM);
    assert_eq!(forebay.ended().await, Some(0), "{}", forebay.log());
    assert!(
        !events.rest().await.done,
        "what was cut does not look whole"
    );
    assert!(forebay.log().contains("server.drain"), "{}", forebay.log());

    let mut forebay = Forebay::start(upstream.behind("[server]\ndrain = \"1h\"\n")).await;
    let mut events = forebay.client.stream(&streamed("never ends")).await;
    events.next().await.unwrap();
    forebay.signal(Signal::TERM);
    forebay.logs("draining").await;
    forebay.signal(Signal::TERM);
    forebay.ended().await;
}
