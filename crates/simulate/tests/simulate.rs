//! The simulator's promises: it repeats itself, the bounds bound, the rules order as they should.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeMap;
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
            forebay.share_of_pooled_lru > 0.9,
            "{}",
            forebay.share_of_pooled_lru
        );
        assert!(forebay.hit_tokens > ttft.hit_tokens);
        assert!(forebay.hit_tokens > round_robin.hit_tokens);
        assert!(
            forebay.ttft_p99_s <= 1.05 * ttft.ttft_p99_s,
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

/// Makes traces: numbers, new blocks, and requests that end in the middle of a block.
struct Traffic {
    state: u64,
    blocks: u64,
    requests: Vec<Arrival>,
}

impl Traffic {
    const BLOCK: usize = 512;

    fn new(seed: u64) -> Self {
        Self {
            state: seed,
            blocks: 0,
            requests: Vec::new(),
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % below
    }

    fn fresh(&mut self, blocks: u64) -> std::ops::Range<u64> {
        self.blocks += blocks;
        self.blocks - blocks..self.blocks
    }

    fn ask(&mut self, at: f64, chain: &[u64], output: u64) {
        let input = chain.len() * Self::BLOCK + 1 + self.random(Self::BLOCK as u64 - 1) as usize;
        let output = 1 + self.random(output) as usize;
        self.requests.push(Arrival {
            at,
            input,
            output,
            chain: chain.into(),
            prompt: self.requests.len() as u64,
        });
    }

    fn trace(mut self) -> Trace {
        self.requests
            .sort_by(|one, other| one.at.total_cmp(&other.at));
        Trace {
            block_size: Self::BLOCK,
            requests: self.requests,
        }
    }
}

/// Agents: few long sets of tools, and sessions that grow call by call.
fn agents(seed: u64) -> Trace {
    let mut traffic = Traffic::new(seed);
    let mut tools = Vec::new();
    for _ in 0..6 {
        let blocks = 16 + traffic.random(32);
        tools.push(traffic.fresh(blocks));
    }
    for _ in 0..60 {
        let set = traffic.random(6).min(traffic.random(6)) as usize;
        let mut chain: Vec<u64> = tools[set].clone().collect();
        let mut at = traffic.random(300_000) as f64 / 1e3;
        for _ in 0..10 + traffic.random(30) {
            let blocks = 1 + traffic.random(6);
            chain.extend(traffic.fresh(blocks));
            traffic.ask(at, &chain, 500);
            at += 2.0 + traffic.random(18_000) as f64 / 1e3;
        }
    }
    traffic.trace()
}

/// Single turns that share nothing.
fn single_turns(seed: u64) -> Trace {
    let mut traffic = Traffic::new(seed);
    for place in 0..1_500 {
        let blocks = 1 + traffic.random(6) * traffic.random(6);
        let chain: Vec<u64> = traffic.fresh(blocks).collect();
        traffic.ask(f64::from(place) * 0.12, &chain, 600);
    }
    traffic.trace()
}

/// Bursts of requests that begin alike.
fn bursts(seed: u64) -> Trace {
    let mut traffic = Traffic::new(seed);
    let mut hot = Vec::new();
    for _ in 0..5 {
        let blocks = 8 + traffic.random(32);
        hot.push(traffic.fresh(blocks));
    }
    for burst in 0..25 {
        let begins = hot[traffic.random(5) as usize].clone();
        for _ in 0..40 + traffic.random(80) {
            let mut chain: Vec<u64> = begins.clone().collect();
            let blocks = 1 + traffic.random(3);
            chain.extend(traffic.fresh(blocks));
            let at = f64::from(burst) * 11.0 + traffic.random(1_500) as f64 / 1e3;
            traffic.ask(at, &chain, 300);
        }
    }
    traffic.trace()
}

/// Traffic, how much faster than recorded it arrives, and the cache of eight workers for it.
fn other_traffic(seed: u64) -> Vec<(&'static str, Trace, Options)> {
    let kinds = [
        ("agents", agents(seed), 1.0, 2_400_000),
        ("agents, caches too small", agents(seed), 1.0, 1_200_000),
        (
            "agents, twice as fast, large caches",
            agents(seed),
            2.0,
            4_800_000,
        ),
        ("single turns", single_turns(seed), 1.0, 2_400_000),
        ("bursts", bursts(seed), 1.0, 2_400_000),
        ("bursts, caches too small", bursts(seed), 1.0, 1_000_000),
        (
            "conversations, large caches",
            conversations(1 + seed),
            1.0,
            9_000_000,
        ),
    ];
    kinds
        .into_iter()
        .map(|(kind, trace, speed, cache_tokens)| {
            let options = Options {
                workers: 8,
                cache_tokens,
                speed,
                ..Options::default()
            };
            (kind, trace, options)
        })
        .collect()
}

#[test]
fn on_traffic_of_other_kinds_no_rule_has_many_more_hits() {
    for (kind, trace, options) in other_traffic(1) {
        let forebay = outcome(&trace, &options, "forebay");
        for rule in NAMES {
            let other = outcome(&trace, &options, rule);
            assert!(
                other.hit_tokens as f64 <= 1.04 * forebay.hit_tokens as f64,
                "{kind}: {rule} has {} hits, forebay {}",
                other.hit_tokens,
                forebay.hit_tokens
            );
        }
    }
}

/// The tail of one trace hangs on a few cold prompts, so it is the mean over several that counts.
#[test]
fn on_traffic_of_other_kinds_the_tail_is_near_that_of_the_fastest_rules() {
    const SEEDS: [u64; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
    let mut ratios = BTreeMap::<_, f64>::new();
    for seed in SEEDS {
        for (kind, trace, options) in other_traffic(seed * 7_919) {
            let forebay = outcome(&trace, &options, "forebay").ttft_p99_s;
            for rule in ["estimated-ttft", "least-loaded"] {
                let other = outcome(&trace, &options, rule).ttft_p99_s;
                *ratios.entry((kind, rule)).or_default() += forebay / other / SEEDS.len() as f64;
            }
        }
    }
    assert_eq!(ratios.len(), 14);
    for ((kind, rule), ratio) in ratios {
        assert!(
            ratio <= 1.05,
            "{kind}: p99 is {ratio:.3} times that of {rule}"
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
