//! The default profile's two promises, in virtual time: 1.5 s for 500 tokens at a moderate load,
//! 120 requests/s when saturated. Prompts are 128 distinct tokens long.

use std::time::Duration;

use forebay_prefix::ChainSpec;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::sequence::SequenceSpec;
use super::{Engine, Running};
use crate::config::SimConfig;
use crate::metrics::Metrics;

fn engine(config: &SimConfig) -> Engine {
    let engine = Engine::new(config, Metrics::new(config), None);
    tokio::spawn(engine.clone().run(CancellationToken::new()));
    engine
}

fn request(number: u32, prompt: u32, output: u32) -> SequenceSpec {
    let tokens: Vec<u32> = (0..prompt + output)
        .map(|place| number * 1_000 + place)
        .collect();
    let chain_spec = ChainSpec::default();
    SequenceSpec {
        prompt_len: prompt as usize,
        chain: chain_spec.chain(&tokens[..prompt as usize]),
        chain_spec,
        tokens,
        max_tokens: Some(output as usize),
        n: 1,
        cut_by_length: true,
    }
}

async fn finished(running: Running) {
    while !running.progress[0].finished() {
        running.moved.notified().await;
    }
}

fn within_ten_percent(measured: f64, promised: f64) -> bool {
    (measured / promised - 1.0).abs() < 0.1
}

#[tokio::test(start_paused = true)]
async fn a_moderately_loaded_node_takes_1500_ms_for_500_tokens() {
    let engine = engine(&SimConfig::default());
    let mut requests = Vec::new();
    for number in 0..160 {
        let running = engine.submit(vec![request(number, 128, 500)]).unwrap();
        let begun = Instant::now();
        requests.push(tokio::spawn(async move {
            finished(running).await;
            begun.elapsed()
        }));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The first two seconds fill the batch.
    let mut sum = Duration::ZERO;
    for request in requests.drain(40..) {
        sum += request.await.unwrap();
    }
    let mean = sum.as_secs_f64() / 120.0;
    assert!(within_ten_percent(mean, 1.5), "{mean} s");
}

#[tokio::test(start_paused = true)]
async fn a_saturated_node_serves_120_requests_a_second() {
    let engine = engine(&SimConfig::default());
    let waves = 3;
    let count = waves * 512;
    let begun = Instant::now();
    let requests: Vec<_> = (0..count)
        .map(|number| {
            let running = engine.submit(vec![request(number, 128, 500)]).unwrap();
            tokio::spawn(finished(running))
        })
        .collect();
    for request in requests {
        request.await.unwrap();
    }
    let rate = f64::from(count) / begun.elapsed().as_secs_f64();
    assert!(within_ten_percent(rate, 120.0), "{rate} requests/s");
}

#[tokio::test(start_paused = true)]
async fn a_cached_prompt_skips_its_prefill() {
    let engine = engine(&SimConfig::default());
    let mut times = Vec::new();
    for _ in 0..2 {
        let begun = Instant::now();
        let running = engine.submit(vec![request(1, 80_000, 1)]).unwrap();
        let progress = running.progress[0].clone();
        finished(running).await;
        times.push((begun.elapsed(), progress.cached()));
    }
    assert!(times[0].0 > Duration::from_secs(1), "{times:?}");
    assert!(times[1].0 < Duration::from_millis(10), "{times:?}");
    assert_eq!((times[0].1, times[1].1), (0, 79_984));
}

#[tokio::test(start_paused = true)]
async fn a_cache_too_small_for_two_preempts_the_younger_and_finishes_both() {
    let config = SimConfig {
        num_gpu_blocks: 20,
        enable_prefix_caching: false,
        ..SimConfig::default()
    };
    let metrics = Metrics::new(&config);
    let engine = Engine::new(&config, metrics.clone(), None);
    tokio::spawn(engine.clone().run(CancellationToken::new()));
    let one = engine.submit(vec![request(1, 100, 200)]).unwrap();
    let other = engine.submit(vec![request(2, 100, 200)]).unwrap();
    finished(one).await;
    finished(other).await;
    let preempted = "vllm:num_preemptions_total{engine=\"0\",model_name=\"forebay-sim-70b\"} ";
    let page = metrics.page();
    let count = page.lines().find_map(|line| line.strip_prefix(preempted));
    assert!(count.is_some_and(|count| count != "0"), "{count:?}");
    assert!(engine.stats().kv_cache_usage.abs() < f64::EPSILON);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_gives_its_slot_to_one_that_waits() {
    let config = SimConfig {
        max_num_seqs: 1,
        max_waiting: 1,
        ..SimConfig::default()
    };
    let engine = engine(&config);
    let first = engine.submit(vec![request(1, 16, 100_000)]).unwrap();
    first.moved.notified().await;
    let second = engine.submit(vec![request(2, 16, 3)]).unwrap();
    assert!(engine.submit(vec![request(3, 16, 3)]).is_err());
    drop(first);
    assert_eq!(engine.stats().running, 0);
    finished(second).await;
    assert_eq!(engine.stats().aborted, 1);
}
