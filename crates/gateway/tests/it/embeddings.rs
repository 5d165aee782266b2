//! Vectors belong to their inputs: a batch asks only for what is missing.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use bytes::Bytes;
use serde_json::{Value, json};

use crate::support::*;

fn embeddings(input: Value) -> http::request::Builder {
    let body = json!({"model": "e", "input": input, "encoding_format": "float"});
    http::Request::post("/v1/embeddings").extension(Bytes::from(body.to_string()))
}

/// The length of each text is its vector.
fn vectors(exchange: Exchange) {
    let asked = exchange.json();
    let texts = asked["input"].as_array().unwrap().clone();
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(i, text)| json!({"object": "embedding", "index": i, "embedding": [text.as_str().unwrap().len()]}))
        .rev()
        .collect();
    let tokens = texts.len() * 2;
    let answer = json!({"object": "list", "data": data, "model": "e",
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens}});
    exchange.whole(200, answer.to_string());
}

async fn answer(
    response: tokio::task::JoinHandle<http::Response<forebay_gateway::ReplyBody<TestPlatform>>>,
) -> Value {
    serde_json::from_str(&rest(response.await.unwrap().into_body()).await).unwrap()
}

#[tokio::test]
async fn a_batch_asks_only_for_what_is_missing_and_keeps_its_order() {
    let mut rig = RigBuilder::default().build();
    let first = rig.send(embeddings(json!(["a", "bbb"])));
    vectors(rig.exchange().await);
    answer(first).await;
    let second = rig.send(embeddings(json!(["cc", "bbb", "dddd", "a"])));
    let exchange = rig.exchange().await;
    assert_eq!(exchange.json()["input"], json!(["cc", "dddd"]));
    assert_eq!(exchange.json()["encoding_format"], "float");
    vectors(exchange);
    let second = answer(second).await;
    let lengths: Vec<&Value> = second["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| &d["embedding"][0])
        .collect();
    assert_eq!(lengths, [2, 3, 4, 1]);
    let indices: Vec<&Value> = second["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| &d["index"])
        .collect();
    assert_eq!(indices, [0, 1, 2, 3]);
    assert_eq!(second["usage"]["total_tokens"], 8);
    let third = rig.send(embeddings(json!("dddd")));
    let third = third.await.unwrap();
    assert!(
        third.headers()["cache-status"]
            .to_str()
            .unwrap()
            .contains("hit")
    );
    assert!(rig.is_idle().await);
}

#[tokio::test]
async fn another_dimension_is_another_vector() {
    let mut rig = RigBuilder::default().build();
    for dimensions in [1, 2] {
        let body = json!({"model": "e", "input": ["a"], "dimensions": dimensions});
        let request =
            http::Request::post("/v1/embeddings").extension(Bytes::from(body.to_string()));
        let response = rig.send(request);
        vectors(rig.exchange().await);
        answer(response).await;
    }
}
