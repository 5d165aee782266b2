//! Forebay's cloud-selector policy: which upstreams may serve a request, in which order, and why.
//!
//! # Constraints
//!
//! Constraints come first, in this order, and the first that fails excludes the candidate under
//! its code: `health`, `capability`, `context`, `residency`, `budget`, `deadline`, `capacity`.
//! Each exclusion says the figures that decided it.
//!
//! # Score
//!
//! What is left is ordered by a score; lower is better. It is a weighted sum of six parts, each
//! normalised to 0..1 among the candidates that are left, so that weights compare like with like:
//!
//! | part | raw figure `x` | share |
//! | --- | --- | --- |
//! | `price` | expected cost: uncached input, cached input and all output tokens at the candidate's prices | `x / max` |
//! | `ttft` | expected time to first token, ms | `x / max` |
//! | `completion` | `ttft + output tokens / tokens per second`, ms | `x / max` |
//! | `load` | requests in flight, over capacity where that is known, else over the busiest candidate | `x`, at most 1 |
//! | `warmth` | share of the prompt that the candidate does *not* hold in its prefix cache | `1 - warm / input` |
//! | `order` | place in the configured order | `x / max` |
//!
//! `score = Σ weight × share`. A candidate without a price takes the share 1 of `price`; one
//! whose speed is not known (0) counts as infinitely slow for `completion`, share 1. Ties go to
//! the lower `order`, then to the lower index. By default (`strategy = "ordered"`) the configured
//! order alone decides and the parts are only reported; the score decides with
//! `strategy = "score"`.
//!
//! # Workers
//!
//! Of an upstream with several workers one is chosen by `workers.rule`, by default the rule of
//! `forebay-routing` that `forebay simulate` calls `forebay`: what the worker holds of the prompt
//! against what waits there, and what a second copy costs later.

mod config;
mod constraints;
mod rank;
mod score;
mod worker;

#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "forebay:cloud-selector/cloud-selector-policy",
        generate_all,
        additional_derives: [PartialEq],
    });
}

use std::sync::OnceLock;

use bindings::exports::forebay::cloud_selector::cloud_selector as wit;
pub use config::Config;
pub use rank::rank;

/// Set once by `configure`; a snapshot of the component carries it.
static CONFIG: OnceLock<Config> = OnceLock::new();

/// The component's exports.
#[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
struct Selector;

impl wit::Guest for Selector {
    fn configure(config: String) -> Result<(), String> {
        let config = Config::parse(&config)?;
        CONFIG
            .set(config)
            .map_err(|_| "the cloud-selector is already configured".to_owned())
    }

    fn rank(
        _caller: wit::Caller,
        demand: wit::Demand,
        candidates: Vec<wit::Candidate>,
    ) -> wit::Ranking {
        rank(CONFIG.get_or_init(Config::default), &demand, &candidates)
    }
}

#[cfg(target_family = "wasm")]
#[allow(unsafe_code, missing_docs)]
mod exported {
    use super::{Selector, bindings};
    bindings::export!(Selector with_types_in bindings);
}
