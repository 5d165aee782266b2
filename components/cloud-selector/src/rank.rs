//! Puts constraints and score together into a ranking.

use std::cmp::Ordering;

use crate::bindings::exports::forebay::cloud_selector::cloud_selector::{
    Candidate, Choice, Demand, Exclusion, Ranking,
};
use crate::config::{Config, Strategy};
use crate::constraints::broken;
use crate::score::{Scale, cost_micro_usd};
use crate::worker::choose;

/// Ranks the candidates for a demand. The same arguments always give the same ranking.
pub fn rank(config: &Config, demand: &Demand, candidates: &[Candidate]) -> Ranking {
    let mut excluded = Vec::new();
    let mut left: Vec<(u32, &Candidate)> = Vec::with_capacity(candidates.len());
    for (index, candidate) in (0_u32..).zip(candidates) {
        match broken(config, demand, candidate) {
            Some(why) => excluded.push(Exclusion {
                candidate: index,
                why,
            }),
            None => left.push((index, candidate)),
        }
    }
    let scale = Scale::of(demand, left.iter().map(|(_, c)| *c));
    let mut scored: Vec<(u32, Choice)> = left
        .into_iter()
        .map(|(index, c)| {
            let parts = scale.parts(&config.weights, demand, c);
            let choice = Choice {
                candidate: index,
                score: parts.iter().map(|part| part.value).sum(),
                parts,
                cost_micro_usd: cost_micro_usd(demand, c),
                worker: choose(
                    &config.workers,
                    demand.input_tokens,
                    demand.output_tokens,
                    c.sharing,
                    &c.workers,
                ),
            };
            (c.order, choice)
        })
        .collect();
    scored.sort_by(|(a_order, a), (b_order, b)| {
        let by_score = match config.strategy {
            Strategy::Score => a.score.total_cmp(&b.score),
            Strategy::Ordered => Ordering::Equal,
        };
        by_score
            .then(a_order.cmp(b_order))
            .then(a.candidate.cmp(&b.candidate))
    });
    Ranking {
        order: scored.into_iter().map(|(_, choice)| choice).collect(),
        excluded,
    }
}

#[cfg(test)]
mod tests;
