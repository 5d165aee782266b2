//! Limits before the pipeline: each is met with its own answer.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::client::{get, http, post, raw, whole};
use crate::support::upstream::Upstream;
use crate::support::{Host, chat, upstream_section};

#[tokio::test]
async fn a_body_over_the_limit_is_413_and_says_by_how_much() {
    let host = Host::start("").await;
    let body = vec![b'x'; 9_542_042];
    let (status, text) = whole(
        http()
            .request(post(&host.url("/v1/chat/completions"), body))
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(status, 413, "{text}");
    assert!(
        text.contains("request body is 9.1 MiB, over the limit of 8 MiB (limits.body)"),
        "{text}"
    );
    assert!(text.contains("\"request_too_large\""), "{text}");
}

#[tokio::test]
async fn a_chunked_body_over_the_limit_is_413() {
    let host = Host::start("[limits]\nbody = \"1 KiB\"").await;
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n"
    );
    let answer = raw(host.running.address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(
        answer.contains("over the limit of 1 KiB (limits.body)"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_client_that_waits_for_our_word_is_told_before_it_sends() {
    let host = Host::start("").await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 9542042\r\n\r\n";
    let answer = raw(host.running.address, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn headers_over_the_limit_are_431_in_the_clients_dialect() {
    let host = Host::start("").await;
    let mut request = get(&host.url("/v1/models"));
    request
        .headers_mut()
        .insert("x-big", "x".repeat(70_000).parse().unwrap());
    let (status, text) = whole(http().request(request).await.unwrap()).await;
    assert_eq!(status, 431, "{text}");
    assert!(
        text.contains("over the limit of 64 KiB (limits.headers)"),
        "{text}"
    );
}

#[tokio::test]
async fn a_flood_of_headers_is_431() {
    let host = Host::start("").await;
    let fields: String = (0..5000).map(|i| format!("x-{i}: {i}\r\n")).collect();
    let answer = raw(
        host.running.address,
        format!("GET / HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n").as_bytes(),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_head_that_comes_too_slowly_is_408_and_cut() {
    let host = Host::start("[timeouts]\nrequest = \"100ms\"").await;
    let started = Instant::now();
    let answer = raw(
        host.running.address,
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("timeouts.request"), "{answer}");
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    assert!(
        answer.contains(&format!("content-length: {}\r\n", body.len())),
        "{}",
        body.len()
    );
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_cut() {
    let host = Host::start("[timeouts]\nrequest = \"100ms\"").await;
    let started = Instant::now();
    raw(host.running.address, b"").await;
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_second_head_that_comes_too_slowly_is_cut_too() {
    let host = Host::start("[timeouts]\nrequest = \"100ms\"").await;
    let mut stream = TcpStream::connect(host.running.address).await.unwrap();
    stream
        .write_all(b"GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 4096];
    let n = stream.read(&mut first).await.unwrap();
    assert!(first[..n].starts_with(b"HTTP/1.1 404"));
    stream
        .write_all(b"GET /nothing HTTP/1.1\r\nho")
        .await
        .unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(3), stream.read_to_end(&mut rest))
        .await
        .expect("not cut")
        .unwrap();
    assert!(
        rest.starts_with(b"HTTP/1.1 408"),
        "{}",
        String::from_utf8_lossy(&rest)
    );
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_408() {
    let host = Host::start("[timeouts]\nrequest = \"100ms\"").await;
    let head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{";
    let answer = raw(host.running.address, head).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(
        answer.contains("body did not arrive within 100ms (timeouts.request)"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let mut upstream = Upstream::start().await;
    let host = Host::start(&format!(
        "[timeouts]\nslow_client = \"200ms\"\n{}",
        upstream_section(&upstream.url())
    ))
    .await;
    let mut stream = TcpStream::connect(host.running.address).await.unwrap();
    let body = chat("big", true);
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = crate::support::upstream::event(&"x".repeat(100_000));
    for _ in 0..200 {
        upstream.events.send(piece.clone()).unwrap();
    }
    // The flight loses its only client, so its upstream is cancelled.
    tokio::time::timeout(Duration::from_secs(10), upstream.left.recv())
        .await
        .expect("the client was not cut")
        .unwrap();
    drop(stream);
}

#[tokio::test]
async fn beyond_the_requests_in_flight_the_answer_is_503_at_once() {
    let upstream = Upstream::start().await;
    let host = Host::start(&format!(
        "[limits]\nrequests = 1\n{}",
        upstream_section(&upstream.url())
    ))
    .await;
    let first = http().request(post(&host.url("/v1/chat/completions"), chat("one", true)));
    upstream
        .events
        .send(crate::support::upstream::event("a"))
        .unwrap();
    let first = first.await.unwrap();
    // The body never comes: what is full says so before it reads.
    let mut stream = TcpStream::connect(host.running.address).await.unwrap();
    let started = Instant::now();
    stream
        .write_all(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n",
        )
        .await
        .unwrap();
    let mut answer = [0; 4096];
    let n = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..n]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(
        answer.to_ascii_lowercase().contains("retry-after:"),
        "{answer}"
    );
    assert!(
        started.elapsed() < Duration::from_millis(100),
        "{:?}",
        started.elapsed()
    );
    drop(first);
}

#[tokio::test]
async fn beyond_the_connections_the_answer_is_503() {
    let host = Host::start("[limits]\nconnections = 1").await;
    let mut first = TcpStream::connect(host.running.address).await.unwrap();
    first
        .write_all(b"GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 1024];
    assert!(first.read(&mut answer).await.unwrap() > 0);
    let second = raw(host.running.address, b"").await;
    assert!(second.starts_with("HTTP/1.1 503"), "{second}");
    assert!(second.contains("limits.connections"), "{second}");
}

#[tokio::test]
async fn bodies_together_hold_no_more_than_they_may() {
    let host = Host::start("[limits]\nbody = \"1 KiB\"\nmemory = \"1 KiB\"").await;
    let mut first = TcpStream::connect(host.running.address).await.unwrap();
    let sent = "x".repeat(990);
    let head =
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n";
    first
        .write_all(format!("{head}{sent}").as_bytes())
        .await
        .unwrap();
    // What has come is booked, not what was announced.
    while host.running.front.held().bytes() < 990 {
        tokio::task::yield_now().await;
    }
    assert_eq!(host.running.front.held().bytes(), 990);
    let (status, text) = whole(
        http()
            .request(post(&host.url("/v1/chat/completions"), chat("x", false)))
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("limits.memory"), "{text}");
    drop(first);
    while host.running.front.held().bytes() > 0 {
        tokio::task::yield_now().await;
    }
}
