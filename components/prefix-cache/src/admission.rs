//! Whether an answer that has ended becomes an entry.

use crate::bindings::exports::forebay::prefix_cache::prefix_cache::{
    Admission, CachePlan, Ending, Outcome, Reason, Scope,
};
use crate::config::{Config, Tools};

/// Decides, when the answer has ended, whether it becomes an entry.
pub(crate) fn admit(config: &Config, plan: &CachePlan, outcome: &Outcome) -> Admission {
    let why = refusal(config, plan, outcome);
    let store = why.is_none();
    Admission {
        store,
        freshness: plan.freshness,
        tags: if store { tags(plan) } else { Vec::new() },
        why,
    }
}

/// Labels that follow from the plan alone; the host adds the tenant's and the model's.
fn tags(plan: &CachePlan) -> Vec<String> {
    let scope = match plan.scope {
        Scope::Tenant => "scope:tenant",
        Scope::Key => "scope:key",
    };
    let mut tags = vec![scope.to_owned()];
    if let Some(first) = plan.chain.first() {
        tags.push(format!("prefix:{:016x}", first.hash));
    }
    tags
}

fn refusal(config: &Config, plan: &CachePlan, outcome: &Outcome) -> Option<Reason> {
    let no = |code: &str, detail: String| {
        Some(Reason {
            code: code.to_owned(),
            detail,
        })
    };
    if !plan.store {
        return plan
            .why
            .clone()
            .or_else(|| no("not-planned", "the plan does not store".to_owned()));
    }
    match outcome.ending {
        Ending::Complete => {}
        Ending::Length if config.cache_length => {}
        Ending::Length => {
            return no(
                "length",
                "the answer was cut at its token limit, and the configuration stores whole answers"
                    .to_owned(),
            );
        }
        Ending::Truncated => {
            return no(
                "truncated",
                "the upstream's stream ended before its terminal event".to_owned(),
            );
        }
        Ending::Error => return no("error", "the upstream answered an error".to_owned()),
        Ending::Refused => {
            return no(
                "refused",
                "the model or the upstream's filter refused".to_owned(),
            );
        }
    }
    if outcome.status != 200 {
        return no(
            "status",
            format!("the upstream's status is {}, not 200", outcome.status),
        );
    }
    if outcome.bytes > config.max_bytes {
        return no(
            "too-large",
            format!(
                "the recording has {} bytes, over the limit of {} (max_bytes)",
                outcome.bytes, config.max_bytes
            ),
        );
    }
    if outcome.tool_calls && config.tools != Tools::Always {
        return no(
            "tool-calls",
            "the answer calls a tool, and replaying the call would repeat its effects".to_owned(),
        );
    }
    if outcome.usage.is_some_and(|usage| usage.output == 0) {
        return no("empty", "the answer has no tokens".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::exports::forebay::prefix_cache::prefix_cache::{Block, Freshness, Usage};

    fn plan() -> CachePlan {
        CachePlan {
            digest: vec![0; 32],
            scope: Scope::Tenant,
            lookup: true,
            store: true,
            why: None,
            freshness: Freshness {
                ttl: 60,
                idle: 0,
                stale_if_error: 10,
            },
            chain: vec![Block {
                hash: 255,
                end: 1_024,
            }],
            hints: Vec::new(),
            inputs: Vec::new(),
            breakpoints: Vec::new(),
        }
    }

    fn outcome() -> Outcome {
        Outcome {
            ending: Ending::Complete,
            status: 200,
            bytes: 2_000,
            tool_calls: false,
            usage: Some(Usage {
                input: 10,
                output: 5,
                cached_input: 0,
                cache_write: 0,
                reasoning: 0,
            }),
        }
    }

    fn code(config: &str, outcome: &Outcome) -> String {
        let admission = admit(&Config::parse(config).unwrap(), &plan(), outcome);
        assert_eq!(admission.store, admission.why.is_none());
        admission.why.map_or_else(String::new, |why| why.code)
    }

    #[test]
    fn a_whole_answer_is_stored_with_the_plans_freshness_and_tags() {
        let admission = admit(&Config::default(), &plan(), &outcome());
        assert!(admission.store);
        assert_eq!(admission.freshness, plan().freshness);
        assert_eq!(admission.tags, ["scope:tenant", "prefix:00000000000000ff"]);
    }

    #[test]
    fn every_other_ending_says_why_not() {
        let ended = |ending| Outcome {
            ending,
            ..outcome()
        };
        assert_eq!(code("{}", &ended(Ending::Length)), "");
        assert_eq!(
            code(r#"{"cache_length":false}"#, &ended(Ending::Length)),
            "length"
        );
        assert_eq!(code("{}", &ended(Ending::Truncated)), "truncated");
        assert_eq!(code("{}", &ended(Ending::Error)), "error");
        assert_eq!(code("{}", &ended(Ending::Refused)), "refused");
    }

    #[test]
    fn odd_answers_are_not_stored() {
        let mut o = outcome();
        o.status = 206;
        assert_eq!(code("{}", &o), "status");
        let mut o = outcome();
        o.bytes = (1 << 20) + 1;
        assert_eq!(code("{}", &o), "too-large");
        assert_eq!(code(r#"{"max_bytes":2000000}"#, &o), "");
        let mut o = outcome();
        o.usage = o.usage.map(|u| Usage { output: 0, ..u });
        assert_eq!(code("{}", &o), "empty");
        o.usage = None;
        assert_eq!(code("{}", &o), "");
    }

    #[test]
    fn a_tool_call_is_stored_only_when_always() {
        let mut o = outcome();
        o.tool_calls = true;
        assert_eq!(code("{}", &o), "tool-calls");
        assert_eq!(code(r#"{"tools":"always"}"#, &o), "");
    }

    #[test]
    fn what_was_not_planned_is_not_stored() {
        let mut unplanned = plan();
        unplanned.store = false;
        unplanned.why = Some(Reason {
            code: "no-store".to_owned(),
            detail: String::new(),
        });
        let admission = admit(&Config::default(), &unplanned, &outcome());
        assert_eq!(
            admission.why.map(|why| why.code),
            Some("no-store".to_owned())
        );
    }
}
