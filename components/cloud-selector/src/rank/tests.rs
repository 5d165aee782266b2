//! Two upstreams, each constraint in turn, and weights that flip the order.

use super::*;
use crate::bindings::exports::forebay::cloud_selector::cloud_selector::{Capabilities, Price};

/// Ranks by the score.
fn scored() -> Config {
    Config {
        strategy: Strategy::Score,
        ..Config::default()
    }
}

/// A cluster of one's own in the EU: slow, cheap, small context, no vision.
fn engine() -> Candidate {
    Candidate {
        name: "engine".to_owned(),
        region: "eu-west-1".to_owned(),
        jurisdiction: "EU".to_owned(),
        healthy: true,
        capabilities: Capabilities::STREAMING | Capabilities::TOOLS,
        context_tokens: 8_192,
        price: Some(Price {
            input: 100_000,
            cached_input: 10_000,
            output: 400_000,
        }),
        ttft_ms: 400.0,
        tokens_per_second: 50.0,
        in_flight: 4,
        capacity: 8,
        warm_tokens: 0,
        sharing: 0,
        order: 0,
        workers: Vec::new(),
    }
}

/// A cloud in the US: fast, dear, large context.
fn cloud() -> Candidate {
    Candidate {
        name: "cloud".to_owned(),
        region: "us-east-1".to_owned(),
        jurisdiction: "US".to_owned(),
        healthy: true,
        capabilities: Capabilities::STREAMING | Capabilities::TOOLS | Capabilities::VISION,
        context_tokens: 128_000,
        price: Some(Price {
            input: 2_500_000,
            cached_input: 1_250_000,
            output: 10_000_000,
        }),
        ttft_ms: 200.0,
        tokens_per_second: 200.0,
        in_flight: 0,
        capacity: 0,
        warm_tokens: 0,
        sharing: 0,
        order: 1,
        workers: Vec::new(),
    }
}

fn demand() -> Demand {
    Demand {
        model: "llama-3.3-70b".to_owned(),
        input_tokens: 1_000,
        output_tokens: 500,
        needs: Capabilities::STREAMING,
        residency: Vec::new(),
        budget_micro_usd: None,
        deadline_ms: None,
    }
}

fn names(ranking: &Ranking) -> Vec<u32> {
    ranking.order.iter().map(|c| c.candidate).collect()
}

/// Ranks engine (0) and cloud (1) and expects exactly one to be excluded, under `code`.
fn excludes(demand: &Demand, candidates: [Candidate; 2], out: u32, code: &str, says: &[&str]) {
    let ranking = rank(&Config::default(), demand, &candidates);
    assert_eq!(names(&ranking), vec![1 - out]);
    assert_eq!(ranking.excluded.len(), 1);
    let exclusion = &ranking.excluded[0];
    assert_eq!(
        (exclusion.candidate, exclusion.why.code.as_str()),
        (out, code)
    );
    for figure in says {
        assert!(exclusion.why.detail.contains(figure), "{:?}", exclusion.why);
    }
}

#[test]
fn both_serve_an_easy_demand() {
    let ranking = rank(&scored(), &demand(), &[engine(), cloud()]);
    assert_eq!(ranking.order.len(), 2);
    assert!(ranking.excluded.is_empty());
}

#[test]
fn an_unhealthy_upstream_is_excluded() {
    let mut sick = engine();
    sick.healthy = false;
    excludes(&demand(), [sick, cloud()], 0, "health", &["engine"]);
}

#[test]
fn a_missing_capability_excludes_and_is_named() {
    let mut d = demand();
    d.needs |= Capabilities::VISION;
    excludes(&d, [engine(), cloud()], 0, "capability", &["vision"]);
}

#[test]
fn a_prompt_beyond_the_context_excludes() {
    let mut d = demand();
    d.input_tokens = 8_000;
    excludes(&d, [engine(), cloud()], 0, "context", &["8192", "8500"]);
}

#[test]
fn residency_excludes_who_is_elsewhere_or_nowhere() {
    let mut d = demand();
    d.residency = vec!["eu".to_owned()];
    excludes(
        &d,
        [engine(), cloud()],
        1,
        "residency",
        &["us-east-1", "eu"],
    );
    let mut nowhere = cloud();
    nowhere.region.clear();
    nowhere.jurisdiction.clear();
    excludes(&d, [engine(), nowhere], 1, "residency", &["unknown"]);
}

#[test]
fn a_budget_excludes_the_dear_and_the_unpriced() {
    let mut d = demand();
    d.budget_micro_usd = Some(1_000);
    excludes(&d, [engine(), cloud()], 1, "budget", &["7500", "1000"]);
    let mut unpriced = cloud();
    unpriced.price = None;
    excludes(&d, [engine(), unpriced.clone()], 1, "budget", &["no price"]);
    let lenient = Config::parse(r#"{"unknown_price":"allow"}"#).unwrap();
    let ranking = rank(&lenient, &d, &[engine(), unpriced]);
    assert!(ranking.excluded.is_empty());
}

#[test]
fn a_deadline_excludes_the_slow_but_not_the_unmeasured() {
    let mut d = demand();
    d.deadline_ms = Some(5_000);
    excludes(&d, [engine(), cloud()], 0, "deadline", &["10400", "5000"]);
    let mut unmeasured = engine();
    unmeasured.tokens_per_second = 0.0;
    let ranking = rank(&Config::default(), &d, &[unmeasured, cloud()]);
    assert!(ranking.excluded.is_empty());
}

#[test]
fn a_full_upstream_is_excluded() {
    let mut full = engine();
    full.in_flight = 8;
    excludes(&demand(), [full, cloud()], 0, "capacity", &["8"]);
}

#[test]
fn the_first_broken_constraint_is_the_one_reported() {
    let mut d = demand();
    d.residency = vec!["EU".to_owned()];
    d.budget_micro_usd = Some(1);
    let mut sick = cloud();
    sick.healthy = false;
    let ranking = rank(&Config::default(), &d, &[sick, cloud()]);
    let codes: Vec<&str> = ranking
        .excluded
        .iter()
        .map(|e| e.why.code.as_str())
        .collect();
    assert_eq!(codes, ["health", "residency"]);
}

#[test]
fn weights_flip_the_order() {
    let cheap = Config::parse(r#"{"strategy":"score","weights":{"price":10}}"#).unwrap();
    let fast =
        Config::parse(r#"{"strategy":"score","weights":{"price":0,"completion":10}}"#).unwrap();
    let both = [engine(), cloud()];
    assert_eq!(names(&rank(&cheap, &demand(), &both)), [0, 1]);
    assert_eq!(names(&rank(&fast, &demand(), &both)), [1, 0]);
}

#[test]
fn warmth_decides_between_equals() {
    let mut warm = engine();
    warm.order = 1;
    warm.warm_tokens = 900;
    let ranking = rank(&scored(), &demand(), &[engine(), warm]);
    assert_eq!(names(&ranking), [1, 0]);
}

#[test]
fn the_ordered_strategy_ignores_the_score() {
    let config = Config::parse(r#"{"strategy":"ordered","weights":{"completion":10}}"#).unwrap();
    let ranking = rank(&config, &demand(), &[cloud(), engine()]);
    assert_eq!(names(&ranking), [1, 0]);
}

#[test]
fn ties_go_to_the_configured_order_and_parts_sum_to_the_score() {
    let mut second = engine();
    second.order = 1;
    let flat = Config::parse(r#"{"strategy":"score","weights":{"order":0}}"#).unwrap();
    let ranking = rank(&flat, &demand(), &[second, engine()]);
    assert_eq!(names(&ranking), [1, 0]);
    for choice in &ranking.order {
        let sum: f64 = choice.parts.iter().map(|p| p.value).sum();
        assert_eq!(sum, choice.score);
        assert_eq!(choice.parts.len(), 6);
    }
}

#[test]
fn absurd_figures_neither_panic_nor_win() {
    let mut absurd = engine();
    absurd.ttft_ms = f64::NAN;
    absurd.tokens_per_second = f64::NAN;
    absurd.warm_tokens = u64::MAX;
    absurd.context_tokens = 0;
    absurd.price = Some(Price {
        input: u64::MAX,
        cached_input: u64::MAX,
        output: u64::MAX,
    });
    let mut d = demand();
    d.input_tokens = u64::MAX;
    d.output_tokens = u64::MAX;
    let mut roomy = cloud();
    roomy.context_tokens = 0;
    let ranking = rank(&Config::default(), &d, &[absurd, roomy]);
    assert_eq!(ranking.order.len(), 2);
    assert!(ranking.order.iter().all(|c| c.score.is_finite()));
}
