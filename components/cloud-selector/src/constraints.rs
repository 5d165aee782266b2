//! What a candidate must satisfy before its score counts: the first rule that fails excludes it.

use crate::bindings::exports::forebay::cloud_selector::cloud_selector::{
    Candidate, Capabilities, Demand, Reason,
};
use crate::config::{Config, UnknownPrice};
use crate::score::{completion_ms, cost_micro_usd};

/// Every capability with the name that an exclusion gives it.
const CAPABILITIES: [(Capabilities, &str); 8] = [
    (Capabilities::STREAMING, "streaming"),
    (Capabilities::TOOLS, "tools"),
    (Capabilities::JSON_SCHEMA, "json-schema"),
    (Capabilities::VISION, "vision"),
    (Capabilities::AUDIO, "audio"),
    (Capabilities::LOGPROBS, "logprobs"),
    (Capabilities::MULTIPLE_CHOICES, "multiple-choices"),
    (Capabilities::TOKEN_IDS, "token-ids"),
];

/// The first constraint that the candidate breaks, or `None`.
pub(crate) fn broken(config: &Config, demand: &Demand, c: &Candidate) -> Option<Reason> {
    health(c)
        .or_else(|| capability(demand, c))
        .or_else(|| context(demand, c))
        .or_else(|| residency(demand, c))
        .or_else(|| budget(config, demand, c))
        .or_else(|| deadline(demand, c))
        .or_else(|| capacity(c))
}

fn because(code: &str, detail: String) -> Option<Reason> {
    Some(Reason {
        code: code.to_owned(),
        detail,
    })
}

fn health(c: &Candidate) -> Option<Reason> {
    if c.healthy {
        return None;
    }
    because(
        "health",
        format!("{} failed its health check or is ejected", c.name),
    )
}

fn capability(demand: &Demand, c: &Candidate) -> Option<Reason> {
    if c.capabilities.contains(demand.needs) {
        return None;
    }
    let lacking: Vec<&str> = CAPABILITIES
        .iter()
        .filter(|(flag, _)| demand.needs.contains(*flag) && !c.capabilities.contains(*flag))
        .map(|(_, name)| *name)
        .collect();
    because(
        "capability",
        format!("{} lacks {}", c.name, lacking.join(", ")),
    )
}

fn context(demand: &Demand, c: &Candidate) -> Option<Reason> {
    let wanted = demand.input_tokens.saturating_add(demand.output_tokens);
    if c.context_tokens == 0 || wanted <= c.context_tokens {
        return None;
    }
    because(
        "context",
        format!(
            "{} takes {} tokens, the request may need {} ({} in, {} out)",
            c.name, c.context_tokens, wanted, demand.input_tokens, demand.output_tokens
        ),
    )
}

fn residency(demand: &Demand, c: &Candidate) -> Option<Reason> {
    let allowed = |place: &str| {
        !place.is_empty()
            && demand
                .residency
                .iter()
                .any(|wanted| wanted.eq_ignore_ascii_case(place))
    };
    if demand.residency.is_empty() || allowed(&c.region) || allowed(&c.jurisdiction) {
        return None;
    }
    let shown = |place: &str| {
        if place.is_empty() {
            "unknown".to_owned()
        } else {
            place.to_owned()
        }
    };
    because(
        "residency",
        format!(
            "{} is in region {} and jurisdiction {}, the request may only go to {}",
            c.name,
            shown(&c.region),
            shown(&c.jurisdiction),
            demand.residency.join(", ")
        ),
    )
}

fn budget(config: &Config, demand: &Demand, c: &Candidate) -> Option<Reason> {
    let limit = demand.budget_micro_usd?;
    match cost_micro_usd(demand, c) {
        Some(cost) if cost > limit => because(
            "budget",
            format!(
                "{} would cost up to {cost} micro-USD, over the budget of {limit}",
                c.name
            ),
        ),
        None if config.unknown_price == UnknownPrice::Exclude => because(
            "budget",
            format!(
                "{} has no price, and the request has a budget of {limit} micro-USD",
                c.name
            ),
        ),
        _ => None,
    }
}

fn deadline(demand: &Demand, c: &Candidate) -> Option<Reason> {
    let limit = demand.deadline_ms?;
    let expected = completion_ms(demand, c);
    // An upstream that was never measured has neither figure; it gets its chance.
    if !expected.is_finite() || expected <= limit as f64 {
        return None;
    }
    because(
        "deadline",
        format!(
            "{} would take about {expected:.0} ms, the deadline is in {limit} ms",
            c.name
        ),
    )
}

fn capacity(c: &Candidate) -> Option<Reason> {
    if c.capacity == 0 || c.in_flight < c.capacity {
        return None;
    }
    because(
        "capacity",
        format!(
            "{} has {} requests in flight and takes {}",
            c.name, c.in_flight, c.capacity
        ),
    )
}
