//! Faults on demand, each as a client sees it.
#![allow(clippy::expect_used, reason = "a test may")]

use std::time::{Duration, Instant};

use forebay_engine_sim::{FAULT_HEADER, Fault, SIMULATED_HEADER, SimConfig, SimHandle, spawn};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{Answer, chat, eventually, get, instant, open, post_chat, send};

async fn faulty(sim: &SimHandle, fault: &str, more: Value) -> Result<Answer, hyper::Error> {
    let body = chat("hello", more).to_string();
    let headers = [(FAULT_HEADER, fault)];
    send(sim.addr(), "POST", "/v1/chat/completions", &headers, body).await
}

/// The raw bytes that a stream with this fault puts on the connection, and how it ends.
async fn raw(sim: &SimHandle, fault: &str) -> (String, std::io::Result<()>) {
    let body = chat("hello", json!({"stream": true, "max_tokens": 9})).to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: sim\r\n{FAULT_HEADER}: {fault}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut socket = tokio::net::TcpStream::connect(sim.addr())
        .await
        .expect("a connection");
    socket.write_all(head.as_bytes()).await.expect("sent");
    socket.write_all(body.as_bytes()).await.expect("sent");
    let mut bytes = Vec::new();
    let ended = socket.read_to_end(&mut bytes).await.map(|_| ());
    (String::from_utf8_lossy(&bytes).into_owned(), ended)
}

#[tokio::test]
async fn a_status_comes_with_its_retry_after_in_the_error_shape() {
    let sim = instant().await;
    let answer = faulty(&sim, "status=429; retry_after=7", json!({}))
        .await
        .expect("an answer");
    assert_eq!(answer.status, 429);
    assert_eq!(answer.headers["retry-after"], "7");
    assert_eq!(answer.headers[SIMULATED_HEADER], "true");
    assert_eq!(answer.json()["error"]["code"], 429);
    assert_eq!(answer.json()["error"]["type"], "Too Many Requests");
}

#[tokio::test]
async fn the_request_field_goes_before_the_header_and_the_header_before_the_replica() {
    let config = SimConfig {
        fault: Some(Fault::parse("status=500").expect("a fault")),
        ..SimConfig::instant()
    };
    let sim = spawn(config).await.expect("a replica");
    assert_eq!(post_chat(sim.addr(), "hello", json!({})).await.status, 500);
    assert_eq!(
        faulty(&sim, "status=502", json!({}))
            .await
            .expect("an answer")
            .status,
        502
    );
    let field = json!({"vllm_xargs": {"forebay_fault": {"status": 503}}});
    assert_eq!(
        faulty(&sim, "status=502", field)
            .await
            .expect("an answer")
            .status,
        503
    );
    assert_eq!(get(sim.addr(), "/health").await.status, 200);
}

#[tokio::test]
async fn a_header_strikes_the_health_check_too() {
    let sim = instant().await;
    let headers = [(FAULT_HEADER, "status=500")];
    let answer = send(sim.addr(), "GET", "/health", &headers, "")
        .await
        .expect("an answer");
    assert_eq!(answer.status, 500);
}

#[tokio::test]
async fn an_unknown_fault_is_a_bad_request() {
    let sim = instant().await;
    let answer = faulty(&sim, "explode", json!({})).await.expect("an answer");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("explode"));
}

#[tokio::test]
async fn html_is_a_proxys_502_page() {
    let sim = instant().await;
    let answer = faulty(&sim, "html", json!({})).await.expect("an answer");
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["content-type"]),
        (502, &"text/html".parse().expect("a value"))
    );
    assert!(answer.text().starts_with("<html>"));
}

#[tokio::test]
async fn a_cut_stream_has_just_so_many_events_and_no_terminal_chunk() {
    let sim = instant().await;
    let (bytes, ended) = raw(&sim, "cut_after=3").await;
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(bytes.matches("data: ").count(), 3, "{bytes}");
    assert!(
        !bytes.contains("[DONE]") && !bytes.ends_with("0\r\n\r\n"),
        "{bytes}"
    );
}

#[tokio::test]
async fn a_reset_stream_ends_in_rst() {
    let sim = instant().await;
    let (bytes, ended) = raw(&sim, "cut_after=2, reset").await;
    let kind = ended.expect_err("a reset").kind();
    assert_eq!(kind, std::io::ErrorKind::ConnectionReset, "{bytes}");
}

#[tokio::test]
async fn a_reset_before_the_response_leaves_no_bytes() {
    let sim = instant().await;
    let (bytes, ended) = raw(&sim, "reset").await;
    assert_eq!(bytes, "");
    assert_eq!(
        ended.expect_err("a reset").kind(),
        std::io::ErrorKind::ConnectionReset
    );
}

#[tokio::test]
async fn a_cut_whole_answer_is_shorter_than_it_says() {
    let sim = instant().await;
    assert!(faulty(&sim, "cut_after=100", json!({})).await.is_err());
}

#[tokio::test]
async fn a_stream_without_done_ends_cleanly() {
    let sim = instant().await;
    let more = json!({"stream": true, "max_tokens": 3});
    let answer = faulty(&sim, "no_done", more).await.expect("a whole body");
    let events = answer.events();
    assert_eq!(events.len(), 4);
    assert!(
        events
            .last()
            .expect("an event")
            .contains("finish_reason\":\"length")
    );
}

#[tokio::test]
async fn malformed_and_garbage_events_are_put_between_good_ones() {
    let sim = instant().await;
    let more = json!({"stream": true, "max_tokens": 3});
    let answer = faulty(&sim, "malformed_after=1, garbage_after=2", more)
        .await
        .expect("a body");
    let events = answer.events();
    let bad: Vec<_> = events
        .iter()
        .enumerate()
        .filter(|(_, event)| serde_json::from_str::<Value>(event).is_err())
        .map(|(place, _)| place)
        .collect();
    assert_eq!(bad, [1, events.len() - 1], "{events:?}");
    assert!(std::str::from_utf8(&answer.body).is_err());
    assert_eq!(events.last().map(String::as_str), Some("[DONE]"));
}

#[tokio::test]
async fn a_malformed_whole_answer_is_not_json() {
    let sim = instant().await;
    let answer = faulty(&sim, "malformed_after=20", json!({}))
        .await
        .expect("a body");
    assert_eq!(answer.status, 200);
    assert!(serde_json::from_slice::<Value>(&answer.body).is_err());
}

#[tokio::test]
async fn delays_come_before_the_headers_and_before_the_first_byte() {
    let sim = instant().await;
    let body = chat("hello", json!({"stream": true, "max_tokens": 3})).to_string();
    let begun = Instant::now();
    let headers = [(FAULT_HEADER, "delay_ms=30, first_byte_delay_ms=40")];
    let response = open(sim.addr(), "POST", "/v1/chat/completions", &headers, body)
        .await
        .expect("headers");
    let headers_after = begun.elapsed();
    response
        .into_body()
        .frame()
        .await
        .expect("a frame")
        .expect("a frame");
    assert!(
        headers_after >= Duration::from_millis(30),
        "{headers_after:?}"
    );
    assert!(
        begun.elapsed() >= Duration::from_millis(70),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_hanging_stream_sends_its_events_and_then_nothing() {
    let sim = instant().await;
    let body = chat("hello", json!({"stream": true, "max_tokens": 30})).to_string();
    let headers = [(FAULT_HEADER, "hang_after=2")];
    let response = open(sim.addr(), "POST", "/v1/chat/completions", &headers, body)
        .await
        .expect("headers");
    let mut stream = response.into_body();
    let mut seen = String::new();
    while seen.matches("data: ").count() < 2 {
        let frame = stream.frame().await.expect("a frame").expect("a frame");
        seen.push_str(&String::from_utf8_lossy(frame.data_ref().expect("data")));
    }
    let more = tokio::time::timeout(Duration::from_millis(50), stream.frame()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn a_hanging_request_gets_no_headers_and_is_forgotten_when_its_client_leaves() {
    let sim = instant().await;
    let hanging = faulty(&sim, "hang", json!({}));
    let none = tokio::time::timeout(Duration::from_millis(50), hanging).await;
    assert!(none.is_err());
    eventually("the engine is idle", || sim.stats().running == 0).await;
    let load = || async { get(sim.addr(), "/load").await.json()["server_load"].clone() };
    for _ in 0..1_000 {
        if load().await == 0 {
            return;
        }
    }
    panic!("the hanging request still counts as load");
}
