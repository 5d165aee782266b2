//! The simulator's promises: it repeats itself, the bounds bound, the rules order as they should.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::atomic::AtomicUsize;

use forebay_routing::{NAMES, by_name};
use forebay_simulate::{Arrival, Bounds, Options, Outcome, Profile, Trace, run};

/// Conversations that grow turn by turn over a system prompt that all share, at a load that three
/// quarters of the engines could bear without a cache.
fn conversations(seed: u64) -> Trace {
    let mut state = seed;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    const BLOCK: usize = 256;
    let mut requests = Vec::new();
    let mut conversations: Vec<Vec<u64>> = Vec::new();
    let mut next_block = 100;
    let mut at = 0.0;
    for _ in 0..3_000 {
        at += random(200) as f64 / 1e3;
        let place = random(120) as usize;
        if place >= conversations.len() {
            conversations.push((0..8).collect());
        }
        let place = place.min(conversations.len() - 1);
        if conversations[place].len() > 60 {
            conversations[place] = (0..8).collect();
        }
        let chain = &mut conversations[place];
        for _ in 0..2 + random(12) {
            next_block += 1;
            chain.push(next_block);
        }
        requests.push(Arrival {
            at,
            input: chain.len() * BLOCK + 1 + random(BLOCK as u64 - 1) as usize,
            output: 1 + random(400) as usize,
            chain: chain.clone().into(),
            prompt: next_block,
        });
    }
    Trace {
        block_size: BLOCK,
        requests,
    }
}

fn options() -> Options {
    Options {
        workers: 6,
        cache_tokens: 900_000,
        ..Options::default()
    }
}

fn outcome(trace: &Trace, options: &Options, rule: &str) -> Outcome {
    let profile = Profile::load("h100x2-qwen3-32b").unwrap();
    let done = AtomicUsize::new(0);
    let mut outcome = run(trace, &profile, options, || by_name(rule).unwrap(), &done).unwrap();
    let bounds = Bounds::of(trace, options.cache_tokens);
    assert_eq!(done.into_inner(), trace.requests.len());
    assert_eq!(outcome.requests, trace.requests.len());
    assert!(outcome.hit_tokens <= bounds.infinite_hit_tokens);
    outcome.share_of_pooled_lru = outcome.hit_tokens as f64 / bounds.pooled_lru_hit_tokens as f64;
    outcome
}

#[test]
fn every_rule_answers_every_request_and_a_second_run_gives_the_same_figures() {
    let trace = conversations(1);
    for rule in NAMES {
        let first = outcome(&trace, &options(), rule);
        assert_eq!(first, outcome(&trace, &options(), rule), "{rule}");
        assert!(first.ttft_p50_s <= first.ttft_p99_s, "{rule}");
        assert!(first.busiest_over_mean >= 1.0, "{rule}");
    }
}

#[test]
fn forebays_rule_has_more_hits_than_the_fastest_and_a_bounded_tail_on_other_traffic() {
    for seed in [2, 3, 4] {
        let trace = conversations(seed);
        let forebay = outcome(&trace, &options(), "forebay");
        let ttft = outcome(&trace, &options(), "estimated-ttft");
        let round_robin = outcome(&trace, &options(), "round-robin");
        assert!(
            forebay.share_of_pooled_lru > 0.85,
            "{}",
            forebay.share_of_pooled_lru
        );
        assert!(forebay.hit_tokens > ttft.hit_tokens);
        assert!(forebay.hit_tokens > round_robin.hit_tokens);
        // Where engines are mostly idle, waiting for a holder costs more than the copy would.
        assert!(
            forebay.ttft_p99_s <= 2.0 * ttft.ttft_p99_s,
            "{} s against {} s",
            forebay.ttft_p99_s,
            ttft.ttft_p99_s
        );
        assert!(
            forebay.busiest_over_mean < 1.5,
            "{}",
            forebay.busiest_over_mean
        );
    }
}

#[test]
fn hits_hold_with_four_gateways_lost_events_and_a_wrong_rate() {
    let trace = conversations(5);
    let best = outcome(&trace, &options(), "forebay").share_of_pooled_lru;
    let worse = [
        Options {
            gateways: 4,
            ..options()
        },
        Options {
            event_loss: 0.05,
            ..options()
        },
        Options {
            rate_factor: 2.0,
            ..options()
        },
        Options {
            rate_factor: 0.5,
            ..options()
        },
    ];
    for options in worse {
        let share = outcome(&trace, &options, "forebay").share_of_pooled_lru;
        assert!(share > best - 0.1, "{share} against {best}: {options:?}");
    }
}

#[test]
fn with_exact_events_predictions_are_right_but_for_what_is_on_its_way() {
    let trace = conversations(6);
    let exact = outcome(&trace, &options(), "forebay");
    let blind = Options {
        events: false,
        ..options()
    };
    let guessed = outcome(&trace, &blind, "forebay");
    assert!(
        exact.prediction_error_tokens < guessed.prediction_error_tokens,
        "{} against {}",
        exact.prediction_error_tokens,
        guessed.prediction_error_tokens
    );
}

#[test]
fn a_rule_that_sends_all_to_one_worker_shows_as_skew() {
    let trace = conversations(7);
    let longest = outcome(&trace, &options(), "longest-match");
    assert!(
        longest.busiest_over_mean > 5.0,
        "{}",
        longest.busiest_over_mean
    );
}
