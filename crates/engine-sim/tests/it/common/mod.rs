//! A small HTTP client for the tests, and values compared by their shape.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may")]

pub(crate) mod shape;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use forebay_engine_sim::{SimConfig, SimHandle, spawn};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;

/// An answer read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The data of each event, `[DONE]` included.
    pub(crate) fn events(&self) -> Vec<String> {
        events(&self.text())
    }

    /// The JSON of each event but `[DONE]`.
    pub(crate) fn chunks(&self) -> Vec<Value> {
        let events = self.events();
        let json = events.iter().filter(|event| *event != "[DONE]");
        json.map(|event| serde_json::from_str(event).expect("JSON"))
            .collect()
    }

    /// The text that all chunks of choice `index` add up to, under a pointer into the choice.
    pub(crate) fn joined(&self, index: u64, pointer: &str) -> String {
        self.chunks()
            .iter()
            .flat_map(|chunk| chunk["choices"].as_array().cloned().unwrap_or_default())
            .filter(|choice| choice["index"] == index)
            .filter_map(|choice| Some(choice.pointer(pointer)?.as_str()?.to_owned()))
            .collect()
    }
}

/// The data of each event of a recorded stream.
pub(crate) fn events(stream: &str) -> Vec<String> {
    stream
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .map(str::to_owned)
        .collect()
}

/// A replica that takes no time.
pub(crate) async fn instant() -> SimHandle {
    spawn(SimConfig::instant()).await.expect("a replica")
}

/// Sends a request and gives the response as soon as its headers are there.
pub(crate) async fn open(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<http::Response<Incoming>, hyper::Error> {
    let stream = tokio::net::TcpStream::connect(addr)
        .await
        .expect("a connection");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "sim");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).expect("a request");
    sender.send_request(request).await
}

/// Sends a request and reads its answer.
pub(crate) async fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Answer, hyper::Error> {
    let (head, body) = open(addr, method, path, headers, body).await?.into_parts();
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body: body.collect().await?.to_bytes(),
    })
}

pub(crate) async fn get(addr: SocketAddr, path: &str) -> Answer {
    send(addr, "GET", path, &[], "").await.expect("an answer")
}

pub(crate) async fn post(addr: SocketAddr, path: &str, body: &Value) -> Answer {
    send(addr, "POST", path, &[], body.to_string())
        .await
        .expect("an answer")
}

/// A chat request with one user message, and whatever else is given.
pub(crate) fn chat(text: &str, more: Value) -> Value {
    let mut request = serde_json::json!({"messages": [{"role": "user", "content": text}]});
    for (key, value) in more.as_object().expect("an object") {
        request[key] = value.clone();
    }
    request
}

pub(crate) async fn post_chat(addr: SocketAddr, text: &str, more: Value) -> Answer {
    post(addr, "/v1/chat/completions", &chat(text, more)).await
}

/// Lets others run until the condition holds; fails after ten seconds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "never: {what}");
        tokio::task::yield_now().await;
    }
}

/// A recorded file of the real server.
pub(crate) fn recorded(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("a recording")
}

/// The path and the body of a recorded request.
pub(crate) fn recorded_request(name: &str) -> (String, Value) {
    let request: Value =
        serde_json::from_str(&recorded(&format!("{name}.request.json"))).expect("JSON");
    let path = request["path"].as_str().expect("a path").to_owned();
    (path, request["body"].clone())
}

/// The replica that the recordings were made with, as far as it can be configured.
pub(crate) fn recorded_replica() -> SimConfig {
    SimConfig {
        served_model_names: vec!["tiny".to_owned()],
        max_model_len: 4096,
        block_size: 32,
        num_gpu_blocks: 32_768,
        hash_seed: Some("0".to_owned()),
        kv_events_topic: "kv".to_owned(),
        ..SimConfig::instant()
    }
}
