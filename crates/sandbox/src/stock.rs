//! `admit` of the shipped prefix cache without a guest: it depends on configuration, plan and outcome
//! alone, and on none of the client's bytes. A host test holds it to the component.

use forebay_gateway::policy::{Admission, CachePlan, Ending, Outcome, Reason, Scope};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::options::ComponentSource;

/// What of the component's configuration decides. Its defaults are the component's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Admissions {
    cache_length: bool,
    max_bytes: u64,
    tools: String,
}

impl Default for Admissions {
    fn default() -> Self {
        Self {
            cache_length: true,
            max_bytes: 1 << 20,
            tools: "no-calls".to_owned(),
        }
    }
}

impl Admissions {
    /// None where the component is not the shipped one, or its configuration can't be read here: then
    /// the guest is asked.
    pub(crate) fn of(source: &ComponentSource, shipped: Option<[u8; 32]>) -> Option<Self> {
        let shipped = shipped?;
        let digest: [u8; 32] = Sha256::digest(&source.bytes).into();
        (digest == shipped)
            .then(|| Self::deserialize(&source.config).ok())
            .flatten()
    }

    /// Whether an answer that has ended becomes an entry.
    pub(crate) fn admit(&self, plan: &CachePlan, outcome: &Outcome) -> Admission {
        let why = self.refusal(plan, outcome);
        Admission {
            store: why.is_none(),
            freshness: plan.freshness,
            tags: if why.is_none() {
                tags(plan)
            } else {
                Vec::new()
            },
            why,
        }
    }

    fn refusal(&self, plan: &CachePlan, outcome: &Outcome) -> Option<Reason> {
        let no = |code: &str, detail: &str| {
            Some(Reason {
                code: code.to_owned(),
                detail: detail.to_owned(),
            })
        };
        if !plan.store {
            let unplanned = || no("not-planned", "the plan does not store");
            return plan.why.clone().or_else(unplanned);
        }
        match outcome.ending {
            Ending::Complete => {}
            Ending::Length if self.cache_length => {}
            Ending::Length => {
                return no(
                    "length",
                    "the answer was cut at its token limit, and the configuration stores whole answers",
                );
            }
            Ending::Truncated => {
                return no(
                    "truncated",
                    "the upstream's stream ended before its terminal event",
                );
            }
            Ending::Error => return no("error", "the upstream answered an error"),
            Ending::Refused => {
                return no("refused", "the model or the upstream's filter refused");
            }
        }
        let (status, bytes, most) = (outcome.status, outcome.bytes, self.max_bytes);
        if status != 200 {
            let detail = format!("the upstream's status is {status}, not 200");
            return no("status", &detail);
        }
        if bytes > most {
            let detail =
                format!("the recording has {bytes} bytes, over the limit of {most} (max_bytes)");
            return no("too-large", &detail);
        }
        if outcome.tool_calls && self.tools != "always" {
            return no(
                "tool-calls",
                "the answer calls a tool, and replaying the call would repeat its effects",
            );
        }
        if outcome.usage.is_some_and(|usage| usage.output == 0) {
            return no("empty", "the answer has no tokens");
        }
        None
    }
}

/// Labels that follow from the plan alone.
fn tags(plan: &CachePlan) -> Vec<String> {
    let scope = match plan.scope {
        Scope::Tenant => "scope:tenant",
        Scope::Key => "scope:key",
    };
    let mut tags = vec![scope.to_owned()];
    tags.extend(
        plan.chain
            .first()
            .map(|first| format!("prefix:{:016x}", first.hash)),
    );
    tags
}
