//! One computation for several clients: joined, resumed, kept alive, and cut where a client does not read.

use forebay_tests::prompts::{chat, chunk, done, finish, streamed, whole, with};
use forebay_tests::{Event, Forebay, Gate, Key, Scripted, eventually};
use serde_json::json;

/// An upstream whose stream has `n` events and goes on one step at a time.
pub(crate) async fn stepping(gate: &Gate, n: usize) -> Scripted {
    let gate = gate.clone();
    Scripted::start(move |mut call| {
        let gate = gate.clone();
        async move {
            call.begin_stream().await;
            for step in 0..n {
                gate.pass().await;
                call.send(chunk(&format!("{step} "))).await;
            }
            gate.pass().await;
            call.send(finish("stop") + &done()).await;
        }
    })
    .await
}

#[tokio::test]
async fn identical_requests_at_once_make_one_call() {
    let gate = Gate::default();
    let steps = gate.clone();
    let upstream = Scripted::start(move |mut call| {
        let gate = steps.clone();
        async move {
            gate.pass().await;
            call.answer("200 OK", "application/json", &whole("one for all"))
                .await;
        }
    })
    .await;
    let forebay = Forebay::start(upstream.behind("")).await;
    let many: Vec<_> = (0..24)
        .map(|_| {
            let client = forebay.client.clone();
            tokio::spawn(async move { client.chat(&chat("everyone asks this")).await })
        })
        .collect();
    eventually("all of them in flight", || async {
        (forebay.metrics().await.sum("forebay_requests_in_flight") == 24.0).then_some(())
    })
    .await;
    gate.open(24);
    let mut kinds = Vec::new();
    for reply in many {
        let reply = reply.await.unwrap();
        assert_eq!(
            (reply.status, reply.content().as_str()),
            (200, "one for all")
        );
        kinds.push(reply.cache());
    }
    assert_eq!(upstream.calls(), 1);
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "miss").count(),
        1,
        "{kinds:?}"
    );
    let joined = kinds.iter().filter(|kind| **kind == "joined").count() as f64;
    assert!(joined >= 1.0, "{kinds:?}");
    assert_eq!(
        forebay.metrics().await.sum("forebay_flights_joined_total"),
        joined
    );
}

#[tokio::test]
async fn a_late_joiner_sees_the_whole_stream() {
    let gate = Gate::default();
    let upstream = stepping(&gate, 6).await;
    let forebay = Forebay::start(upstream.behind("")).await;
    gate.open(3);
    let mut early = forebay.client.stream(&streamed("counting")).await;
    for n in 0..3 {
        assert_eq!(early.next().await.unwrap().text(), format!("{n} "));
    }
    // The head is there at once, although the upstream sends nothing now.
    let mut late = forebay.client.stream(&streamed("counting")).await;
    assert_eq!(late.cache(), "joined");
    for n in 0..3 {
        assert_eq!(late.next().await.unwrap().text(), format!("{n} "));
    }
    // One that wants a whole answer joins as well.
    let client = forebay.client.clone();
    let folded = tokio::spawn(async move { client.chat(&chat("counting")).await });
    // The first leaves: the flight goes on for the others.
    drop(early);
    gate.open(4);
    let rest = late.rest().await;
    assert_eq!((rest.text().as_str(), rest.done), ("3 4 5 ", true));
    assert_eq!(folded.await.unwrap().content(), "0 1 2 3 4 5 ");
    assert_eq!(upstream.calls(), 1);
    forebay.stored().await;
    let mut stored = forebay.client.stream(&streamed("counting")).await;
    assert_eq!(
        (stored.cache(), stored.rest().await.text().as_str()),
        ("hit", "0 1 2 3 4 5 ")
    );
}

#[tokio::test]
async fn a_failed_flight_fails_its_joiners_with_the_real_error_and_the_next_starts_anew() {
    let gate = Gate::default();
    let steps = gate.clone();
    let upstream = Scripted::start(move |mut call| {
        let gate = steps.clone();
        async move {
            gate.pass().await;
            if call.number == 0 {
                return call.reset();
            }
            call.answer("200 OK", "application/json", &whole("second try"))
                .await;
        }
    })
    .await;
    let forebay = Forebay::start(upstream.behind("[retries]\nattempts = 1\n")).await;
    let both: Vec<_> = (0..2)
        .map(|_| {
            let client = forebay.client.clone();
            tokio::spawn(async move { client.chat(&chat("shared")).await })
        })
        .collect();
    eventually("both in flight", || async {
        (forebay.metrics().await.sum("forebay_requests_in_flight") == 2.0).then_some(())
    })
    .await;
    upstream.called(1).await;
    gate.open(1);
    let mut failed = 0;
    for reply in both {
        // One that came too late to join has started anew; it then waits at the gate.
        gate.open(1);
        let reply = reply.await.unwrap();
        if reply.status != 200 {
            reply.is_error(502, "upstream_reset");
            failed += 1;
        }
    }
    assert!(failed >= 1);
    gate.open(5);
    let next = forebay.client.chat(&chat("shared")).await;
    assert_eq!((next.status, next.content().as_str()), (200, "second try"));
}

#[tokio::test]
async fn a_broken_connection_is_resumed_where_it_broke() {
    let gate = Gate::default();
    let upstream = stepping(&gate, 6).await;
    let (mine, other) = (Key::of("acme"), Key::of("other"));
    let config = upstream.behind("").keys(&[&mine, &other]);
    let forebay = Forebay::start(config).await;
    let client = forebay
        .client_of(&mine)
        .with_header("x-forebay-event-ids", "true");
    // Sampled, so that nothing but the flight itself has it.
    let request = with(streamed("resume me"), json!({"temperature": 1}));
    gate.open(3);
    let mut events = client.stream(&request).await;
    let mut seen: Vec<Event> = Vec::new();
    for _ in 0..3 {
        seen.push(events.next().await.unwrap());
    }
    assert!(seen.iter().all(|event| !event.id.is_empty()), "{seen:?}");
    drop(events);

    let again = client.with_header("last-event-id", &seen[1].id);
    let mut resumed = again.stream(&request).await;
    assert_eq!(
        resumed.next().await.unwrap(),
        seen[2],
        "what came after the last one it has"
    );
    gate.open(4);
    let rest = resumed.rest().await;
    assert_eq!((rest.text().as_str(), rest.done), ("3 4 5 ", true));
    assert_eq!(upstream.calls(), 1);

    // Key, tenant and prompt are checked again.
    let stranger = forebay
        .client_of(&other)
        .with_header("last-event-id", &seen[1].id);
    stranger
        .chat(&request)
        .await
        .is_error(409, "stream_not_resumable");
    let changed = with(
        request.clone(),
        json!({"messages": [{"role": "user", "content": "else"}]}),
    );
    again
        .chat(&changed)
        .await
        .is_error(409, "stream_not_resumable");
    forebay
        .client
        .with_header("last-event-id", &seen[1].id)
        .chat(&request)
        .await
        .is_error(401, "missing_api_key");
    for id in ["", "7", "0000000000000000.1", "zz.zz"] {
        client
            .with_header("last-event-id", id)
            .chat(&request)
            .await
            .is_error(409, "stream_not_resumable");
    }

    // A stored stream can be resumed as well.
    gate.open(7);
    let stored = streamed("store me");
    let told = client.stream(&stored).await.rest().await;
    let from_store = client
        .with_header("last-event-id", &told.events[3].id)
        .stream(&stored)
        .await
        .rest()
        .await;
    assert_eq!(from_store.events, told.events[4..]);
    assert!(from_store.done);
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn an_idle_stream_is_kept_alive_by_comments() {
    let gate = Gate::default();
    let upstream = stepping(&gate, 1).await;
    let forebay = Forebay::start(upstream.behind("[streams]\nkeep_alive = \"30ms\"\n")).await;
    gate.open(1);
    let mut events = forebay.client.stream(&streamed("slowly")).await;
    events.next().await.unwrap();
    let opener = gate.clone();
    let mut raw = forebay.raw().await;
    raw.post(&streamed("slowly").to_string()).await;
    raw.read_until(": keep-alive\n\n").await;
    opener.open(3);
    let told = events.rest().await;
    assert!(told.done && events.comments >= 1);
}

/// Of two clients of one flight, the one that does not read is cut and the other is not slowed.
#[tokio::test]
async fn a_slow_joiner_is_cut_and_the_flight_is_not() {
    let gate = Gate::default();
    let steps = gate.clone();
    let upstream = Scripted::start(move |mut call| {
        let gate = steps.clone();
        async move {
            call.begin_stream().await;
            call.send(chunk("begin ")).await;
            gate.pass().await;
            for _ in 0..400 {
                call.send(chunk(&"y".repeat(64 << 10))).await;
            }
            call.send(finish("stop") + &done()).await;
        }
    })
    .await;
    let forebay = Forebay::start(
        upstream.behind("[streams]\nclient_buffer = 262144\n[timeouts]\nslow_client = \"2s\"\n"),
    )
    .await;
    let mut lazy = forebay.raw().await;
    lazy.post(&streamed("a flood").to_string()).await;
    lazy.read_until("begin ").await;
    let mut eager = forebay.client.stream(&streamed("a flood")).await;
    gate.open(1);
    let told = eager.rest().await;
    assert!(told.done && told.error.is_none());
    assert_eq!(told.text().len(), "begin ".len() + 400 * (64 << 10));
    // It still holds its connection, and is let go all the same.
    eventually("that the slow one is cut", || async {
        (forebay.metrics().await.sum("forebay_requests_in_flight") == 0.0).then_some(())
    })
    .await;
    assert_eq!(upstream.calls(), 1);
    drop(lazy);
}

#[tokio::test]
async fn an_abandoned_answer_is_recorded_to_its_end_where_that_is_configured() {
    let gate = Gate::default();
    let upstream = stepping(&gate, 4).await;
    let forebay = Forebay::start(upstream.behind("[streams]\nrecord_abandoned = true\n")).await;
    gate.open(1);
    let mut events = forebay.client.stream(&streamed("left alone")).await;
    events.next().await.unwrap();
    drop(events);
    forebay
        .metric_reaches("forebay_clients_gone_total", 1.0)
        .await;
    gate.open(5);
    forebay.metric_reaches("forebay_store_entries", 1.0).await;
    let stored = forebay.client.chat(&chat("left alone")).await;
    assert_eq!(
        (stored.cache(), stored.content().as_str()),
        ("hit", "0 1 2 3 ")
    );
    assert_eq!(upstream.calls(), 1);
}
