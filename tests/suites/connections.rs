//! Connections that flood, crawl or lie about where a request ends.

use std::time::Duration;

use forebay_tests::prompts::{chat, chunk, done, finish, streamed, whole, with};
use forebay_tests::{Engine, Forebay, Gate, Raw, Scripted, eventually};
use serde_json::json;

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_the_connection_ends_cleanly_or_goes_on() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind("")).await;
    let big = with(chat("hello"), json!({"padding": "x".repeat(9 << 20)})).to_string();

    let mut raw = forebay.raw().await;
    raw.post(&big).await;
    let reply = raw.reply().await;
    assert_eq!(reply.status, 413, "{}", reply.head);
    let body: serde_json::Value = serde_json::from_str(&reply.body).expect("JSON");
    assert_eq!(body["error"]["code"], "request_too_large");
    let message = body["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("limits.body") && message.contains("8 MiB"),
        "{message}"
    );
    if reply.head.to_lowercase().contains("connection: close") {
        raw.closed().await;
    } else {
        raw.post(&chat("hello").to_string()).await;
        assert_eq!(raw.reply().await.status, 200, "the connection went on");
    }

    // Without an announced length it is found out on the way.
    let mut raw = forebay.raw().await;
    raw.send("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let piece = format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20));
    for _ in 0..9 {
        raw.send(&piece).await;
    }
    raw.send("0\r\n\r\n").await;
    assert_eq!(raw.reply().await.status, 413);

    // Who asks first is told before anything is sent.
    let mut raw = forebay.raw().await;
    raw.send("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999\r\nexpect: 100-continue\r\n\r\n").await;
    assert_eq!(raw.reply().await.status, 413);
    assert_eq!(
        engine.computed(),
        forebay
            .metrics()
            .await
            .sum("forebay_requests_total{status=\"2xx\"}") as u64
    );
    assert_eq!(
        forebay.metrics().await.sum("forebay_request_bodies_bytes"),
        0.0,
        "nothing is held"
    );
}

#[tokio::test]
async fn a_flood_of_headers_is_refused() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind("[limits]\nheader_fields = 50\n")).await;

    let mut raw = forebay.raw().await;
    let fields: String = (0..60).map(|n| format!("x-{n}: y\r\n")).collect();
    raw.send(format!(
        "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n"
    ))
    .await;
    let reply = raw.reply().await;
    assert_eq!(reply.status, 431, "{}", reply.head);
    assert!(
        reply.body.contains("headers_too_large") && reply.body.contains("limits.header_fields"),
        "{}",
        reply.body
    );

    let mut raw = forebay.raw().await;
    raw.send(format!(
        "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n",
        "y".repeat(80 << 10)
    ))
    .await;
    let reply = raw.reply().await;
    assert_eq!(reply.status, 431, "{}", reply.head);
    assert!(reply.body.contains("limits.headers"), "{}", reply.body);

    // Beyond all reason: the bare status, and the connection ends.
    for flood in [
        "x: y\r\n".repeat(100_000),
        format!("x: {}\r\n", "y".repeat(1 << 20)),
    ] {
        let mut raw = forebay.raw().await;
        raw.send(format!(
            "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n{flood}\r\n"
        ))
        .await;
        let status = raw.reply().await.status;
        assert!(status == 431 || status == 0, "{status}");
        raw.closed().await;
    }
    assert_eq!(forebay.client.chat(&chat("hello")).await.status, 200);
}

#[tokio::test]
async fn slow_heads_and_bodies_are_cut_and_others_are_served_meanwhile() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind("[timeouts]\nrequest = \"600ms\"\n")).await;

    let mut head = forebay.raw().await;
    head.send("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n")
        .await;
    let mut body = forebay.raw().await;
    body.send("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"model\":").await;
    // This one sends a little all the time: what counts is the whole head.
    let mut drip = forebay.raw().await;
    let dripping = tokio::spawn(async move {
        drip.send("GET /v1/models HTTP/1.1\r\n").await;
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        for n in 0..100 {
            pace.tick().await;
            drip.send(format!("x-{n}: y\r\n")).await;
        }
        drip
    });
    let silent = forebay.raw().await;
    assert_eq!(
        forebay.client.chat(&chat("hello")).await.status,
        200,
        "others are served"
    );

    for raw in [&mut head, &mut body] {
        let reply = raw.reply().await;
        assert_eq!(reply.status, 408, "{}", reply.head);
        assert!(
            reply.body.contains("request_timeout") && reply.body.contains("timeouts.request"),
            "{}",
            reply.body
        );
        raw.closed().await;
    }
    let mut silent = silent;
    silent.closed().await;
    let mut drip = dripping.await.unwrap();
    let status = drip.reply().await.status;
    assert!(status == 408 || status == 0, "{status}");
    drip.closed().await;
    assert_eq!(engine.computed(), 1);
}

/// What must not be taken for two requests by anyone before us or after us.
#[tokio::test]
async fn a_request_cannot_be_smuggled_behind_another() {
    let upstream = Scripted::start(|mut call| async move {
        call.answer("200 OK", "application/json", &whole("hello"))
            .await;
    })
    .await;
    let forebay = Forebay::start(upstream.behind("")).await;
    let body = chat("outer").to_string();
    let inner = {
        let body = chat("smuggled").to_string();
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let start = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let (n, all) = (body.len(), body.len() + inner.len());
    let chunked = format!("{n:x}\r\n{body}\r\n0\r\n\r\n");

    let vectors = [
        (
            "two lengths",
            format!("content-length: {n}\r\ncontent-length: {all}\r\n\r\n{body}{inner}"),
        ),
        (
            "two lengths in one",
            format!("content-length: {n}, {all}\r\n\r\n{body}{inner}"),
        ),
        (
            "a signed length",
            format!("content-length: +{n}\r\n\r\n{body}{inner}"),
        ),
        (
            "a space before the colon",
            format!("content-length : {n}\r\n\r\n{body}{inner}"),
        ),
        (
            "length and chunks",
            format!(
                "content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n{chunked}{inner}",
                chunked.len() + inner.len()
            ),
        ),
        (
            "chunks and length",
            format!("transfer-encoding: chunked\r\ncontent-length: {n}\r\n\r\n{chunked}{inner}"),
        ),
        (
            "chunks that are not last",
            format!("transfer-encoding: chunked, identity\r\n\r\n{chunked}{inner}"),
        ),
        (
            "chunks by another name",
            format!("transfer-encoding: xchunked\r\n\r\n{chunked}{inner}"),
        ),
        (
            "a chunk of a wrong size",
            format!(
                "transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{body}\r\n0\r\n\r\n{inner}"
            ),
        ),
        (
            "a folded header",
            format!("x: a\r\n content-length: {all}\r\ncontent-length: {n}\r\n\r\n{body}{inner}"),
        ),
        (
            "a zero byte",
            format!("x: a\0b\r\ncontent-length: {n}\r\n\r\n{body}{inner}"),
        ),
    ];
    for (what, rest) in vectors {
        let before = upstream.calls();
        let mut raw = forebay.raw().await;
        raw.send(format!("{start}{rest}")).await;
        let first = raw.reply().await;
        assert!(
            matches!(first.status, 0 | 200 | 400),
            "{what}: {}",
            first.head
        );
        // Whatever the first was taken for, a connection that is in doubt must not go on.
        let second = raw.reply().await;
        assert_eq!(
            second.status, 0,
            "{what}: the inner request was answered: {}",
            second.head
        );
        let heard = upstream.received();
        let smuggled = heard[before..]
            .iter()
            .any(|r| String::from_utf8_lossy(&r.body).contains("smuggled"));
        assert!(!smuggled, "{what}: the inner request went upstream");
    }
    assert_eq!(forebay.client.chat(&chat("after")).await.status, 200);
}

#[tokio::test]
async fn past_the_limit_of_requests_the_answer_is_503_with_retry_after() {
    let gate = Gate::default();
    let upstream = gated(&gate).await;
    let forebay = Forebay::start(upstream.behind("[limits]\nrequests = 4\n")).await;
    let mut waiting = Vec::new();
    for n in 0..4 {
        let client = forebay.client.clone();
        waiting.push(tokio::spawn(async move {
            client.chat(&chat(&format!("number {n}"))).await
        }));
    }
    upstream.called(4).await;

    let began = std::time::Instant::now();
    let reply = forebay.client.chat(&chat("one too many")).await;
    let message = reply.is_error(503, "overloaded");
    println!("503 in {:?}", began.elapsed());
    assert!(message.contains("limits.requests"), "{message}");
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(upstream.calls(), 4);

    gate.open(10);
    for reply in waiting {
        assert_eq!(
            reply.await.unwrap().status,
            200,
            "those that were in are served"
        );
    }
    eventually("room", || async {
        (forebay.metrics().await.sum("forebay_requests_in_flight") == 0.0).then_some(())
    })
    .await;
    assert_eq!(
        forebay.client.chat(&chat("now")).await.status,
        200,
        "and there is room again"
    );
}

#[tokio::test]
async fn past_the_limit_of_connections_the_next_is_turned_away() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind("[limits]\nconnections = 3\n")).await;
    let mut held: Vec<Raw> = Vec::new();
    for _ in 0..3 {
        let mut raw = forebay.raw().await;
        raw.send("GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await;
        assert_eq!(raw.reply().await.status, 200);
        held.push(raw);
    }
    let mut fourth = forebay.raw().await;
    fourth
        .send("GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    let reply = fourth.reply().await;
    assert_eq!(reply.status, 503, "{}", reply.head);
    assert!(
        reply.head.contains("retry-after") && reply.body.contains("limits.connections"),
        "{} {}",
        reply.head,
        reply.body
    );
    fourth.closed().await;
    assert!(
        forebay
            .metrics()
            .await
            .sum("forebay_connections_refused_total")
            >= 1.0
    );

    held.pop();
    eventually("a place", || async {
        let mut raw = forebay.raw().await;
        raw.send("GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await;
        (raw.reply().await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_that_closes_its_half_gets_its_answer_and_one_that_leaves_ends_the_work() {
    let gate = Gate::default();
    let upstream = gated(&gate).await;
    let forebay = Forebay::start(upstream.behind("")).await;
    let mut raw = forebay.raw().await;
    raw.post(&chat("half closed").to_string()).await;
    raw.finish_sending().await;
    // Something is sent to see whether the client is there; all clients have to skip it.
    raw.read_until("HTTP/1.1 100 ").await;
    upstream.called(1).await;
    gate.open(1);
    raw.read_until("HTTP/1.1 200 ").await;
    raw.read_until("at last").await;
    raw.closed().await;

    // HTTP/1.0 knows nothing that may be skipped: the answer's first bytes are sent early.
    let body = chat("half closed in 1.0").to_string();
    let length = body.len();
    let mut raw = forebay.raw().await;
    raw.send(format!(
        "POST /v1/chat/completions HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    ))
    .await;
    raw.finish_sending().await;
    raw.read_until("HTTP/1.").await;
    upstream.called(2).await;
    gate.open(1);
    let reply = raw.reply().await;
    assert_eq!(reply.status, 200, "{}", reply.head);
    assert!(
        reply.head.starts_with("HTTP/1.0 200 OK\r\n"),
        "{}",
        reply.head
    );
    assert!(reply.body.contains("at last"), "{}", reply.body);
    raw.closed().await;

    // Who has left can't be told from who has closed its half, but by what comes back.
    let leaving = Scripted::start(|call| call.until_gone()).await;
    let forebay = Forebay::start(leaving.behind("")).await;
    for n in 0..3 {
        let mut raw = forebay.raw().await;
        raw.post(&chat(&format!("leaving {n}")).to_string()).await;
        leaving.called(n + 1).await;
        drop(raw);
        leaving.cancelled(n + 1).await;
    }
    eventually("the end of all requests", || async {
        (forebay.metrics().await.sum("forebay_requests_in_flight") == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_stream_goes_on_for_a_client_that_has_closed_its_half() {
    let gate = Gate::default();
    let steps = gate.clone();
    let upstream = Scripted::start(move |mut call| {
        let gate = steps.clone();
        async move {
            call.begin_stream().await;
            call.send(chunk("one")).await;
            gate.pass().await;
            call.send(chunk("two")).await;
            gate.pass().await;
            call.send(finish("stop") + &done()).await;
        }
    })
    .await;
    let forebay = Forebay::start(upstream.behind("")).await;
    let mut raw = forebay.raw().await;
    raw.post(&streamed("half closed").to_string()).await;
    raw.read_until("one").await;
    raw.finish_sending().await;
    gate.open(1);
    raw.read_until("two").await;
    gate.open(1);
    raw.read_until("[DONE]").await;
}

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
