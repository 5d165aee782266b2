//! Flights: one computation, several clients.
#![allow(clippy::unwrap_used, missing_docs)]

use forebay_gateway::observe::Observation;

use crate::support::*;

#[tokio::test]
async fn identical_misses_make_one_upstream_call() {
    let mut rig = RigBuilder::default().build();
    let first = rig.send(chat("hi", false));
    let exchange = rig.exchange().await;
    let second = rig.send(chat("hi", false));
    assert!(rig.is_idle().await);
    exchange.whole(200, completion("hello"));
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert!(
        second.headers()["cache-status"]
            .to_str()
            .unwrap()
            .contains("collapsed")
    );
    assert_eq!(
        rest(first.into_body()).await,
        rest(second.into_body()).await
    );
}

#[tokio::test]
async fn late_joiner_sees_the_whole_stream() {
    let mut rig = RigBuilder::default().build();
    let first = rig.send(chat("hi", true));
    let feed = rig.exchange().await.stream();
    feed.text("one ");
    let mut first = first.await.unwrap().into_body();
    assert!(frame(&mut first).await.unwrap().contains("one "));
    feed.text("two ");
    let late = rig.send(chat("hi", true)).await.unwrap();
    let mut late = late.into_body();
    assert_eq!(content(&frame(&mut late).await.unwrap()), "one two ");
    feed.text("three");
    feed.finish();
    let (first, late) = (rest(first).await, rest(late).await);
    assert_eq!(content(&first), "two three");
    assert_eq!(content(&late), "three");
    assert!(late.ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_joiner_in_the_other_form_gets_the_same_answer() {
    let mut rig = RigBuilder::default().build();
    let streaming = rig.send(chat("hi", true));
    let feed = rig.exchange().await.stream();
    feed.text("one ");
    let whole = rig.send(chat("hi", false));
    assert!(rig.is_idle().await);
    feed.text("two");
    feed.finish();
    let _ = rest(streaming.await.unwrap().into_body()).await;
    let whole: serde_json::Value =
        serde_json::from_str(&rest(whole.await.unwrap().into_body()).await).unwrap();
    assert_eq!(whole["choices"][0]["message"]["content"], "one two");
    assert_eq!(whole["usage"]["completion_tokens"], 3);
}

#[tokio::test]
async fn the_upstream_is_cancelled_when_the_last_client_leaves_and_not_before() {
    let mut rig = RigBuilder::default().build();
    let first = rig.send(chat("hi", true));
    let feed = rig.exchange().await.stream();
    feed.text("one");
    let first = first.await.unwrap();
    let second = rig.send(chat("hi", true)).await.unwrap();
    drop(first);
    feed.text("two");
    let mut second = second.into_body();
    let mut seen = String::new();
    while !seen.ends_with("two") {
        seen += &content(&frame(&mut second).await.unwrap());
    }
    drop(second);
    feed.cancelled().await;
    assert!(rig.is_idle().await);
    let seen = rig.platform.seen.lock().unwrap();
    assert!(seen.iter().any(|o| matches!(
        o,
        Observation::FlightEnded {
            clients: 2,
            cancelled: true
        }
    )));
}

#[tokio::test]
async fn a_client_that_leaves_before_the_head_cancels_too() {
    let mut rig = RigBuilder::default().build();
    let first = rig.send(chat("hi", false));
    let exchange = rig.exchange().await;
    first.abort();
    assert!(rig.is_idle().await);
    drop(exchange);
    let next = rig.send(chat("hi", false));
    rig.exchange().await.whole(200, completion("again"));
    assert_eq!(next.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_failed_flight_fails_its_joiners_with_the_real_error_and_the_next_starts_anew() {
    let mut rig = RigBuilder::default().build();
    let first = rig.send(chat("hi", false));
    let exchange = rig.exchange().await;
    let second = rig.send(chat("hi", false));
    assert!(rig.is_idle().await);
    exchange.whole(
        400,
        r#"{"error":{"message":"context is too long","type":"bad","code":"ctx"}}"#,
    );
    for answer in [first, second] {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 400);
        assert!(
            rest(answer.into_body())
                .await
                .contains("context is too long")
        );
    }
    let third = rig.send(chat("hi", false));
    rig.exchange().await.whole(200, completion("hello"));
    assert_eq!(third.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_slow_joiner_is_cut_and_the_flight_is_not() {
    let mut builder = RigBuilder::default();
    builder.config.streams.client_buffer = 2_000;
    let mut rig = builder.build();
    let first = rig.send(chat("hi", true));
    let feed = rig.exchange().await.stream();
    feed.text("begin");
    let mut first = first.await.unwrap().into_body();
    let slow = rig.send(chat("hi", true)).await.unwrap().into_body();
    for _ in 0..30 {
        feed.text("0123456789");
        frame(&mut first).await.unwrap();
    }
    feed.finish();
    assert!(rest(first).await.ends_with("[DONE]\n\n"));
    let slow = rest(slow).await;
    assert!(slow.contains("client_too_slow"), "{slow}");
    assert!(!slow.contains("[DONE]"));
}

#[tokio::test]
async fn a_stream_that_ends_without_its_terminal_event_is_an_error_and_is_not_stored() {
    let mut rig = RigBuilder::default().build();
    let first = rig.send(chat("hi", true));
    let feed = rig.exchange().await.stream();
    feed.text("one");
    let mut body = first.await.unwrap().into_body();
    frame(&mut body).await.unwrap();
    drop(feed);
    let end = rest(body).await;
    assert!(
        end.contains("upstream_truncated") && !end.contains("[DONE]"),
        "{end}"
    );
    assert!(rig.is_idle().await);
    assert!(rig.store.entries.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_that_may_be_cut_short_is_passed_on_and_not_stored() {
    let ways = [
        ("stop", true),
        ("eos", true),
        ("eos_token", true),
        ("length", true),
        ("abort", false),
        ("insufficient_system_resource", false),
        ("network_error", false),
        ("a word of next year", false),
    ];
    for (reason, stored) in ways {
        for stream in [false, true] {
            let mut rig = RigBuilder::default().build();
            let asked = rig.send(chat("hi", stream));
            let exchange = rig.exchange().await;
            if stream {
                let feed = exchange.stream();
                feed.text("half");
                let end = serde_json::json!({
                    "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "up",
                    "choices": [{"index": 0, "delta": {}, "finish_reason": reason}],
                });
                feed.data(&end.to_string());
                feed.data("[DONE]");
                drop(feed);
            } else {
                let mut body: serde_json::Value =
                    serde_json::from_str(&completion("half")).unwrap();
                body["choices"][0]["finish_reason"] = reason.into();
                exchange.whole(200, body.to_string());
            }
            let text = rest(asked.await.unwrap().into_body()).await;
            assert!(text.contains("half") && text.contains(reason), "{text}");
            assert!(rig.is_idle().await);
            let entries = rig.store.entries.lock().unwrap().len();
            assert_eq!(entries, usize::from(stored), "{reason}, stream {stream}");
        }
    }
}

#[tokio::test]
async fn a_broken_stream_resumes_where_the_client_was() {
    let mut rig = RigBuilder::default().build();
    let first = rig.send(chat("hi", true).header("x-forebay-event-ids", "true"));
    let feed = rig.exchange().await.stream();
    feed.text("one ");
    let mut body = first.await.unwrap().into_body();
    let head = frame(&mut body).await.unwrap();
    let id = head
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .unwrap()
        .to_owned();
    drop(body);
    feed.text("two ");
    let again = rig
        .send(chat("hi", true).header("last-event-id", &id))
        .await
        .unwrap();
    assert_eq!(again.status(), 200);
    feed.text("three");
    feed.finish();
    assert_eq!(content(&rest(again.into_body()).await), "two three");
    // The same from the store, and never with another prompt.
    assert!(rig.is_idle().await);
    let stored = rig
        .send(chat("hi", true).header("last-event-id", &id))
        .await
        .unwrap();
    assert_eq!(content(&rest(stored.into_body()).await), "two three");
    let other = rig
        .send(chat("other", true).header("last-event-id", &id))
        .await
        .unwrap();
    assert_eq!(other.status(), 409);
}
