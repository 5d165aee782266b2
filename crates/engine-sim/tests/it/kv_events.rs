//! KV events against those that a real vLLM 0.32.0 published.
#![allow(clippy::expect_used, reason = "a test may")]

use std::time::Duration;

use forebay_engine_sim::{SimConfig, SimHandle, spawn};
use forebay_prefix::ChainSpec;
use serde_json::{Value, json};
use zeromq::{Socket, SocketRecv, SubSocket};

use crate::common::shape::Shape;
use crate::common::{post, recorded, recorded_replica, recorded_request};

/// A batch as received: topic, sequence, and the batch itself.
struct Batch {
    topic: Vec<u8>,
    sequence: u64,
    payload: Vec<u8>,
}

impl Batch {
    fn new(frames: Vec<Vec<u8>>) -> Self {
        let [topic, sequence, payload] = frames.try_into().expect("three frames");
        Self {
            topic,
            sequence: u64::from_be_bytes(sequence.try_into().expect("eight bytes")),
            payload,
        }
    }

    fn json(&self) -> Value {
        rmp_serde::from_slice(&self.payload).expect("MessagePack")
    }

    fn shape(&self) -> Shape {
        rmp_serde::from_slice(&self.payload).expect("MessagePack")
    }
}

fn recorded_batches() -> Vec<Batch> {
    let frames = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let frames = line["frames"].as_array().cloned().expect("frames");
        let bytes = frames
            .iter()
            .map(|frame| hex::decode(frame.as_str().expect("hex")));
        bytes.collect::<Result<Vec<_>, _>>().expect("hex")
    };
    recorded("kv-events.jsonl")
        .lines()
        .map(|line| Batch::new(frames(line)))
        .collect()
}

/// A replica that publishes, and a subscriber that is known to receive.
async fn subscribed(config: SimConfig) -> (SimHandle, SubSocket, u64) {
    let config = SimConfig {
        kv_events: Some("tcp://127.0.0.1:0".to_owned()),
        ..config
    };
    let sim = spawn(config).await.expect("a replica");
    let mut socket = SubSocket::new();
    socket
        .connect(sim.kv_events().expect("an endpoint"))
        .await
        .expect("a connection");
    socket.subscribe("kv").await.expect("a subscription");
    // A subscription is known to the publisher only some time after it is made.
    for _ in 0..1_000 {
        post(sim.addr(), "/reset_prefix_cache", &json!({})).await;
        let wait = Duration::from_millis(20);
        if let Ok(message) = tokio::time::timeout(wait, socket.recv()).await {
            let mut last = received(message.expect("a message"));
            // What else was sent meanwhile is read off.
            while last.sequence + 1 < sim.stats().kv_batches_published {
                last = next(&mut socket).await;
            }
            assert_eq!(last.json()[1][0], json!({"type": "AllBlocksCleared"}));
            return (sim, socket, last.sequence);
        }
    }
    panic!("the subscription never took effect");
}

fn received(message: zeromq::ZmqMessage) -> Batch {
    Batch::new(
        message
            .into_vec()
            .iter()
            .map(|frame| frame.to_vec())
            .collect(),
    )
}

async fn next(socket: &mut SubSocket) -> Batch {
    let wait = Duration::from_secs(10);
    let message = tokio::time::timeout(wait, socket.recv())
        .await
        .expect("an event in time");
    received(message.expect("a message"))
}

#[tokio::test]
async fn the_recorded_token_ids_are_stored_under_the_recorded_hashes() {
    let (sim, mut socket, last) = subscribed(recorded_replica()).await;
    let (path, body) = recorded_request("completions-token-ids");
    post(sim.addr(), &path, &body).await;
    let batch = next(&mut socket).await;
    let expected = recorded_batches().pop().expect("a batch");
    assert_eq!(batch.json()[1], expected.json()[1]);
    assert_eq!(batch.shape(), expected.shape());
    assert_eq!((batch.topic, batch.sequence), (expected.topic, last + 1));
}

#[tokio::test]
async fn stored_blocks_of_a_prompt_a_completion_and_a_salted_prompt_have_the_recorded_shapes() {
    let (sim, mut socket, _) = subscribed(recorded_replica()).await;
    let expected = recorded_batches();
    let (path, mut body) = recorded_request("chat");
    body["max_tokens"] = json!(40);
    post(sim.addr(), &path, &body).await;
    let (prompt, completion) = (next(&mut socket).await, next(&mut socket).await);
    assert_eq!(prompt.shape(), expected[0].shape());
    assert_eq!(completion.shape(), expected[1].shape());
    let (path, mut body) = recorded_request("chat-salted");
    body["max_tokens"] = json!(1);
    post(sim.addr(), &path, &body).await;
    // The unsalted completion may have filled one more block.
    let mut salted = next(&mut socket).await;
    if !salted.json()[1][0]["parent_block_hash"].is_null() {
        salted = next(&mut socket).await;
    }
    assert_eq!(salted.shape(), expected[3].shape());
    assert_eq!(salted.json()[1][0]["extra_keys"][0], json!(["tenant-a"]));
}

#[tokio::test]
async fn every_stored_hash_follows_from_the_stored_tokens() {
    let (sim, mut socket, _) = subscribed(recorded_replica()).await;
    let (path, body) = recorded_request("chat");
    post(sim.addr(), &path, &body).await;
    let event = next(&mut socket).await.json()[1][0].clone();
    let tokens: Vec<u32> = serde_json::from_value(event["token_ids"].clone()).expect("tokens");
    let spec = ChainSpec {
        block_size: 32,
        seed: Some("0".to_owned()),
        ..ChainSpec::default()
    };
    let chain: Vec<u64> = spec
        .chain(&tokens)
        .iter()
        .map(|hash| hash.low64())
        .collect();
    assert_eq!(event["block_hashes"], json!(chain));
}

#[tokio::test]
async fn eviction_is_told() {
    let config = SimConfig {
        num_gpu_blocks: 3,
        ..recorded_replica()
    };
    let (sim, mut socket, _) = subscribed(config).await;
    let prompt =
        |start: u32| json!({"prompt": (start..start + 64).collect::<Vec<_>>(), "max_tokens": 1});
    post(sim.addr(), "/v1/completions", &prompt(0)).await;
    let stored = next(&mut socket).await.json()[1][0].clone();
    post(sim.addr(), "/v1/completions", &prompt(500)).await;
    let removed = next(&mut socket).await.json()[1][0].clone();
    assert_eq!(removed["type"], "BlockRemoved");
    assert_eq!(removed["medium"], "GPU");
    assert_eq!(removed["block_hashes"][0], stored["block_hashes"][1]);
}
