//! The figures behind a score: expected cost, expected time, and the normalised parts.

use crate::bindings::exports::forebay::cloud_selector::cloud_selector::{
    Candidate, Demand, ScorePart,
};
use crate::config::Weights;

/// Prices are for a million tokens.
const PRICED_TOKENS: u128 = 1_000_000;

/// What the request costs at most, in millionths of a US dollar, rounded up; `None` without a price.
pub(crate) fn cost_micro_usd(demand: &Demand, c: &Candidate) -> Option<u64> {
    let price = c.price.as_ref()?;
    let warm = c.warm_tokens.min(demand.input_tokens);
    let cold = demand.input_tokens - warm;
    // One product of two u64 fits a u128, a sum of three need not.
    let total = [
        (cold, price.input),
        (warm, price.cached_input),
        (demand.output_tokens, price.output),
    ]
    .into_iter()
    .fold(0_u128, |sum, (tokens, micro_usd)| {
        sum.saturating_add(u128::from(tokens) * u128::from(micro_usd))
    });
    Some(u64::try_from(total.div_ceil(PRICED_TOKENS)).unwrap_or(u64::MAX))
}

/// Expected time to the last token, in milliseconds; infinite where the speed is not known.
pub(crate) fn completion_ms(demand: &Demand, c: &Candidate) -> f64 {
    if c.tokens_per_second > 0.0 {
        known(c.ttft_ms) + demand.output_tokens as f64 / c.tokens_per_second * 1000.0
    } else {
        f64::INFINITY
    }
}

/// A figure as it counts: not negative and a number.
fn known(x: f64) -> f64 {
    if x.is_nan() { 0.0 } else { x.max(0.0) }
}

/// The largest figures among the candidates that are left: what the shares are measured against.
pub(crate) struct Scale {
    price: f64,
    ttft: f64,
    completion: f64,
    in_flight: f64,
    order: f64,
}

impl Scale {
    /// The scale of these candidates.
    pub(crate) fn of<'a>(demand: &Demand, candidates: impl Iterator<Item = &'a Candidate>) -> Self {
        let mut scale = Self {
            price: 0.0,
            ttft: 0.0,
            completion: 0.0,
            in_flight: 0.0,
            order: 0.0,
        };
        for c in candidates {
            let time = completion_ms(demand, c);
            scale.price = scale
                .price
                .max(cost_micro_usd(demand, c).unwrap_or(0) as f64);
            scale.ttft = scale.ttft.max(known(c.ttft_ms));
            if time.is_finite() {
                scale.completion = scale.completion.max(time);
            }
            scale.in_flight = scale.in_flight.max(f64::from(c.in_flight));
            scale.order = scale.order.max(f64::from(c.order));
        }
        scale
    }

    /// The six weighted parts of one candidate.
    pub(crate) fn parts(&self, w: &Weights, demand: &Demand, c: &Candidate) -> Vec<ScorePart> {
        let price = cost_micro_usd(demand, c).map_or(1.0, |cost| share(cost as f64, self.price));
        let load = if c.capacity > 0 {
            share(f64::from(c.in_flight), f64::from(c.capacity))
        } else {
            share(f64::from(c.in_flight), self.in_flight)
        };
        let cold = 1.0 - share(c.warm_tokens as f64, demand.input_tokens as f64);
        [
            ("price", w.price * price),
            ("ttft", w.ttft * share(known(c.ttft_ms), self.ttft)),
            (
                "completion",
                w.completion * share(completion_ms(demand, c), self.completion),
            ),
            ("load", w.load * load),
            ("warmth", w.warmth * cold),
            ("order", w.order * share(f64::from(c.order), self.order)),
        ]
        .into_iter()
        .map(|(name, value)| ScorePart {
            name: name.to_owned(),
            value,
        })
        .collect()
    }
}

/// `x / max` within 0..1; what has no scale has no share, and what is infinite has all of it.
fn share(x: f64, max: f64) -> f64 {
    if x.is_infinite() {
        1.0
    } else if max > 0.0 {
        (x / max).clamp(0.0, 1.0)
    } else {
        0.0
    }
}
