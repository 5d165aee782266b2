//! A client that leaves frees its slot at once, whatever it was waiting for.
#![allow(clippy::expect_used, reason = "a test may")]

use forebay_engine_sim::{SimConfig, SimHandle, spawn};
use http_body_util::BodyExt;
use serde_json::json;

use crate::common::{chat, eventually, get, open, post_chat};

/// A replica on which nothing ends by itself while a test runs.
async fn slow(config: SimConfig) -> SimHandle {
    spawn(SimConfig {
        speed: 1.0,
        ..config
    })
    .await
    .expect("a replica")
}

fn endless(stream: bool) -> String {
    let more = json!({"stream": stream, "max_tokens": 100_000, "ignore_eos": true});
    chat("count", more).to_string()
}

async fn running_in_metrics(sim: &SimHandle) -> String {
    let page = get(sim.addr(), "/metrics").await.text();
    let sample = page
        .lines()
        .find(|line| line.starts_with("vllm:num_requests_running{"));
    let value = sample.and_then(|line| line.rsplit(' ').next());
    value.expect("a sample").to_owned()
}

#[tokio::test]
async fn a_stream_whose_client_leaves_stops_running() {
    let sim = slow(SimConfig::default()).await;
    let path = "/v1/chat/completions";
    let response = open(sim.addr(), "POST", path, &[], endless(true))
        .await
        .expect("headers");
    let mut body = response.into_body();
    body.frame().await.expect("a frame").expect("a frame");
    assert_eq!(running_in_metrics(&sim).await, "1");
    drop(body);
    eventually("nothing runs", || sim.stats().running == 0).await;
    assert_eq!(running_in_metrics(&sim).await, "0");
    assert_eq!((sim.stats().aborted, sim.stats().finished), (1, 0));
}

#[tokio::test]
async fn a_whole_answer_whose_client_leaves_stops_running() {
    let sim = slow(SimConfig::default()).await;
    let addr = sim.addr();
    let path = "/v1/chat/completions";
    let waiting = tokio::spawn(async move { open(addr, "POST", path, &[], endless(false)).await });
    eventually("it runs", || sim.stats().running == 1).await;
    waiting.abort();
    eventually("nothing runs", || sim.stats().running == 0).await;
    assert!(sim.stats().kv_cache_usage.abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_full_queue_refuses_with_503_until_someone_leaves() {
    let sim = slow(SimConfig {
        max_num_seqs: 1,
        max_waiting: 1,
        ..SimConfig::default()
    })
    .await;
    let path = "/v1/chat/completions";
    let first = open(sim.addr(), "POST", path, &[], endless(true))
        .await
        .expect("headers");
    eventually("the first runs", || sim.stats().running == 1).await;
    let second = open(sim.addr(), "POST", path, &[], endless(true))
        .await
        .expect("headers");
    eventually("the second waits", || sim.stats().waiting == 1).await;
    let refused = post_chat(sim.addr(), "hello", json!({})).await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.headers["retry-after"], "1");
    drop(first);
    eventually("the second runs", || {
        sim.stats().waiting == 0 && sim.stats().running == 1
    })
    .await;
    drop(second);
    let served = post_chat(sim.addr(), "hello", json!({"max_tokens": 2})).await;
    assert_eq!(served.status, 200);
}

#[tokio::test]
async fn shutdown_ends_streams_under_way() {
    let sim = slow(SimConfig::default()).await;
    let path = "/v1/chat/completions";
    let response = open(sim.addr(), "POST", path, &[], endless(true))
        .await
        .expect("headers");
    let addr = sim.addr();
    sim.shutdown().await;
    assert!(response.into_body().collect().await.is_err());
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}
