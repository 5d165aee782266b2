//! The wire format against what a real vLLM 0.32.0 sent: keys, their order, types of values,
//! sequence of chunks, statuses, error bodies.
#![allow(clippy::expect_used, reason = "a test may")]

use forebay_engine_sim::{SIMULATED_HEADER, SimHandle, spawn};
use serde_json::{Value, json};

use crate::common::shape::Shape;
use crate::common::{Answer, events, get, post, recorded, recorded_replica, recorded_request};

async fn replica() -> SimHandle {
    spawn(recorded_replica()).await.expect("a replica")
}

async fn replay(sim: &SimHandle, name: &str) -> Answer {
    let (path, body) = recorded_request(name);
    let answer = post(sim.addr(), &path, &body).await;
    let head: Value =
        serde_json::from_str(&recorded(&format!("{name}.headers.json"))).expect("JSON");
    assert_eq!(answer.status.as_u16(), head["status"], "{name}");
    assert_eq!(
        answer.headers["content-type"].to_str().ok(),
        head["headers"]["content-type"].as_str()
    );
    assert_eq!(answer.headers[SIMULATED_HEADER], "true");
    answer
}

/// The shapes of a stream's events, runs of the same shape once.
fn shapes(events: &[String]) -> Vec<Option<Shape>> {
    let mut shapes: Vec<_> = events
        .iter()
        .map(|event| (event != "[DONE]").then(|| Shape::of(event)))
        .collect();
    shapes.dedup();
    shapes
}

#[tokio::test]
async fn whole_answers_have_the_recorded_shape() {
    let sim = replica().await;
    for name in [
        "chat",
        "chat-salted",
        "completions-token-ids",
        "tokenize-chat",
    ] {
        let answer = replay(&sim, name).await;
        let expected = Shape::of(&recorded(&format!("{name}.response")));
        assert_eq!(Shape::of(&answer.text()), expected, "{name}");
    }
}

#[tokio::test]
async fn streams_have_the_recorded_sequence_of_shapes() {
    let sim = replica().await;
    for name in ["chat-stream", "completions-stream"] {
        let answer = replay(&sim, name).await;
        let expected = events(&recorded(&format!("{name}.response")));
        assert_eq!(shapes(&answer.events()), shapes(&expected), "{name}");
    }
}

#[tokio::test]
async fn refusals_are_the_recorded_ones_to_the_byte() {
    let sim = replica().await;
    for name in [
        "error-bad-messages",
        "error-context-length",
        "error-unknown-model",
    ] {
        let answer = replay(&sim, name).await;
        assert_eq!(
            answer.text(),
            recorded(&format!("{name}.response")).trim_end(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn service_endpoints_have_the_recorded_shape() {
    let sim = replica().await;
    for (path, name) in [
        ("/v1/models", "models"),
        ("/version", "version"),
        ("/load", "load"),
    ] {
        let answer = get(sim.addr(), path).await;
        let expected = Shape::of(&recorded(&format!("{name}.response")));
        assert_eq!(Shape::of(&answer.text()), expected, "{name}");
    }
}

#[tokio::test]
async fn a_repeated_prompt_is_cached_in_whole_blocks_and_a_salt_keeps_it_apart() {
    let sim = replica().await;
    let first = replay(&sim, "chat").await.json();
    let again = replay(&sim, "chat").await.json();
    let salted = replay(&sim, "chat-salted").await.json();
    let details = |answer: &Value, name: &str| {
        answer["usage"]["prompt_tokens_details"][name]
            .as_u64()
            .expect("a count")
    };
    let created = details(&first, "created_cache_tokens");
    let prompt = first["usage"]["prompt_tokens"].as_u64().expect("a count");
    assert_eq!(
        (details(&first, "cached_tokens"), created),
        (0, prompt / 32 * 32)
    );
    assert_eq!(details(&again, "cached_tokens"), created);
    assert_eq!(details(&again, "created_cache_tokens"), 0);
    assert_eq!(details(&salted, "cached_tokens"), 0);
}

#[tokio::test]
async fn salts_share_the_blocks_of_a_public_prefix_and_none_after_it() {
    let sim = replica().await;
    let tokens: Vec<u32> = (0..320).collect();
    let cached = async |salt: &str, shared: u64| {
        let body = json!({"prompt": tokens, "max_tokens": 1, "cache_salt": salt,
            "shared_prefix_tokens": shared});
        let answer = post(sim.addr(), "/v1/completions", &body).await.json();
        answer["usage"]["prompt_tokens_details"]["cached_tokens"]
            .as_u64()
            .expect("a count")
    };
    assert_eq!(cached("tenant-a", 100).await, 0);
    // 100 tokens are three whole blocks of 32.
    assert_eq!(cached("tenant-b", 100).await, 96);
    assert_eq!(cached("tenant-c", 0).await, 0);
    assert_eq!(cached("tenant-a", 100).await, 288);
}

#[tokio::test]
async fn the_same_prompt_gets_the_same_text_and_another_id() {
    let sim = replica().await;
    let one = replay(&sim, "chat").await.json();
    let other = replay(&sim, "chat").await.json();
    assert_eq!(one["choices"], other["choices"]);
    assert_ne!(one["id"], other["id"]);
}

/// Families of a metrics page as (name, type), without Python's and the web server's.
fn families(page: &str) -> Vec<(String, String)> {
    let mut families: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .filter(|(name, _)| name.starts_with("vllm:") && !name.ends_with("_created"))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    families.sort();
    families
}

/// The bounds of every histogram of a metrics page.
fn bounds(page: &str) -> Vec<(String, String)> {
    let mut bounds: Vec<_> = page
        .lines()
        .filter(|line| line.starts_with("vllm:"))
        .filter_map(|line| {
            let (name, labels) = line.split_once("_bucket{")?;
            let (_, bound) = labels.split_once("le=\"")?;
            Some((name.to_owned(), bound.split('"').next()?.to_owned()))
        })
        .collect();
    bounds.sort();
    bounds
}

#[tokio::test]
async fn metrics_have_the_recorded_names_types_and_buckets() {
    let sim = replica().await;
    replay(&sim, "chat").await;
    let page = get(sim.addr(), "/metrics").await.text();
    let expected = recorded("metrics.response");
    assert_eq!(families(&page), families(&expected));
    assert_eq!(bounds(&page), bounds(&expected));
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a sample");
        assert!(name.contains("model_name=\"tiny\""), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

#[tokio::test]
async fn metrics_count_what_was_served() {
    let sim = replica().await;
    replay(&sim, "chat").await;
    replay(&sim, "chat").await;
    let page = get(sim.addr(), "/metrics").await.text();
    let sample = |name: &str| {
        let labels = "{engine=\"0\",model_name=\"tiny\"} ";
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(labels));
        line.and_then(|value| value.parse::<f64>().ok())
            .expect("a sample")
    };
    assert_eq!(sample("vllm:generation_tokens_total"), 48.0);
    assert_eq!(
        sample("vllm:prompt_tokens_total"),
        sample("vllm:prefix_cache_queries_total")
    );
    assert!(sample("vllm:prefix_cache_hits_total") > 0.0);
    assert_eq!(sample("vllm:num_requests_running"), 0.0);
    assert_eq!(sample("vllm:time_to_first_token_seconds_count"), 2.0);
}
