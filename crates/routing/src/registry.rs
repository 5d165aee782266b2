//! The rules by name.

use crate::{
    Blend, BoundedLoad, CacheAware, DynamoCost, ExpectedCost, LeastLoaded, LongestMatch, Product,
    Random, RoundRobin, Rule, StickyUntilSaturated,
};

/// Every rule's name, Forebay's own first.
pub const NAMES: [&str; 12] = [
    "forebay",
    "estimated-ttft",
    "round-robin",
    "random",
    "least-loaded",
    "longest-match",
    "bounded-load-hashing",
    "sglang-cache-aware",
    "dynamo-cost",
    "llm-d-blend",
    "llm-d-sticky",
    "lmetric",
];

/// A name that no rule has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a routing rule; the rules are {list}", list = NAMES.join(", "))]
pub struct UnknownRule(String);

/// Makes the rule with a name, with its default constants.
///
/// # Errors
/// [`UnknownRule`] if there is none.
pub fn by_name(name: &str) -> Result<Box<dyn Rule>, UnknownRule> {
    Ok(match name {
        "forebay" => Box::new(ExpectedCost::default()),
        "estimated-ttft" => Box::new(ExpectedCost::ttft()),
        "round-robin" => Box::new(RoundRobin::default()),
        "random" => Box::new(Random),
        "least-loaded" => Box::new(LeastLoaded),
        "longest-match" => Box::new(LongestMatch),
        "bounded-load-hashing" => Box::new(BoundedLoad::default()),
        "sglang-cache-aware" => Box::new(CacheAware::default()),
        "dynamo-cost" => Box::new(DynamoCost::default()),
        "llm-d-blend" => Box::new(Blend::default()),
        "llm-d-sticky" => Box::new(StickyUntilSaturated::default()),
        "lmetric" => Box::new(Product),
        other => return Err(UnknownRule(other.to_owned())),
    })
}

/// Whether the rule with this name would choose the same worker for the same request again: not
/// one that takes turns or throws dice.
#[must_use]
pub fn is_foreseeable(name: &str) -> bool {
    !matches!(name, "round-robin" | "random")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Request, Worker};

    #[test]
    fn every_name_makes_the_rule_of_that_name() {
        for name in NAMES {
            assert_eq!(by_name(name).unwrap().name(), name);
        }
        let message = by_name("best").err().unwrap().to_string();
        assert!(
            message.contains("\"best\"") && message.contains("llm-d-sticky"),
            "{message}"
        );
    }

    #[test]
    fn every_rule_picks_a_healthy_worker_if_there_is_one() {
        let mut state = 1_u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        for name in NAMES {
            let mut rule = by_name(name).unwrap();
            for _ in 0..500 {
                let count = random() % 9;
                let workers: Vec<Worker> = (0..count)
                    .map(|id| Worker {
                        id,
                        healthy: random() % 3 > 0,
                        in_flight: (random() % 200) as u32,
                        queued_tokens: random() % 100_000,
                        active_tokens: random() % 100_000,
                        prefill_rate: (random() % 3) as f64 * 8_000.0,
                        held_tokens: random() % 20_000,
                        cached_tokens: random() % 1_000_000,
                        ..Worker::default()
                    })
                    .collect();
                let request = Request {
                    tokens: random() % 20_000,
                    key: random() << 20,
                    output_tokens: 0,
                    sharing: (random() % 100) as u32,
                    block_size: 16,
                    random: random(),
                };
                match rule.pick(&request, &workers) {
                    Some(place) => assert!(workers[place].healthy, "{name}"),
                    None => assert!(workers.iter().all(|worker| !worker.healthy), "{name}"),
                }
            }
        }
    }
}
