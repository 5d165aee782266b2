//! Upstreams that fail: who is tried again, who rests, who is ejected, and what clients are told.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::time::Duration;

use forebay_gateway::config::Span;
use forebay_gateway::platform::TransportFailure;

use crate::support::*;

fn several(names: &[&str]) -> RigBuilder {
    RigBuilder {
        upstreams: names
            .iter()
            .map(|name| serde_json::json!({"name": name, "urls": [format!("http://{name}")]}))
            .collect(),
        ..RigBuilder::default()
    }
}

fn busy(exchange: Exchange, wait: &str) {
    exchange.refuse(
        429,
        &[("retry-after", wait)],
        r#"{"error":{"message":"slow down"}}"#,
    );
}

#[tokio::test(start_paused = true)]
async fn a_first_503_of_the_only_replica_is_tried_again_after_a_pause() {
    let mut rig = several(&["one"]).build();
    let answer = rig.send(chat("hi", false));
    rig.exchange().await.whole(503, "{}");
    let began = tokio::time::Instant::now();
    let again = rig.exchange().await;
    assert!(began.elapsed() >= Duration::from_millis(50));
    let fresh = again
        .request
        .extensions()
        .get::<forebay_gateway::platform::FreshConnection>();
    assert!(fresh.is_some());
    again.whole(200, completion("well"));
    assert_eq!(answer.await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn repeats_stay_within_their_budget_while_everything_fails() {
    let mut rig = several(&["one"]).build();
    let mut incoming = rig.take_incoming();
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Some(exchange) = incoming.recv().await {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            exchange.whole(500, "{}");
        }
    });
    for i in 0..300 {
        let answer = rig.send(chat(&format!("q{i}"), false)).await.unwrap();
        assert_eq!(answer.status(), 500);
    }
    let asked = asked.load(std::sync::atomic::Ordering::SeqCst);
    // A tenth of the requests, and the ten that a quiet gateway has in hand.
    assert!((300..=345).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_that_has_closed_costs_neither_time_nor_budget_nor_trust() {
    let mut builder = several(&["one"]);
    builder.config.retries.attempts = 1;
    builder.config.retries.eject_after = 1;
    let mut rig = builder.build();
    for i in 0..50 {
        let answer = rig.send(chat(&format!("q{i}"), i % 2 == 0));
        let began = tokio::time::Instant::now();
        rig.exchange().await.fail(TransportFailure::Stale);
        let again = rig.exchange().await;
        assert!(began.elapsed().is_zero());
        let fresh = again.request.extensions();
        assert!(
            fresh
                .get::<forebay_gateway::platform::FreshConnection>()
                .is_some()
        );
        match i % 2 == 0 {
            true => {
                let feed = again.stream();
                feed.text("well");
                feed.finish();
            }
            false => again.whole(200, completion("well")),
        }
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        rest(answer.into_body()).await;
    }
    assert!(rig.gateway.upstreams()[0].endpoints[0].healthy);
    // A connection of its own has no such excuse.
    let answer = rig.send(chat("last", false));
    rig.exchange().await.fail(TransportFailure::Stale);
    rig.exchange().await.fail(TransportFailure::Stale);
    assert_eq!(answer.await.unwrap().status(), 502);
    assert!(!rig.gateway.upstreams()[0].endpoints[0].healthy);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_within_a_stream_is_one_like_any_other() {
    // The request is at fault: nobody else is asked, and nobody is to blame.
    let mut builder = several(&["one", "two"]);
    builder.config.retries.eject_after = 1;
    let mut rig = builder.build();
    for i in 0..3 {
        let answer = rig.send(chat(&format!("q{i}"), true));
        let feed = rig.exchange().await.stream();
        feed.data(r#"{"error":{"message":"no images","type":"BadRequestError","code":400}}"#);
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 400);
        assert!(rig.is_idle().await);
    }
    assert!(rig.gateway.upstreams()[0].endpoints[0].healthy);
    // The upstream has too much to do: the next one is asked, and this one is not to blame.
    let answer = rig.send(chat("busy", true));
    let feed = rig.exchange().await.stream();
    feed.data(r#"{"error":{"message":"slow down","type":"rate_limit_error","code":429}}"#);
    let next = rig.exchange().await;
    assert_eq!(next.host(), "two");
    let feed = next.stream();
    feed.text("well");
    feed.finish();
    let body = answer.await.unwrap().into_body();
    assert_eq!(content(&rest(body).await), "well");
    assert!(rig.gateway.upstreams()[0].endpoints[0].healthy);
}

#[tokio::test(start_paused = true)]
async fn one_request_is_repeated_no_more_often_than_attempts_allow() {
    let refusals: [(u16, &'static [(&'static str, &'static str)]); 4] = [
        (429, &[("retry-after", "1")]),
        (503, &[("retry-after", "1")]),
        (503, &[]),
        (500, &[]),
    ];
    for attempts in 1..=4 {
        for (status, headers) in refusals {
            let mut builder = several(&["one"]);
            builder.config.retries.attempts = attempts;
            let mut rig = builder.build();
            let mut incoming = rig.take_incoming();
            let answer = rig.send(chat("hi", false));
            let asked = tokio::spawn(async move {
                let mut asked = 0;
                while let Some(exchange) = incoming.recv().await {
                    asked += 1;
                    exchange.refuse(status, headers, r#"{"error":{"message":"no"}}"#);
                }
                asked
            });
            assert_eq!(answer.await.unwrap().status(), status);
            drop(rig);
            assert_eq!(asked.await.unwrap(), attempts, "{status} {headers:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_when_to_come_back_is_left_alone_until_then() {
    let mut rig = several(&["one", "two"]).build();
    let first = rig.send(chat("a", false));
    busy(rig.exchange().await, "30");
    rig.exchange().await.whole(200, completion("x"));
    assert_eq!(first.await.unwrap().status(), 200);
    let second = rig.send(chat("b", false));
    let asked = rig.exchange().await;
    assert_eq!(asked.host(), "two");
    asked.whole(200, completion("x"));
    assert_eq!(second.await.unwrap().status(), 200);
    tokio::time::advance(Duration::from_secs(30)).await;
    let third = rig.send(chat("c", false));
    let asked = rig.exchange().await;
    assert_eq!(asked.host(), "one");
    asked.whole(200, completion("x"));
    assert_eq!(third.await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn when_all_rest_the_client_learns_when_the_first_comes_back() {
    let mut rig = several(&["one", "two"]).build();
    let first = rig.send(chat("a", false));
    busy(rig.exchange().await, "40");
    busy(rig.exchange().await, "30");
    let first = first.await.unwrap();
    assert_eq!(
        (first.status().as_u16(), &first.headers()["retry-after"]),
        (429, &"30".parse().unwrap())
    );
    tokio::time::advance(Duration::from_secs(10)).await;
    let second = rig.send(chat("b", false)).await.unwrap();
    assert_eq!(
        (second.status().as_u16(), &second.headers()["retry-after"]),
        (429, &"20".parse().unwrap())
    );
    assert!(rig.is_idle().await);
}

#[tokio::test(start_paused = true)]
async fn payment_permission_and_a_missing_model_go_to_the_next_upstream() {
    for status in [401, 402, 403, 404] {
        let mut rig = several(&["one", "two"]).build();
        let answer = rig.send(chat("hi", false));
        rig.exchange()
            .await
            .whole(status, r#"{"error":{"message":"no"}}"#);
        rig.exchange().await.whole(200, completion("well"));
        assert_eq!(answer.await.unwrap().status(), 200, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_before_its_first_content_is_asked_of_the_next() {
    let role = r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
    let error = r#"{"error":{"message":"overloaded","type":"overloaded_error"}}"#;
    for breaks in [true, false] {
        let mut rig = several(&["one", "two"]).build();
        let answer = rig.send(chat("hi", true));
        let feed = rig.exchange().await.stream();
        feed.data(role);
        if breaks {
            feed.break_off();
        } else {
            feed.data(error);
        }
        let feed = rig.exchange().await.stream();
        feed.text("well");
        feed.finish();
        let answer = rest(answer.await.unwrap().into_body()).await;
        assert_eq!(content(&answer), "well");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_content_is_asked_of_the_next_and_never_kept() {
    let empty = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[]}"#;
    let mut rig = several(&["one", "two"]).build();
    let answer = rig.send(chat("hi", false));
    rig.exchange().await.whole(200, empty);
    rig.exchange().await.whole(200, completion("well"));
    assert_eq!(answer.await.unwrap().status(), 200);

    let mut rig = several(&["one"]).build();
    let answer = rig.send(chat("hi", false));
    for _ in 0..3 {
        rig.exchange().await.whole(200, empty);
    }
    assert_eq!(answer.await.unwrap().status(), 200);
    assert!(rig.store.entries.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_streamed_may_take_as_long_as_the_request_may() {
    let mut rig = several(&["one"]).build();
    let answer = rig.send(chat("hi", false));
    let exchange = rig.exchange().await;
    tokio::time::sleep(Duration::from_secs(400)).await;
    exchange.whole(200, completion("at last"));
    assert_eq!(answer.await.unwrap().status(), 200);
    assert!(rig.is_idle().await);
}

#[tokio::test(start_paused = true)]
async fn a_model_may_think_for_two_minutes_within_a_stream() {
    let mut rig = several(&["one"]).build();
    let answer = rig.send(chat("hi", true));
    let feed = rig.exchange().await.stream();
    feed.text("let me think ");
    tokio::time::sleep(Duration::from_secs(125)).await;
    feed.text("done");
    feed.finish();
    let answer = rest(answer.await.unwrap().into_body()).await;
    assert_eq!(content(&answer), "let me think done");
}

#[tokio::test(start_paused = true)]
async fn the_head_goes_out_while_the_upstream_is_still_silent() {
    let mut builder = several(&["one", "two"]);
    builder.config.streams.keep_alive = Span(Duration::from_secs(2));
    let mut rig = builder.build();
    let answer = rig.send(chat("hi", true));
    let silent = rig.exchange().await;
    let mut body = answer.await.unwrap().into_body();
    assert!(frame(&mut body).await.unwrap().starts_with(": "));
    // What fails now is not lost: the next upstream answers.
    silent.fail(TransportFailure::Reset);
    let feed = rig.exchange().await.stream();
    feed.text("well");
    feed.finish();
    assert_eq!(content(&rest(body).await), "well");
}

#[tokio::test(start_paused = true)]
async fn a_clients_own_deadline_is_not_held_against_an_upstream() {
    let mut rig = several(&["one"]).build();
    for i in 0..20 {
        let hasty = chat(&format!("q{i}"), false).header("x-forebay-deadline-ms", "150");
        let answer = rig.send(hasty);
        let _held = rig.exchange().await;
        assert_eq!(answer.await.unwrap().status(), 504);
    }
    assert!(rig.gateway.upstreams()[0].endpoints[0].healthy);
}

#[tokio::test(start_paused = true)]
async fn what_recovered_gets_traffic_again_one_request_at_a_time() {
    let mut rig = several(&["one", "two"]).build();
    for i in 0..5 {
        let answer = rig.send(chat(&format!("q{i}"), false));
        rig.exchange().await.fail(TransportFailure::Connect);
        rig.exchange().await.whole(200, completion("x"));
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    let ejected = rig.send(chat("ejected", false));
    let asked = rig.exchange().await;
    assert_eq!(asked.host(), "two");
    asked.whole(200, completion("x"));
    ejected.await.unwrap();
    tokio::time::advance(Duration::from_secs(10)).await;
    let trial = rig.send(chat("trial", false));
    let tried = rig.exchange().await;
    assert_eq!(tried.host(), "one");
    let meanwhile = rig.send(chat("meanwhile", false));
    let other = rig.exchange().await;
    assert_eq!(other.host(), "two");
    other.whole(200, completion("x"));
    meanwhile.await.unwrap();
    tried.whole(200, completion("x"));
    assert_eq!(trial.await.unwrap().status(), 200);
    let after = rig.send(chat("after", false));
    let asked = rig.exchange().await;
    assert_eq!(asked.host(), "one");
    asked.whole(200, completion("x"));
    after.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_keys_prompts_do_not_take_a_replica_from_the_others() {
    let (a, secret_a) = key("a", "acme");
    let (b, secret_b) = key("b", "other");
    let mut rig = RigBuilder {
        keys: vec![a, b],
        ..several(&["one"])
    }
    .build();
    let ask = |text: &str, secret: &str| {
        chat(text, false).header("authorization", format!("Bearer {secret}"))
    };
    let neighbour = rig.send(ask("hello", &secret_b));
    rig.exchange().await.whole(200, completion("x"));
    assert_eq!(neighbour.await.unwrap().status(), 200);
    for i in 0..8 {
        let answer = rig.send(ask(&format!("poison {i}"), &secret_a));
        while let Ok(exchange) = tokio::time::timeout(Duration::from_secs(5), rig.exchange()).await
        {
            exchange.whole(403, "{}");
            if answer.is_finished() {
                break;
            }
            tokio::task::yield_now().await;
            if rig.is_idle().await {
                break;
            }
        }
        assert!(answer.await.unwrap().status().is_server_error());
    }
    assert!(rig.gateway.upstreams()[0].endpoints[0].healthy);
}

#[tokio::test(start_paused = true)]
async fn a_field_that_the_gateway_added_never_fails_a_request() {
    let mut rig = several(&["one"]).build();
    for i in 0..2 {
        let answer = rig.send(chat(&format!("q{i}"), true));
        let mut exchange = rig.exchange().await;
        if i == 0 {
            assert!(exchange.json().get("stream_options").is_some());
            exchange.whole(
                400,
                r#"{"error":{"message":"Unrecognized request argument supplied: stream_options"}}"#,
            );
            exchange = rig.exchange().await;
        }
        assert!(exchange.json().get("stream_options").is_none());
        let feed = exchange.stream();
        feed.text("well");
        feed.finish();
        assert_eq!(
            content(&rest(answer.await.unwrap().into_body()).await),
            "well"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn whole_answers_say_nothing_about_the_first_token() {
    let mut rig = several(&["one"]).build();
    let answer = rig.send(chat("hi", false));
    let exchange = rig.exchange().await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    exchange.whole(200, completion("x"));
    answer.await.unwrap();
    assert_eq!(rig.gateway.upstreams()[0].ttft_ms, None);
}
