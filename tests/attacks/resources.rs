//! Class: who may take connections, memory and places. Whoever has no key takes nothing that a client
//! with a key needs, and what is held is counted until it is gone.

use forebay_tests::prompts::{chat, chunk, done, finish, streamed, whole, with};
use forebay_tests::{Config, Engine, Forebay, Gate, Key, Raw, Scripted, eventually};
use serde_json::json;

/// An upstream that answers when the gate lets it.
async fn gated(gate: &Gate) -> Scripted {
    let gate = gate.clone();
    Scripted::start(move |mut call| {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            call.answer("200 OK", "application/json", &whole("at last"))
                .await;
        }
    })
    .await
}

const HELD: &str = "forebay_request_bodies_bytes";

#[tokio::test]
async fn a_client_without_a_key_costs_no_memory() {
    let engine = Engine::instant().await;
    let key = Key::of("acme");
    let forebay = Forebay::start(
        engine
            .behind("[limits]\nmemory = \"8 MiB\"\n")
            .keys(&[&key]),
    )
    .await;
    let mut held = Vec::new();
    for bearer in ["", "authorization: Bearer fb-acme1-wrong\r\n"] {
        for _ in 0..8 {
            let mut raw = forebay.raw().await;
            raw.send(format!(
                "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{bearer}content-type: application/json\r\ncontent-length: 4000000\r\n\r\n"
            ))
            .await;
            // The answer comes before the body does.
            assert_eq!(raw.reply().await.status, 401);
            raw.send(vec![b' '; 100_000]).await;
            held.push(raw);
        }
    }
    assert_eq!(forebay.metrics().await.sum(HELD), 0.0);
    let reply = forebay.client_of(&key).chat(&chat("with a key")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn what_is_announced_is_not_booked_and_what_came_stays_booked() {
    let gate = Gate::default();
    let upstream = gated(&gate).await;
    let key = Key::of("acme");
    let config = upstream
        .behind("[limits]\nmemory = \"8 MiB\"\nbody = \"1 MiB\"\nmemory_per_address = \"8 MiB\"\n")
        .keys(&[&key]);
    let forebay = Forebay::start(config).await;
    let mut announced = Vec::new();
    for _ in 0..8 {
        let mut raw = forebay.raw().await;
        raw.send(format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-length: 1000000\r\n\r\n{{",
            key.text
        ))
        .await;
        announced.push(raw);
    }
    let client = forebay
        .client_of(&key)
        .with_header("cache-control", "no-cache");
    let big = |n: usize| {
        with(
            chat(&format!("number {n}")),
            json!({"padding": "x".repeat(900_000)}),
        )
    };
    // The second time, what was decided about them is remembered.
    for round in 1..=2 {
        let mut waiting = Vec::new();
        for n in 0..4 {
            let (client, body) = (client.clone(), big(n));
            waiting.push(tokio::spawn(async move { client.chat(&body).await }));
        }
        // All four are at the upstream: their bodies have long been read, and still count, as does what was read.
        upstream.called(4 * round).await;
        let booked = forebay.metrics().await.sum(HELD);
        assert!(booked >= 4.0 * 2.0 * 900_000.0, "round {round}: {booked}");
        let refused = client.chat(&big(9)).await;
        let message = refused.is_error(503, "overloaded");
        assert!(message.contains("limits.memory"), "{message}");
        gate.open(4);
        for reply in waiting {
            assert_eq!(reply.await.unwrap().status, 200);
        }
        eventually("the end of what the four booked", || async {
            (forebay.metrics().await.sum(HELD) < 100_000.0).then_some(())
        })
        .await;
    }
    drop(announced);
    eventually("the end of all bookings", || async {
        (forebay.metrics().await.sum(HELD) == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn connections_without_a_key_leave_room_for_those_with_one() {
    let engine = Engine::instant().await;
    let key = Key::of("acme");
    let forebay = Forebay::start(engine.behind("[limits]\nconnections = 20\n").keys(&[&key])).await;
    let mut crowd = Vec::new();
    let mut refused = 0;
    for _ in 0..40 {
        let mut raw = Raw::connect_from(forebay.addr, "127.0.0.2").await;
        raw.send("GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let reply = raw.reply().await;
        match reply.status {
            401 => crowd.push(raw),
            503 => {
                assert!(
                    reply.body.contains("limits.connections_per_address"),
                    "{}",
                    reply.body
                );
                refused += 1;
            }
            other => panic!("{other} {}", reply.head),
        }
    }
    assert!(refused > 0 && crowd.len() < 20, "{} stayed", crowd.len());
    // Clients with keys come from one address too, and are not held to that share.
    let mut known = Vec::new();
    for n in 0..10 {
        let mut raw = forebay.raw().await;
        raw.send(format!(
            "GET /v1/models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\r\n",
            key.text
        ))
        .await;
        let reply = raw.reply().await;
        assert_eq!(reply.status, 200, "{n}: {} {}", reply.head, reply.body);
        known.push(raw);
    }
}

#[tokio::test]
async fn one_address_does_not_take_every_place() {
    let gate = Gate::default();
    let upstream = gated(&gate).await;
    let (a, b) = (Key::of("a"), Key::of("b"));
    let forebay = Forebay::start(upstream.behind("[limits]\nrequests = 8\n").keys(&[&a, &b])).await;
    let post = |key: &Key, text: &str| {
        let body = chat(text).to_string();
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            key.text,
            body.len()
        )
    };
    let mut crowd = Vec::new();
    for n in 0..6 {
        let mut raw = Raw::connect_from(forebay.addr, "127.0.0.2").await;
        raw.send(post(&a, &format!("number {n}"))).await;
        crowd.push(raw);
    }
    upstream.called(6).await;
    let mut seventh = Raw::connect_from(forebay.addr, "127.0.0.2").await;
    seventh.send(post(&a, "one too many")).await;
    let reply = seventh.reply().await;
    assert_eq!(reply.status, 503, "{}", reply.body);
    assert!(
        reply.body.contains("limits.requests_per_address"),
        "{}",
        reply.body
    );
    let mut other = Raw::connect_from(forebay.addr, "127.0.0.3").await;
    other.send(post(&b, "from elsewhere")).await;
    upstream.called(7).await;
    gate.open(7);
    assert_eq!(other.reply().await.status, 200);
}

#[tokio::test]
async fn answers_that_go_on_without_their_clients_count() {
    let gate = Gate::default();
    let script = gate.clone();
    let upstream = Scripted::start(move |mut call| {
        let gate = script.clone();
        async move {
            call.begin_stream().await;
            call.send(chunk("begun ")).await;
            gate.pass().await;
        }
    })
    .await;
    let forebay = Forebay::start(
        upstream.behind("[limits]\nrequests = 3\n[streams]\nresume_grace = \"10m\"\n"),
    )
    .await;
    let resumable = forebay.client.with_header("x-forebay-event-ids", "true");
    for n in 0..3 {
        let mut events = resumable.stream(&streamed(&format!("number {n}"))).await;
        assert_eq!(events.next().await.unwrap().text(), "begun ");
        drop(events);
        eventually("an abandoned stream, and nothing else of it", || async {
            let metrics = forebay.metrics().await;
            let left = metrics.sum("forebay_clients_gone_total") == f64::from(n + 1);
            let counted = metrics.sum("forebay_requests_in_flight") == f64::from(n + 1);
            (left && counted).then_some(())
        })
        .await;
    }
    forebay
        .client
        .chat(&chat("one more"))
        .await
        .is_error(503, "overloaded");
    gate.open(3);
    eventually("their end", || async {
        (forebay.metrics().await.sum("forebay_requests_in_flight") == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_list_of_models_counts_and_does_not_ask_each_time() {
    let upstream = Scripted::start(|mut call| async move {
        call.answer("200 OK", "application/json", r#"{"data":[{"id":"m"}]}"#)
            .await;
    })
    .await;
    let key = Key::of("acme").with("requests_per_minute = 5");
    let forebay = Forebay::start(
        Config::new("")
            .upstream("one", &upstream.url(), "")
            .keys(&[&key]),
    )
    .await;
    let client = forebay.client_of(&key);
    for _ in 0..5 {
        let reply = client.get("/v1/models").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.json()["data"][0]["id"], "m");
    }
    client
        .get("/v1/models")
        .await
        .is_error(429, "rate_limit_exceeded");
    assert_eq!(upstream.calls(), 1);
}

/// Answers that are gathered whole take memory as requests do, until their last reader is done.
#[tokio::test]
async fn answers_are_booked_until_their_last_copy_is_gone() {
    let large = whole(&"x".repeat(3 << 20));
    let upstream = Scripted::start(move |mut call| {
        let asked = String::from_utf8_lossy(&call.request.body).into_owned();
        let answer = match asked.contains("stored") {
            true => whole("small"),
            false => large.clone(),
        };
        async move { call.answer("200 OK", "application/json", &answer).await }
    })
    .await;
    let limits = "[limits]\nmemory = \"8 MiB\"\nmemory_per_address = \"8 MiB\"\n";
    let forebay = Forebay::start(upstream.behind(limits)).await;
    let mut slow = Vec::new();
    for n in 0..8 {
        let body = with(chat(&format!("number {n}")), json!({"temperature": 1})).to_string();
        let mut raw = forebay.raw().await;
        raw.post(&body).await;
        slow.push(raw);
    }
    upstream.called(8).await;
    // Nobody reads: what fits is kept, what does not is refused. Reading before the first refusal would
    // make room for the rest.
    eventually("a full memory", || async {
        let metrics = forebay.metrics().await;
        let refused = metrics.sum("forebay_requests_total{operation=\"chat\",status=\"5xx\"}");
        (metrics.sum(HELD) >= 3.0 * f64::from(1 << 20) && refused >= 1.0).then_some(())
    })
    .await;
    let mut refused = 0;
    for mut raw in slow {
        let reply = raw.reply().await;
        assert!([200, 503].contains(&reply.status), "{}", reply.status);
        if reply.status == 503 {
            assert!(reply.body.contains("limits.memory"), "{}", reply.body);
            refused += 1;
        }
    }
    assert!(refused >= 1, "eight answers of 3 MiB are more than 8 MiB");
    eventually("the end of all bookings", || async {
        (forebay.metrics().await.sum(HELD) == 0.0).then_some(())
    })
    .await;
    // What is stored has bytes of its own, and does not count.
    let first = forebay.client.chat(&chat("stored")).await;
    assert_eq!(first.status, 200, "{}", first.text());
    forebay.stored().await;
    let again = forebay.client.chat(&chat("stored")).await;
    assert_eq!(again.cache(), "hit");
    eventually("the end of all bookings", || async {
        (forebay.metrics().await.sum(HELD) == 0.0).then_some(())
    })
    .await;
}

/// What a stream's log keeps for late joiners and for the store takes memory as whole answers do. Where
/// there is no room the stream goes on, and is not kept.
#[tokio::test]
async fn streams_are_booked_and_go_on_where_there_is_no_room_to_keep_them() {
    const STREAMS: usize = 8;
    let gate = Gate::default();
    let (upstream, piece) = (gate.clone(), chunk(&"x".repeat(64 << 10)));
    let upstream = Scripted::start(move |mut call| {
        let (gate, piece) = (upstream.clone(), piece.clone());
        async move {
            if call.request.body.len() > 1 << 20 {
                let body = whole("small");
                return call.answer("200 OK", "application/json", &body).await;
            }
            call.begin_stream().await;
            // 4 MiB, and the end when all of them are there.
            for _ in 0..64 {
                call.send(&piece).await;
            }
            gate.pass().await;
            call.send(finish("stop") + &done()).await;
        }
    })
    .await;
    let limits = "[limits]\nmemory = \"12 MiB\"\nmemory_per_address = \"12 MiB\"\n";
    let forebay = Forebay::start(upstream.behind(limits)).await;
    let before = forebay.resident_kib();
    let reading = (0..STREAMS).map(|n| {
        let client = forebay.client.clone();
        tokio::spawn(async move {
            let mut events = client.stream(&streamed(&format!("number {n}"))).await;
            let mut bytes = 0;
            while let Some(event) = events.next().await {
                bytes += event.data.len();
            }
            bytes
        })
    });
    let reading: Vec<_> = reading.collect();
    upstream.called(STREAMS).await;
    // All that was sent has been read. Logs take half of the memory: some of eight found room to be kept,
    // and a request that needs memory of its own still gets it.
    eventually("full logs", || async {
        (forebay.metrics().await.sum(HELD) >= 4e6).then_some(())
    })
    .await;
    let grown = forebay.resident_kib().saturating_sub(before);
    assert!(grown < (12 + 32) << 10, "{grown} KiB more");
    let large = with(chat("small"), json!({"padding": "x".repeat(2 << 20)}));
    let reply = forebay.client.chat(&large).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    gate.open(STREAMS);
    for reading in reading {
        let bytes = reading.await.unwrap();
        assert!(bytes >= 4 << 20, "{bytes}");
    }
    eventually("the end of all bookings", || async {
        (forebay.metrics().await.sum(HELD) == 0.0).then_some(())
    })
    .await;
}

/// Each of very many small values takes more memory while it is read than it has bytes.
#[tokio::test]
async fn the_index_of_a_large_body_is_booked() {
    let engine = Engine::instant().await;
    let limits = "[limits]\nmemory = \"8 MiB\"\nmemory_per_address = \"8 MiB\"\n";
    let forebay = Forebay::start(engine.behind(limits)).await;
    let zeros = vec![0; 900_000];
    let text = "x".repeat(1_800_000);
    for (padding, status) in [(json!(zeros), 503), (json!(text), 200)] {
        let body = with(chat("hello"), json!({"padding": padding}));
        let before = forebay.resident_kib();
        let reply = forebay.client.chat(&body).await;
        let said = reply.text();
        assert_eq!(reply.status, status, "{said}");
        assert!(status == 200 || said.contains("limits.memory"), "{said}");
        let grown = forebay.resident_kib().saturating_sub(before);
        assert!(grown < 32 << 10, "{grown} KiB more");
    }
    eventually("the end of all bookings", || async {
        (forebay.metrics().await.sum(HELD) == 0.0).then_some(())
    })
    .await;
}
